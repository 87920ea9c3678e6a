/* SPDX-License-Identifier: ISC */
#include "supervisor/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/cgroup.h"
#include "supervisor/config_value.h"
#include "supervisor/event.h"
#include "supervisor/reload.h"
#include "supervisor/reload_steps.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"

/* Leases that are sent ahead, and those of an earlier router, need slots of
 * their own. */
#define EXTRA_SLOTS 16
#define AHEAD_SLOTS 16 /* for each worker */

static uint64_t
align64(uint64_t n)
{
	return (n + 63) & ~63ULL;
}

static void
fill_layout(struct lease_scoreboard *board, const struct pool *pool)
{
	uint64_t slots = (uint64_t)pool->worker_count *
		(2 * (uint64_t)pool->config->concurrency + AHEAD_SLOTS) +
	    EXTRA_SLOTS;

	if (slots > LEASE_SLOTS_MAX)
		slots = LEASE_SLOTS_MAX;

	board->magic = LEASE_MAGIC;
	board->protocol = LEASE_PROTOCOL;
	board->flags = pool->config->balance == CONFIG_BALANCE_HOT ? LEASE_BALANCE_HOT :
								     0;
	board->generation = pool->number;
	board->worker_count = pool->worker_count;
	board->worker_off = (uint32_t)align64(sizeof(*board));
	board->worker_size = sizeof(struct lease_worker);
	board->slot_count = (uint32_t)slots;
	board->slot_off = board->worker_off + board->worker_count * board->worker_size;
	board->slot_size = sizeof(struct lease_slot);
	board->rest_max = (uint64_t)pool->config->response_buffer;
	board->size = board->slot_off + slots * board->slot_size;
}

/* Sealed in size: a worker that shrank it would kill router and supervisor by
 * SIGBUS. */
