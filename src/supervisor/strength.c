/* SPDX-License-Identifier: ISC */
#include "supervisor/strength.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/util.h"
#include "supervisor/environment.h"
#include "supervisor/event.h"
#include "supervisor/load.h"
#include "supervisor/pool.h"
#include "supervisor/recycle.h"
#include "supervisor/rollout.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor.h"

#define LOOK_NS (100 * MS_NS)
#define FEW	8 /* workers that any service may have by hand */

static bool
is_scaled(const struct pool *pool)
{
	return pool->config->scaling != CONFIG_SCALING_STATIC;
}

/* What the pool should have now. */
static uint32_t
wanted(const struct pool *pool)
{
	const struct strength *strength = &pool->strength;

	return strength->target < strength->cap ? strength->target : strength->cap;
}

/* --- counting ---------------------------------------------------------- */

static int64_t
most_by_hand(const struct config_service *config)
{
	int64_t most = config->scaling == CONFIG_SCALING_STATIC ? config->workers :
								  config->workers_max;

	return 2 * most > FEW ? 2 * most : FEW;
}

uint32_t
strength_slots(const struct config_service *config)
{
	int64_t most = most_by_hand(config);
	int64_t slots = most + 1 + most / 8;

	return slots < LEASE_WORKERS_MAX ? (uint32_t)slots : LEASE_WORKERS_MAX;
}

struct strength_count
strength_count(const struct pool *pool)
{
	struct strength_count count = { 0 };

	for (uint32_t i = 0; i < pool->worker_count; i++) {
		const struct worker *worker = &pool->workers[i];

		count.processes += worker->pid != 0;
		switch (worker->state) {
		case WORKER_STARTING:
		case WORKER_CHECKING:
		case WORKER_WAITING:
			count.coming++;
			break;
		case WORKER_KILLED:
		case WORKER_LOST:
			/* one that did not leave by itself is replaced in place */
			count.coming += !worker->leaving;
			break;
		case WORKER_RUNNING:
			count.going++;
			break;
		case WORKER_OUTGOING:
			count.outgoing++;
			break;
		default:
			break;
		}
	}
	return count;
}

bool
strength_is_reached(const struct pool *pool)
{
	return strength_count(pool).going >= wanted(pool);
}

bool
strength_needs_another(const struct pool *pool)
{
	struct strength_count count = strength_count(pool);

	/* the slot in question counts as coming */
	return count.coming + count.going <= wanted(pool);
}

/* --- bringing it there ------------------------------------------------- */

static struct worker *
find_state(struct pool *pool, enum worker_state state)
{
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].state == state)
			return &pool->workers[i];
	return NULL;
}

static struct worker *
find_last(struct pool *pool, enum worker_state state, bool idle)
{
	for (uint32_t i = pool->worker_count; i-- > 0;)
		if (pool->workers[i].state == state &&
		    (!idle || !load_is_busy(&pool->workers[i])))
			return &pool->workers[i];
	return NULL;
}

/* Who is missed least. */
static struct worker *
choose_leaver(struct pool *pool)
{
	struct worker *worker;

	if ((worker = find_last(pool, WORKER_WAITING, false)) != NULL ||
	    (worker = find_last(pool, WORKER_STARTING, false)) != NULL ||
	    (worker = find_last(pool, WORKER_CHECKING, false)) != NULL ||
	    (worker = find_last(pool, WORKER_RUNNING, true)) != NULL)
		return worker;
	return find_last(pool, WORKER_RUNNING, false);
}

static void
start_missing(struct pool *pool)
{
	struct strength_count count = strength_count(pool);
	uint32_t there = count.coming + count.going;
	struct worker *worker;

	while (
	    there++ < wanted(pool) && (worker = find_state(pool, WORKER_EMPTY)) != NULL)
		worker_event(worker, WORKER_ON_START);
}

static void
stop_surplus(struct pool *pool)
{
	struct strength_count count = strength_count(pool);
	uint32_t there = count.coming + count.going;
	struct worker *worker;

	while (there-- > wanted(pool) && (worker = choose_leaver(pool)) != NULL)
		worker_event(worker, WORKER_ON_STOP);
	if (count.going < wanted(pool))
		return;
	/* the successors are there */
	while ((worker = find_state(pool, WORKER_OUTGOING)) != NULL)
		worker_event(worker, WORKER_ON_STOP);
}

