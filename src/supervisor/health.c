/* SPDX-License-Identifier: ISC */
#include "supervisor/health.h"

#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/environment.h"
#include "supervisor/pool.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor.h"

/* Between the checks of a worker that is not yet told GO, at most; and between
 * the looks at workers of which one after the other is recycled. */
#define PAUSE_NS (100 * MS_NS)

static uint64_t
interval_ns(const struct health *health)
{
	return (uint64_t)health->pool->config->health_interval_ms * MS_NS;
}

static void
set_timer(struct health *health, uint64_t deadline_ns)
{
	loop_timer_set(&health->pool->supervisor->loop, &health->timer, deadline_ns);
}

/* An interval after the last check began. */
static void
set_next(struct health *health)
{
	uint64_t now_ns = util_now_ns(), next_ns = health->began_ns + interval_ns(health);

	set_timer(health, next_ns > now_ns ? next_ns : now_ns);
}

static bool
is_checked(const struct config_service *config)
{
	return config->health_type == CONFIG_HEALTH_TCP ||
	    (config->health_type == CONFIG_HEALTH_HTTP &&
		config->health_check[0] != '\0');
}

/*
 * Whether the worker has a lease: its own request_timeout watches over it then.
 * It says so itself, in memory that others can write too, so the lease slot
 * must say the same; at worst a worker is not checked.
 */
static bool
is_busy(void *owner)
{
	const struct health *health = owner;
	const struct lease_board *board = &health->pool->board;
	struct lease_worker *slot;
	uint32_t lease;
	uint64_t serial;

	if (health->worker == NULL || !pool_is_leased(health->pool) ||
	    !worker_is_going(health->worker))
		return false;
	slot = lease_worker_at(board, health->worker->slot);
	if (atomic_load(&slot->state) != LEASE_WORKER_BUSY)
		return false;
	lease = atomic_load(&slot->lease_slot);
	serial = atomic_load(&slot->serial);
	return lease < board->layout.slot_count &&
	    atomic_load(&lease_slot_at(board, lease)->serial) == serial &&
	    atomic_load(&lease_slot_at(board, lease)->state) != LEASE_SLOT_FREE;
}

/* --- one check --------------------------------------------------------- */

/* So that a worker that is busy when CHECK comes sees it between two requests,
 * and later need not look any more. */
static void
set_look(struct health *health, uint32_t look)
{
	atomic_store(&lease_worker_at(&health->pool->board, health->worker->slot)
			  ->control,
	    look);
}

static void on_end(void *owner, enum check_verdict verdict, const char *got);

static void
begin_connection(struct health *health)
{
	const struct config_service *config = health->pool->config;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fds[SPAWN_SOCKETS_MAX];

	/* on Linux, to connect to "any address" is to connect to this machine */
	if (environment_listen_fds(health->pool, fds) < 1 ||
	    getsockname(fds[0], (struct sockaddr *)&ss, &len) == -1)
		on_end(health, CHECK_SKIPPED, "no listening address");
	else
		check_connect(&health->check, config,
		    config->health_type == CONFIG_HEALTH_TCP ? CHECK_TCP : CHECK_HTTP,
		    &ss, len);
}

static void
begin_check(struct health *health)
{
	health->began_ns = util_now_ns();
	if (!pool_is_leased(health->pool)) {
		begin_connection(health);
		return;
	}
	set_look(health, LEASE_CONTROL_LOOK);
	check_lease(&health->check, health->pool->config, health->worker->control.fd,
	    ++health->last_serial);
}

/* --- workers ----------------------------------------------------------- */

static void
after_first(struct health *health, enum check_verdict verdict)
{
	uint64_t pause_ns = interval_ns(health) < PAUSE_NS ? interval_ns(health) :
							     PAUSE_NS;

	if (verdict == CHECK_PASSED)
		health->passed++;
	else if (verdict == CHECK_FAILED)
		health->passed = 0;
	if (health->passed >= (unsigned)health->pool->config->health_successes)
		worker_event(health->worker, WORKER_ON_PASSED);
	else
		set_timer(health, util_now_ns() + pause_ns);
}

/* What makes all workers fail may lie elsewhere, in a database perhaps: the last
 * one goes on until a successor has passed its checks. */
