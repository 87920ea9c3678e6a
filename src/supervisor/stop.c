/* SPDX-License-Identifier: ISC */
#include "supervisor/stop.h"

#include <signal.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/pool.h"
#include "supervisor/reload.h"
#include "supervisor/supervisor.h"

static uint64_t
longest_stop_ns(struct supervisor *supervisor)
{
	struct service *service;
	struct pool *pool;
	int64_t ms = 0;

	TAILQ_FOREACH (service, &supervisor->services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			if (pool->config->stop_timeout_ms > ms)
				ms = pool->config->stop_timeout_ms;
	return (uint64_t)ms * MS_NS;
}

/* Tells the workers to finish: all of them, or those that accept for
 * themselves. */
static void
stop_pools(struct supervisor *supervisor, bool only_inherited)
{
	struct service *service, *next_service;
	struct pool *pool, *next;

	TAILQ_FOREACH_SAFE (service, &supervisor->services, entry, next_service)
		for (pool = TAILQ_FIRST(&service->pools); pool != NULL; pool = next) {
			next = TAILQ_NEXT(pool, entry);
			if (!only_inherited || !pool_is_leased(pool))
				pool_event(pool, POOL_ON_ABANDON);
		}
}

static void
stop_workers(struct supervisor *supervisor)
{
	supervisor->phase = SUPERVISOR_STOPPING;
	supervisor_title_show(supervisor);
	stop_pools(supervisor, false);
	stop_check(supervisor);
}

/* Requests are still in work when their time is over. */
static void
on_timer(void *owner)
{
	struct supervisor *supervisor = owner;

	log_warn("stop_timeout is over: ending what is left");
	link_stop(&supervisor->link, true);
	oneoff_stop_all(supervisor, SIGKILL);
	service_workers_event(&supervisor->services, WORKER_ON_KILL);
	stop_workers(supervisor);
}

void
stop_drained(struct supervisor *supervisor)
{
	if (supervisor->phase == SUPERVISOR_DRAINING)
		stop_workers(supervisor);
}

static void
stop_gracefully(struct supervisor *supervisor)
{
	log_info("stopping: finishing the requests in work");
	upgrade_cancel(supervisor);
	reload_cancel(supervisor, "poold stops");
	control_stopping(supervisor);
	oneoff_stop_all(supervisor, SIGTERM);
	supervisor->phase = SUPERVISOR_DRAINING;
	systemd_stopping(supervisor);
	supervisor_title_show(supervisor);
	loop_timer_set(&supervisor->loop, &supervisor->stop_timer,
	    util_now_ns() + longest_stop_ns(supervisor));
	link_drain(&supervisor->link);
	stop_pools(supervisor, true);
}

void
stop_now(struct supervisor *supervisor)
{
	if (supervisor->quick)
		return;
	log_info("stopping now");
	supervisor->quick = true;
	upgrade_cancel(supervisor);
	reload_cancel(supervisor, "poold stops");
	control_stopping(supervisor);
	systemd_stopping(supervisor);
	oneoff_stop_all(supervisor, SIGKILL);
	loop_timer_clear(&supervisor->loop, &supervisor->stop_timer);
	link_stop(&supervisor->link, true);
	stop_workers(supervisor);
}

void
stop_ask(struct supervisor *supervisor)
{
	if (supervisor->phase == SUPERVISOR_SERVING)
		stop_gracefully(supervisor);
	else
		stop_now(supervisor);
}

void
stop_check(struct supervisor *supervisor)
{
	if (supervisor->phase != SUPERVISOR_STOPPING ||
	    !TAILQ_EMPTY(&supervisor->services) || !TAILQ_EMPTY(&supervisor->oneoffs))
		return;
	if (supervisor->link.process.pid != 0 || supervisor->link.old.pid != 0) {
		link_stop(&supervisor->link, false);
		return; /* comes back when it was reaped */
	}
	loop_stop(&supervisor->loop);
}

void
stop_init(struct supervisor *supervisor)
{
	supervisor->stop_timer.fn = on_timer;
	supervisor->stop_timer.owner = supervisor;
}
