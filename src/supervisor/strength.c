/* SPDX-License-Identifier: ISC */
#include "supervisor/strength.h"

#include <assert.h>
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
/* Of a pool of so many workers: one in eight may have a successor. */
#define SLOTS(workers) ((workers) + 1 + (workers) / 8)

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

	most = 2 * most > FEW ? 2 * most : FEW;
	return most < CONFIG_WORKERS_MAX ? most : CONFIG_WORKERS_MAX;
}

uint32_t
strength_slots(const struct config_service *config)
{

	static_assert(SLOTS(CONFIG_WORKERS_MAX) <= LEASE_WORKERS_MAX,
	    "the largest pool has room for successors, too");
	return (uint32_t)SLOTS(most_by_hand(config));
}

/* The slots as staff.c sees them; the caller frees them. */
static struct staff_slot *
slots_of(const struct pool *pool)
{
	struct staff_slot *slots = util_alloc(pool->worker_count * sizeof(*slots));

	for (uint32_t i = 0; i < pool->worker_count; i++)
		slots[i] = (struct staff_slot){ .state = pool->workers[i].state,
			.leaving = pool->workers[i].leaving,
			.busy = load_is_busy(&pool->workers[i]) };
	return slots;
}

struct staff_count
strength_count(const struct pool *pool)
{
	struct staff_slot *slots = slots_of(pool);
	struct staff_count count = staff_count(slots, pool->worker_count);

	free(slots);
	return count;
}

bool
strength_is_reached(const struct pool *pool)
{
	/* of no workers, a template says whether there can be any */
	if (template_is_wanted(pool) && !pool->template.was_ready)
		return false;
	return strength_count(pool).going >= wanted(pool);
}

bool
strength_needs_another(const struct pool *pool)
{
	struct staff_count count = strength_count(pool);

	/* the slot in question counts as coming */
	return count.coming + count.going <= wanted(pool);
}

/* --- bringing it there ------------------------------------------------- */

static struct staff_step
next_step(const struct pool *pool)
{
	struct staff_slot *slots = slots_of(pool);
	struct staff_step step = staff_next(slots, pool->worker_count, wanted(pool));

	free(slots);
	return step;
}

void
strength_review(struct pool *pool)
{
	struct strength *strength = &pool->strength;
	bool was_held = pool->held;
	struct staff_step step;

	if (strength->reviewing) {
		strength->again = true;
		return;
	}
	strength->reviewing = true;
	pool->held = true; /* what fails on the way may end it */
	do {
		strength->again = false;
		while (pool_wants_workers(pool) &&
		    (step = next_step(pool)).deed != STAFF_NOTHING)
			worker_event(&pool->workers[step.slot],
			    step.deed == STAFF_START ? WORKER_ON_START : WORKER_ON_STOP);
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
	int fds[SPAWN_SOCKETS_MAX], count;

	if (strength->knocks != NULL)
		return;
	count = environment_listen_fds(pool, fds);
	strength->knocks = util_alloc(SPAWN_SOCKETS_MAX * sizeof(*strength->knocks));
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
	struct staff_count count = strength_count(pool);
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
	/* another serves, and may yet fail: all of these would be needed then */
	if (pool->state == POOL_STANDBY && strength->target < was)
		strength->target = was;
	/* no request gets past a breaker that waits for a worker: one must be
	 * tried for it, also where nobody asks for any */
	if (strength->target == 0 && pool->in_trouble)
		strength->target = 1;
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
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].state != WORKER_EMPTY)
			return false;
	return pool->strength.target == 0 && pool->strength.queued == 0;
}

/* All pools at the same times, for one wake-up. */
static uint64_t
next_look_ns(uint64_t now_ns)
{
	return (now_ns / LOOK_NS + 1) * LOOK_NS;
}