static bool
is_last(const struct worker *worker)
{
	struct staff_count count = strength_count(worker->pool);

	return worker->state == WORKER_RUNNING && count.going == 1 && count.outgoing == 0;
}

static void
after_running(struct health *health, enum check_verdict verdict)
{
	struct worker *worker = health->worker;

	if (verdict == CHECK_PASSED)
		health->failed = 0;
	if (verdict != CHECK_FAILED ||
	    ++health->failed < (unsigned)health->pool->config->health_failures) {
		set_next(health);
		return;
	}
	log_warn("service %s: worker %u (pid %d) failed %u health check%s in a row; the "
		 "last one got %s",
	    health->pool->service->name, worker->slot, (int)worker->pid, health->failed,
	    health->failed == 1 ? "" : "s", health->got);
	worker->reason = TALLY_HEALTH;
	worker_event(worker, is_last(worker) ? WORKER_ON_RECYCLE : WORKER_ON_SICK);
}

static void
watchdog_expired(struct health *health)
{
	struct worker *worker = health->worker;
	char limit[CONFIG_NUMBER_SIZE];

	if (is_busy(health)) {
		set_timer(health, util_now_ns() + interval_ns(health));
		return;
	}
	config_duration_format(health->pool->config->health_interval_ms, limit);
	log_warn("service %s: worker %u (pid %d) did not send WATCHDOG=1 for %s",
	    health->pool->service->name, worker->slot, (int)worker->pid, limit);
	health->abort = true;
	worker_event(worker, WORKER_ON_SICK);
}

/* --- services ---------------------------------------------------------- */

/* One at a time: the next when all others run. */
static void
recycle_next(struct health *health)
{
	struct pool *pool = health->pool;
	struct worker *oldest = NULL;

	for (uint32_t i = 0; i < pool->worker_count; i++) {
		struct worker *worker = &pool->workers[i];

		if (worker->state == WORKER_EMPTY)
			continue;
		if (worker->state != WORKER_RUNNING)
			return;
		if (worker->ready_ns < health->unwell_ns &&
		    (oldest == NULL || worker->ready_ns < oldest->ready_ns))
			oldest = worker;
	}
	if (oldest == NULL) {
		health->unwell_ns = 0;
		return;
	}
	log_info("service %s: worker %u (pid %d) is recycled", pool->service->name,
	    oldest->slot, (int)oldest->pid);
	oldest->reason = TALLY_HEALTH;
	worker_event(oldest, WORKER_ON_RECYCLE);
}

static void
set_next_look(struct health *health)
{
	uint64_t now_ns = util_now_ns(), next_ns = health->began_ns + interval_ns(health);

	if (health->unwell_ns != 0 && next_ns > now_ns + PAUSE_NS)
		next_ns = now_ns + PAUSE_NS;
	set_timer(health, next_ns > now_ns ? next_ns : now_ns);
}

static void
after_service(struct health *health, enum check_verdict verdict)
{
	struct pool *pool = health->pool;

	if (verdict == CHECK_PASSED)
		health->failed = 0;
	if (verdict == CHECK_FAILED &&
	    ++health->failed >= (unsigned)pool->config->health_failures) {
		log_warn("service %s failed %u health check%s in a row; the last one got "
			 "%s; its workers are recycled",
		    pool->service->name, health->failed, health->failed == 1 ? "" : "s",
		    health->got);
		health->failed = 0;
		health->unwell_ns = util_now_ns();
	}
	set_next_look(health);
}

static bool
has_workers(const struct pool *pool)
{
	struct staff_count count = strength_count(pool);

	return count.going + count.outgoing > 0;
}

static void
look_at_service(struct health *health)
{
	const struct pool *pool = health->pool;
	uint64_t now_ns = util_now_ns();

	if (health->unwell_ns != 0)
		recycle_next(health);
	/* other generations answer at the same address; and where nobody is, a
	 * check would have one started */
	if (pool->state != POOL_SERVING || !has_workers(pool))
		set_timer(health, now_ns + interval_ns(health));
	else if (now_ns >= health->began_ns + interval_ns(health))
		begin_check(health);
	else
		set_next_look(health);
}