void
strength_review(struct pool *pool)
{
	struct strength *strength = &pool->strength;
	bool was_held = pool->held;

	if (strength->reviewing) {
		strength->again = true;
		return;
	}
	strength->reviewing = true;
	pool->held = true; /* what fails on the way may end it */
	do {
		strength->again = false;
		if (pool_wants_workers(pool))
			start_missing(pool);
		if (pool_wants_workers(pool))
			stop_surplus(pool);
	} while (strength->again);
	strength->reviewing = false;
	pool->held = was_held;
	pool_check_empty(pool);
}

/* --- mode = inherit, no worker: who knocks? ---------------------------- */

static void
knocks_end(struct pool *pool)
{
	struct strength *strength = &pool->strength;

	for (int i = 0; i < strength->knock_count; i++) {
		loop_io_remove(&pool->supervisor->loop, &strength->knocks[i]);
		close(strength->knocks[i].fd);
	}
	free(strength->knocks);
	strength->knocks = NULL;
	strength->knock_count = 0;
}

static void look(struct pool *pool);

static void
on_knock(void *owner, uint32_t events)
{
	struct pool *pool = owner;

	(void)events;
	knocks_end(pool);
	look(pool);
}

/* A duplicate, since another generation may watch the same socket. */
static void
knocks_begin(struct pool *pool)
{
	struct strength *strength = &pool->strength;
	int fds[SPAWN_FDS_MAX], count;

	if (strength->knocks != NULL)
		return;
	count = environment_listen_fds(pool, fds);
	strength->knocks = util_alloc(SPAWN_FDS_MAX * sizeof(*strength->knocks));
	for (int i = 0; i < count; i++) {
		struct loop_io *io = &strength->knocks[strength->knock_count];

		*io = (struct loop_io){ .fn = on_knock, .owner = pool };
		io->fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (io->fd == -1)
			continue;
		if (loop_io_add(&pool->supervisor->loop, io, EPOLLIN) == -1)
			close(io->fd);
		else
			strength->knock_count++;
	}
}

/* --- looking at the load ----------------------------------------------- */

static void
say_saturated(struct pool *pool)
{
	struct strength *strength = &pool->strength;

	if (strength->scale.saturated && !strength->said_saturated)
		log_warn("service %s: requests wait, and all %u workers that workers_max "
			 "allows are there",
		    pool->service->name, strength->limits.max);
	if (strength->scale.squeezed && !strength->said_squeezed)
		log_warn("service %s: no more workers than %u are started while memory "
			 "is short",
		    pool->service->name, strength->target);
	/* said again after a time without */
	strength->said_saturated = strength->scale.saturated ||
	    (strength->said_saturated && strength->scale.target == strength->limits.max);
	strength->said_squeezed = strength->scale.squeezed ||
	    (strength->said_squeezed && load_memory_is_short());
}

static void
scale_to_load(struct pool *pool, uint64_t now_ns)
{
	struct strength *strength = &pool->strength;
	struct strength_count count = strength_count(pool);
	struct scale_load load = { .now_ns = now_ns,
		.busy = load_busy(pool),
		.ready = count.going + count.outgoing,
		.coming = count.coming,
		.queued = load_queued(pool) };
	uint32_t was = strength->target;

	/* a file is read for it: only when it matters */
	if (load.queued > 0 || load.busy + strength->limits.spare > was)
		load.pressure = load_memory_is_short();
	strength->target = scale_step(&strength->scale, &strength->limits, &load);
	if (strength->target != was)
		log_info("service %s: %u worker%s wanted instead of %u (%u busy, %u "
			 "requests waiting)",
		    pool->service->name, strength->target,
		    strength->target == 1 ? "" : "s", was, load.busy, load.queued);
	if (strength->target != was)
		event_tell(pool->supervisor, "scaled", pool->service->name, "s:i, s:i",
		    "from", (int)was, "to", (int)strength->target);
	say_saturated(pool);
}