static void
arm(struct pool *pool, uint64_t now_ns)
{
	struct loop *loop = &pool->supervisor->loop;

	if (is_scaled(pool) && is_asleep(pool)) {
		loop_timer_clear(loop, &pool->strength.timer);
		if (pool_is_leased(pool))
			return;
		/* whoever knocks and may not be answered yet (spawn_rate) would
		 * wake us without end */
		if (pool->state == POOL_SERVING && load_queued(pool) == 0) {
			knocks_begin(pool);
			return;
		}
	}
	if (is_scaled(pool) || recycle_is_wanted(pool))
		loop_timer_set(loop, &pool->strength.timer, next_look_ns(now_ns));
}

static void
look(struct pool *pool)
{
	uint64_t now_ns = util_now_ns();

	if (!pool_wants_workers(pool))
		return;
	pool->strength.looked_ns = now_ns;
	/* before it serves, it has no load to say how many it needs */
	if (is_scaled(pool) && pool->state != POOL_STARTING)
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

void
strength_forget_queue(struct pool *pool)
{
	pool->strength.queued = 0;
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

/* How many to begin with.  What the load made of an older generation its
 * successor needs, too: it takes over all of it at once. */
static uint32_t
first_target(const struct config_service *config, const struct pool *older)
{
	uint32_t first = (uint32_t)config->workers;

	if (config->scaling == CONFIG_SCALING_STATIC)
		return first;
	if (config->scaling == CONFIG_SCALING_ONDEMAND)
		first = older != NULL ? 1 : 0;
	if (older != NULL && is_scaled(older) && older->strength.target > first)
		return older->strength.target;
	return first;
}

void
strength_serve(struct pool *pool)
{
	struct strength *strength = &pool->strength;

	if (!is_scaled(pool))
		return;
	scale_init(&strength->scale, &strength->limits, strength->target, util_now_ns());
	strength->target = strength->scale.target;
}

void
strength_init(struct pool *pool, const struct pool *older)
{
	const struct config_service *config = pool->config;
	struct strength *strength = &pool->strength;
	uint64_t now_ns = util_now_ns();

	strength->timer.fn = on_timer;
	strength->timer.owner = pool;
	strength->cap = older != NULL ? rollout_first_batch(config) : STRENGTH_NO_CAP;
	strength->target = first_target(config, older);
	strength->limits = limits_of(config);
	strength_serve(pool);
	if (is_scaled(pool) || recycle_is_wanted(pool))
		loop_timer_set(&pool->supervisor->loop, &strength->timer,
		    next_look_ns(now_ns));
}

/* The target, from what it was: as many as that; 0: what the configuration says. */
static void
set_by_hand(struct pool *pool, uint32_t workers)
{
	struct strength *strength = &pool->strength;

	strength->by_hand = workers;
	if (!is_scaled(pool)) {
		strength->target = workers != 0 ? workers :
						  (uint32_t)pool->config->workers;
		return;
	}
	strength->limits = limits_of(pool->config);
	if (workers != 0)
		strength->limits.min = strength->limits.max = workers;
	strength_serve(pool);
}

uint32_t
strength_most(const struct pool *pool)
{
	int64_t most = most_by_hand(pool->config);

	/* one slot is for successors */
	return most < pool->worker_count ? (uint32_t)most : pool->worker_count - 1;
}

void
strength_restore(struct pool *pool, const struct strength *saved)
{
	struct strength *strength = &pool->strength;
	uint32_t most = strength_most(pool);

	strength->cap = STRENGTH_NO_CAP;
	strength->target = saved->target;
	set_by_hand(pool, saved->by_hand < most ? saved->by_hand : most);
	if (pool->state >= POOL_RETIRING)
		strength_end(pool);
}

void
strength_by_hand(struct pool *pool, uint32_t workers)
{
	if (workers == pool->strength.by_hand)
		return;
	set_by_hand(pool, workers);
	if (is_scaled(pool))
		look(pool);
	else
		strength_review(pool);
}

void
strength_end(struct pool *pool)
{
	loop_timer_clear(&pool->supervisor->loop, &pool->strength.timer);
	knocks_end(pool);
}