/* --- events ------------------------------------------------------------ */

static void
on_end(void *owner, enum check_verdict verdict, const char *got)
{
	struct health *health = owner;
	struct worker *worker = health->worker;

	if (verdict == CHECK_FAILED) {
		strlcpy(health->got, got, sizeof(health->got));
		health->pool->service->tally.checks_failed++;
	}
	if (verdict != CHECK_PASSED)
		log_debug("service %s: a health check %s: %s",
		    health->pool->service->name,
		    verdict == CHECK_FAILED ? "failed" : "could not be made", got);
	else if (worker != NULL && pool_is_leased(health->pool))
		set_look(health, LEASE_CONTROL_NONE);
	if (worker == NULL)
		after_service(health, verdict);
	else if (worker->state == WORKER_CHECKING)
		after_first(health, verdict);
	else
		after_running(health, verdict);
}

static void
on_timer(void *owner)
{
	struct health *health = owner;

	if (health->worker == NULL)
		look_at_service(health);
	else if (health->pool->config->health_type == CONFIG_HEALTH_WATCHDOG)
		watchdog_expired(health);
	else if (is_busy(health))
		set_timer(health, util_now_ns() + interval_ns(health));
	else
		begin_check(health);
}

void
health_spawned(struct worker *worker)
{
	struct health *health = &worker->health;

	health->passed = health->failed = 0;
	health->abort = false;
	health->got[0] = '\0';
	health->first_serial = health->last_serial + 1;
}

void
health_first(struct worker *worker)
{
	if (is_checked(worker->pool->config))
		begin_check(&worker->health);
	else
		worker_event(worker, WORKER_ON_PASSED);
}

void
health_running(struct worker *worker)
{
	const struct pool *pool = worker->pool;
	struct health *health = &worker->health;
	uint64_t now_ns = util_now_ns();

	if (pool->config->health_type == CONFIG_HEALTH_WATCHDOG)
		set_timer(health, now_ns + interval_ns(health));
	else if (is_checked(pool->config) && pool_is_leased(pool))
		/* not all workers at the same time */
		set_timer(health,
		    now_ns +
			interval_ns(health) * (worker->slot + 1) / pool->worker_count);
}

void
health_serving(struct pool *pool)
{
	if (!is_checked(pool->config) || pool_is_leased(pool))
		return;
	pool->health.began_ns = util_now_ns();
	set_next(&pool->health);
}

bool
health_done(struct worker *worker, const struct lease_done *done)
{
	struct health *health = &worker->health;

	if (done->serial < health->first_serial || done->serial > health->last_serial)
		return false;
	if (done->serial == health->last_serial)
		check_done(&health->check, done);
	return true; /* of an earlier one: too late */
}

void
health_watchdog(struct worker *worker)
{
	if (worker->pool->config->health_type == CONFIG_HEALTH_WATCHDOG &&
	    loop_timer_is_set(&worker->health.timer))
		set_timer(&worker->health, util_now_ns() + interval_ns(&worker->health));
}

void
health_trigger(struct worker *worker)
{
	if (worker->pool->config->health_type != CONFIG_HEALTH_WATCHDOG ||
	    !worker_is_going(worker))
		return;
	log_warn("service %s: worker %u (pid %d) sent WATCHDOG=trigger",
	    worker->pool->service->name, worker->slot, (int)worker->pid);
	worker->health.abort = true;
	worker_event(worker, WORKER_ON_SICK);
}

char *
health_explain(const struct worker *worker)
{
	if (worker->health.got[0] == '\0')
		return util_strdup("");
	return util_asprintf(": its last health check got %s", worker->health.got);
}

bool
health_is_connected(const struct health *health)
{
	return health->check.io.fd != -1;
}

void
health_clear(struct health *health)
{
	loop_timer_clear(&health->pool->supervisor->loop, &health->timer);
	check_cancel(&health->check);
}

void
health_init(struct health *health, struct pool *pool, struct worker *worker)
{
	health->pool = pool;
	health->worker = worker;
	health->timer.fn = on_timer;
	health->timer.owner = health;
	check_init(&health->check, &pool->supervisor->loop, on_end, is_busy, health);
}