/* Nothing can happen to a pool of no worker but a report or a knock. */
static bool
is_asleep(const struct pool *pool)
{
	return pool->strength.target == 0 && pool->strength.queued == 0 &&
	    strength_count(pool).processes == 0;
}

static void
arm(struct pool *pool, uint64_t now_ns)
{
	struct loop *loop = &pool->supervisor->loop;

	if (is_scaled(pool) && is_asleep(pool)) {
		loop_timer_clear(loop, &pool->strength.timer);
		if (!pool_is_leased(pool) && pool->state == POOL_SERVING)
			knocks_begin(pool);
		if (pool_is_leased(pool) || pool->state == POOL_SERVING)
			return;
	}
	if (is_scaled(pool) || recycle_is_wanted(pool))
		loop_timer_set(loop, &pool->strength.timer, now_ns + LOOK_NS);
}

static void
look(struct pool *pool)
{
	uint64_t now_ns = util_now_ns();

	if (!pool_wants_workers(pool))
		return;
	pool->strength.looked_ns = now_ns;
	if (is_scaled(pool))
		scale_to_load(pool, now_ns);
	recycle_look(pool, now_ns);
	arm(pool, now_ns);
	strength_review(pool); /* last: it may free the pool */
}

static void
on_timer(void *owner)
{
	look(owner);
}

void
strength_cap(struct pool *pool, uint32_t cap)
{
	pool->strength.cap = cap;
	strength_review(pool);
}

void
strength_report(struct pool *pool, uint32_t queued)
{
	pool->strength.queued = queued;
	if (is_scaled(pool))
		look(pool);
}

/* --- begin and end ----------------------------------------------------- */

static struct scale_limits
limits_of(const struct config_service *config)
{
	bool dynamic = config->scaling == CONFIG_SCALING_DYNAMIC;
	struct scale_limits limits = { .min = (uint32_t)config->workers_min,
		.max = (uint32_t)config->workers_max,
		.spare = dynamic ? (uint32_t)config->workers_spare : 0,
		.concurrency = (uint32_t)config->concurrency,
		.spawn_rate = (uint32_t)config->spawn_rate,
		.idle_ns = (uint64_t)config->idle_timeout_ms * MS_NS };

	if (dynamic && limits.min == 0)
		limits.min = 1;
	return limits;
}

void
strength_init(struct pool *pool, bool trial)
{
	const struct config_service *config = pool->config;
	struct strength *strength = &pool->strength;
	uint64_t now_ns = util_now_ns();

	strength->timer.fn = on_timer;
	strength->timer.owner = pool;
	strength->target = (uint32_t)config->workers;
	strength->cap = trial ? rollout_first_batch(config) : STRENGTH_NO_CAP;
	if (is_scaled(pool)) {
		strength->limits = limits_of(config);
		if (config->scaling == CONFIG_SCALING_ONDEMAND)
			strength->target = trial ? 1 : 0;
		scale_init(&strength->scale, &strength->limits, strength->target, now_ns);
		strength->target = strength->scale.target;
	}
	if (is_scaled(pool) || recycle_is_wanted(pool))
		loop_timer_set(&pool->supervisor->loop, &strength->timer,
		    now_ns + LOOK_NS);
}

uint32_t
strength_most(const struct pool *pool)
{
	int64_t most = most_by_hand(pool->config);

	/* one slot is for successors */
	return most < pool->worker_count ? (uint32_t)most : pool->worker_count - 1;
}

void
strength_by_hand(struct pool *pool, uint32_t workers)
{
	const struct config_service *config = pool->config;
	struct strength *strength = &pool->strength;

	if (workers == strength->by_hand)
		return;
	strength->by_hand = workers;
	if (!is_scaled(pool)) {
		strength->target = workers != 0 ? workers : (uint32_t)config->workers;
		strength_review(pool);
		return;
	}
	strength->limits = limits_of(config);
	if (workers != 0)
		strength->limits.min = strength->limits.max = workers;
	scale_init(&strength->scale, &strength->limits, strength->target, util_now_ns());
	strength->target = strength->scale.target;
	look(pool);
}

void
strength_end(struct pool *pool)
{
	loop_timer_clear(&pool->supervisor->loop, &pool->strength.timer);
	knocks_end(pool);
}