static bool
open_board(struct pool *pool)
{
	struct lease_scoreboard *layout = &pool->board.layout;
	void *map;

	fill_layout(layout, pool);
	pool->board_fd = memfd_create("poold-scoreboard",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (pool->board_fd == -1 ||
	    ftruncate(pool->board_fd, (off_t)layout->size) == -1 ||
	    fcntl(pool->board_fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)
		return false;
	map = mmap(NULL, layout->size, PROT_READ | PROT_WRITE, MAP_SHARED, pool->board_fd,
	    0);
	if (map == MAP_FAILED)
		return false;
	memcpy(map, layout, sizeof(*layout));
	pool->board.map = map;
	return true;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
pool_free(struct pool *pool)
{
	strength_end(pool);
	TAILQ_REMOVE(&pool->service->pools, pool, entry);
	if (pool->service->current == pool)
		pool->service->current = NULL;
	for (int i = 0; i < 2; i++) {
		close_fd(&pool->queue[i]);
		close_fd(&pool->done[i]);
	}
	logger_link_remove_pool(&pool->supervisor->logger, pool);
	if (pool->board.map != NULL)
		munmap(pool->board.map, pool->board.layout.size);
	close_fd(&pool->board_fd);
	health_clear(&pool->health);
	for (uint32_t i = 0; i < pool->worker_count; i++)
		health_clear(&pool->workers[i].health);
	for (uint32_t i = 0; i < pool->worker_count; i++)
		control_line_clear(&pool->workers[i].line);
	config_account_free(&pool->account);
	plan_release(pool->plan);
	free(pool->fingerprint);
	free(pool->fresh_fingerprint);
	free(pool->workers);
	free(pool);
}

static bool
open_lease_fds(struct pool *pool, char **why)
{
	if (!pool_is_leased(pool))
		return true;
	if (msg_pair(pool->queue) == 0 && msg_pair(pool->done) == 0 && open_board(pool))
		return true;
	*why = util_asprintf("service %s: cannot make its queue: %s", pool->service->name,
	    strerror(errno));
	return false;
}

static struct pool *
pool_new(struct supervisor *supervisor, struct service *service, struct plan *plan,
    const struct config_service *config, uint32_t worker_count)
{
	struct pool *pool = util_alloc(sizeof(*pool));

	pool->supervisor = supervisor;
	pool->service = service;
	pool->plan = plan_retain(plan);
	pool->config = config;
	pool->state = POOL_STARTING;
	pool->queue[0] = pool->queue[1] = pool->done[0] = pool->done[1] = -1;
	pool->board_fd = -1;
	pool->worker_count = worker_count;
	pool->workers = util_alloc(pool->worker_count * sizeof(*pool->workers));
	for (uint32_t i = 0; i < pool->worker_count; i++)
		worker_init(&pool->workers[i], pool, i);
	template_init(&pool->template, pool);
	strength_init(pool, service->current);
	health_init(&pool->health, pool, NULL);
	TAILQ_INSERT_TAIL(&service->pools, pool, entry);
	return pool;
}

struct pool *
pool_start(struct supervisor *supervisor, struct service *service, struct plan *plan,
    const struct config_service *config, char *fingerprint, char **why)
{
	struct pool *pool = pool_new(supervisor, service, plan, config,
	    strength_slots(config));

	pool->id = ++supervisor->next_id;
	pool->number = ++service->generations;
	pool->fingerprint = fingerprint;
	if (!config_service_account(plan->config, config, &pool->account, why) ||
	    !open_lease_fds(pool, why)) {
		pool_free(pool);
		return NULL;
	}
	link_add_pool(&supervisor->link, pool);
	logger_link_add_pool(&supervisor->logger, pool);
	control_line_warn(plan->config, config);
	cgroup_update(&supervisor->cgroups, service);
	if (template_is_wanted(pool))
		template_event(&pool->template, TEMPLATE_ON_START);
	strength_review(pool);
	/* one of no workers is ready now */
	pool_worker_ready(pool);
	return pool;
}

struct pool *
pool_restore(struct supervisor *supervisor, struct service *service, struct plan *plan,
    const struct pool *saved)
{
	struct pool *pool = pool_new(supervisor, service, plan, saved->config,
	    saved->worker_count);

	pool->id = saved->id;
	pool->number = saved->number;
	pool->state = saved->state;
	pool->was_ready = saved->was_ready;
	pool->start_failed = saved->start_failed;
	pool->health.failed = saved->health.failed;
	pool->health.unwell_ns = saved->health.unwell_ns;
	pool->account = saved->account;
	memcpy(pool->queue, saved->queue, sizeof(pool->queue));
	memcpy(pool->done, saved->done, sizeof(pool->done));
	pool->board_fd = saved->board_fd;
	pool->board.layout = saved->board.layout;
	template_restore(&pool->template, &saved->template);
	strength_restore(pool, &saved->strength);
	return pool;
}

bool
pool_wants_workers(const struct pool *pool)
{
	return pool->state < POOL_DRAINING &&
	    pool->supervisor->phase != SUPERVISOR_STOPPING && !pool->supervisor->quick;
}

void
pool_worker_ready(struct pool *pool)
{
	uint32_t target = pool->strength.target;

	supervisor_title_touch(pool->supervisor);
	if (!pool->was_ready && strength_is_reached(pool)) {
		pool->was_ready = true;
		log_info("service %s: generation %u is ready (%u worker%s)",
		    pool->service->name, pool->number, target, target == 1 ? "" : "s");
		event_tell(pool->supervisor, "generation_ready", pool->service->name,
		    "s:i, s:i", "generation", (int)pool->number, "workers", (int)target);
		health_serving(pool);
	}
	reload_step_ready(pool);
	/* also for the successor of one that died while others were waited for */
	reload_pool_ready(pool->supervisor);
	systemd_pool_settled(pool->supervisor);
	/* those that it succeeds may leave, or more may come */
	reload_pool_progress(pool->supervisor, pool);
	strength_review(pool);
}

void
pool_worker_died(struct pool *pool, const char *why)
{
	reload_pool_trouble(pool->supervisor, pool, why);
}

void
pool_worker_failed(struct pool *pool, const char *why)
{
	struct supervisor *supervisor = pool->supervisor;

	if (pool->was_ready)
		return;
	pool->start_failed = true;
	systemd_pool_settled(supervisor);
	/* last: it may be the end of the pool */
	reload_pool_failed(supervisor, pool, why);
}

static void
tell_router(struct pool *pool, uint32_t type)
{
	struct role_id role = { .type = type, .id = pool->id };

	if (pool_is_leased(pool))
		link_send(&pool->supervisor->link, &role, sizeof(role), NULL, 0);
}

void
pool_share(struct pool *pool, bool on)
{
	if (pool->sharing != on)
		tell_router(pool, on ? ROLE_SHARE : ROLE_UNSHARE);
	pool->sharing = on;
}

void
pool_workers_event(struct pool *pool, enum worker_event event)
{
	bool was_held = pool->held;

	pool->held = true;
	for (uint32_t i = 0; i < pool->worker_count; i++)
		worker_event(&pool->workers[i], event);
	pool->held = was_held;
	pool_check_empty(pool);
}

void
pool_forget_reload(struct pool *pool)
{
	free(pool->fresh_fingerprint);
	pool->fresh_fingerprint = NULL;
}

void
pool_signal_reload(struct pool *pool)
{
	int sig = pool->config->reload_signal;
	unsigned count = 0;

	if (pool->fresh_fingerprint == NULL)
		return;
	free(pool->fingerprint);
	pool->fingerprint = pool->fresh_fingerprint;
	pool->fresh_fingerprint = NULL;
	/* one that started since then has read the changed files anyway, and
	 * need not know the signal yet */
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (worker_is_going(&pool->workers[i])) {
			worker_signal(&pool->workers[i], sig);
			count++;
		}
	log_info("service %s: only watched files have changed: sent %s to %u worker%s",
	    pool->service->name, config_signal_name(sig), count, count == 1 ? "" : "s");
}

static void
do_drain(struct pool *pool)
{
	bool was_held = pool->held;

	strength_end(pool);
	health_clear(&pool->health);
	/* the end of the file, for all duplicates and behind all that is
	 * queued: workers serve that, then exit */
	if (pool->queue[POOL_ROUTER_END] != -1)
		shutdown(pool->queue[POOL_ROUTER_END], SHUT_WR);
	pool->held = true;
	template_event(&pool->template, TEMPLATE_ON_STOP);
	pool->held = was_held;
	pool_workers_event(pool, WORKER_ON_STOP);
}

static void
do_end(struct pool *pool)
{
	struct supervisor *supervisor = pool->supervisor;
	struct service *service = pool->service;

	log_info("service %s: generation %u is gone", service->name, pool->number);
	tell_router(pool, ROLE_FORGET);
	pool_free(pool);
	cgroup_update(&supervisor->cgroups, service);
	service_drop_if_unused(&supervisor->services, service);
	supervisor_title_touch(supervisor);
	stop_check(supervisor);
}

void
pool_event(struct pool *pool, enum pool_event event)
{
	const struct pool_step *step = &pool_life[pool->state][event];

	pool->state = step->next;
	switch ((enum pool_action)step->action) {
	case POOL_DO_NOTHING:
	case POOL_ACTIONS:
		break;
	case POOL_DO_SERVE:
		pool->service->current = pool;
		strength_serve(pool);
		/* the router tells of others; for this one it has no breaker */
		if (!pool_is_leased(pool))
			pool->service->breaker = ROLE_BREAKER_CLOSED;
		break;
	case POOL_DO_YIELD:
		if (pool->service->current == pool)
			pool->service->current = NULL;
		strength_forget_queue(pool);
		break;
	case POOL_DO_RETIRE:
		if (pool->service->current == pool)
			pool->service->current = NULL;
		strength_end(pool);
		tell_router(pool, ROLE_RETIRE);
		if (!pool_is_leased(pool))
			pool_event(pool, POOL_ON_RETIRED);
		break;
	case POOL_DO_DRAIN:
		do_drain(pool);
		break;
	case POOL_DO_END:
		do_end(pool);
		break;
	}
}

void
pool_check_empty(struct pool *pool)
{
	if (pool->held)
		return;
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].state != WORKER_EMPTY)
			return;
	if (pool->template.state != TEMPLATE_NONE)
		return;
	pool_event(pool, POOL_ON_EMPTY);
}
