/* SPDX-License-Identifier: ISC */
#include "supervisor/worker_end.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/util.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"
#include "supervisor/trouble.h"
#include "supervisor/worker_fds.h"

#define YOUNG_NS	(1000 * MS_NS) /* a death before this age counts */
#define BACK_OFF_MIN_NS (100 * MS_NS)
#define BACK_OFF_MAX_NS (30000 * MS_NS)

/* Why it never became ready, as far as can be told; "" if it cannot. */
static char *
explain_start(struct worker *worker, const siginfo_t *info)
{
	char *why = ending_explain(worker->pool, &worker->spawn_failure, worker->said,
	    info);

	return why != NULL ? why : health_explain(worker);
}

/* For whoever waits for this generation. */
static void
tell_failure(struct worker *worker, const char *end, const char *why)
{
	bool was_ready = worker->ready_ns != 0;
	char *failed = util_asprintf("worker %u (pid %d) %s%s%s%s", worker->slot,
	    (int)worker->pid, end, was_ready ? "" : " before it was ready", why,
	    !was_ready && worker->killed_for != NULL ?
		": it took longer than start_timeout" :
		"");

	if (!was_ready)
		pool_worker_failed(worker->pool, failed);
	pool_worker_died(worker->pool, failed);
	free(failed);
}

static void
log_end(struct worker *worker, const siginfo_t *info, uint64_t age_ns)
{
	char end[128];
	char *why;

	ending_describe(info, end, sizeof(end));
	strlcpy(worker->last_exit, end, sizeof(worker->last_exit));
	worker->last_exit_ns = util_now_ns();
	if (worker->asked_to_leave && worker->killed_for == NULL) {
		log_debug("service %s: worker %u (pid %d) left: %s",
		    worker_service(worker), worker->slot, (int)worker->pid, end);
		return;
	}
	why = worker->ready_ns == 0 ? explain_start(worker, info) : util_strdup("");
	log_warn("service %s: worker %u (pid %d) %s after %.3f s%s%s%s%s%s",
	    worker_service(worker), worker->slot, (int)worker->pid, end,
	    (double)age_ns / 1e9, worker->ready_ns == 0 ? ", before it was ready" : "",
	    why, worker->killed_for != NULL ? " (killed: " : "",
	    worker->killed_for != NULL ? worker->killed_for : "",
	    worker->killed_for != NULL ? ")" : "");
	if (!worker->asked_to_leave) {
		event_tell(worker->pool->supervisor, "worker_died",
		    worker_service(worker), "s:i, s:i, s:s, s:b", "slot",
		    (int)worker->slot, "pid", (int)worker->pid, "exit", end, "was_ready",
		    worker->ready_ns != 0);
		tell_failure(worker, end, why);
	}
	free(why);
}

void
worker_end_bury(struct worker *worker)
{
	siginfo_t info = { 0 };
	struct rusage used = { 0 };
	uint64_t now_ns = util_now_ns();
	bool young;

	/* the reason may have arrived together with the exit */
	worker_read_failure(worker);
	/* they may hold its listening sockets, or connections that it was leased */
	worker_kill_group(worker);
	/* the C library has no waitid that tells what the process used */
	syscall(SYS_waitid, P_PIDFD, worker->exit.fd, &info, WEXITED | WNOHANG, &used);
	loop_io_close(worker_loop(worker), &worker->exit);
	loop_io_close(worker_loop(worker), &worker->control);
	control_line_close(worker);
	loop_timer_clear(worker_loop(worker), &worker->timer);
	stuck_clear(worker);
	health_clear(&worker->health);
	/* old enough: what killed it says nothing about the next one */
	young = worker->ready_ns == 0 || now_ns - worker->ready_ns < YOUNG_NS;
	if (!young)
		worker->failures = 0;
	trouble_note_end(worker, young);
	tally_end(worker, info.si_code == CLD_EXITED ? TALLY_EXIT : TALLY_SIGNAL,
	    usage_us(&used));
	log_end(worker, &info, now_ns - worker->spawned_ns);
	worker_tell_router(worker, ROLE_GONE);
	worker->pid = 0;
	worker_fds_close_rest(worker);
	if (pool_is_leased(worker->pool))
		atomic_store(&lease_worker_at(&worker->pool->board, worker->slot)->pid,
		    0);
	supervisor_title_touch(worker->pool->supervisor);
	supervisor_reap_strangers(worker->pool->supervisor);
	/* without a router there is nobody to settle leases; last, since it may
	 * be the end of the pool */
	if (!pool_is_leased(worker->pool) || worker->pool->supervisor->link.stopping)
		worker_event(worker, WORKER_ON_SETTLED);
}

static uint64_t
back_off_ns(const struct worker *worker)
{
	return util_back_off_ns(worker->failures, BACK_OFF_MIN_NS, BACK_OFF_MAX_NS);
}

void
worker_end_replace(struct worker *worker)
{
	if (!pool_wants_workers(worker->pool) || !strength_needs_another(worker->pool)) {
		worker->failures = 0;
		worker_event(worker, WORKER_ON_STOP);
		return;
	}
	worker->failures = worker->leaving ? 1 : worker->failures + 1;
	if (worker->failures == 1) {
		trouble_tell(worker->pool); /* it may have taken its time */
		worker_event(worker, WORKER_ON_START);
		return;
	}
	log_info("service %s: worker %u is started again in %.1f s (it died %u "
		 "times in a row)",
	    worker_service(worker), worker->slot, (double)back_off_ns(worker) / 1e9,
	    worker->failures);
	worker_set_timer(worker, back_off_ns(worker));
	trouble_tell(worker->pool);
}

void
worker_end_wait(struct worker *worker)
{
	worker->failures++;
	trouble_note_failure(worker);
	worker_set_timer(worker, back_off_ns(worker));
	trouble_tell(worker->pool);
	/* last: it may be the end of the pool */
	pool_worker_failed(worker->pool,
	    template_is_wanted(worker->pool) ? worker->pool->template.why :
					       "a process could not be started");
}
