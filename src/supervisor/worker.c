/* SPDX-License-Identifier: ISC */
#include "supervisor/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/recycle.h"
#include "supervisor/supervisor.h"
#include "supervisor/template_fork.h"
#include "supervisor/worker_end.h"
#include "supervisor/worker_start.h"

#define QUICK_STOP_NS (1000 * MS_NS)

struct loop *
worker_loop(const struct worker *worker)
{
	return &worker->pool->supervisor->loop;
}

const char *
worker_service(const struct worker *worker)
{
	return worker->pool->service->name;
}

void
worker_set_timer(struct worker *worker, uint64_t after_ns)
{
	loop_timer_set(worker_loop(worker), &worker->timer, util_now_ns() + after_ns);
}

void
worker_signal(struct worker *worker, int sig)
{
	if (worker->pid != 0)
		syscall(SYS_pidfd_send_signal, worker->exit.fd, sig, NULL, 0);
}

void
worker_kill_group(const struct worker *worker)
{
	if (worker->pid != 0)
		kill(-worker->pid, SIGKILL);
}

static void
tell_worker(struct worker *worker, uint16_t type)
{
	struct lease_signal signal = { .type = type };

	if (worker->control.fd == -1)
		return;
	atomic_store(&lease_worker_at(&worker->pool->board, worker->slot)->control,
	    LEASE_CONTROL_LOOK);
	msg_send(worker->control.fd, &signal, sizeof(signal), MSG_DONTWAIT);
}

void
worker_tell_router(struct worker *worker, uint32_t type)
{
	if (pool_is_leased(worker->pool))
		link_tell_worker(&worker->pool->supervisor->link, worker, type);
}

/* --- what the process tells -------------------------------------------- */

static void
on_check_done(struct worker *worker, const struct lease_done *done)
{
	if (health_done(worker, done) || worker->state == WORKER_KILLED)
		return;
	log_warn("service %s: worker %u (pid %d) broke the lease contract: DONE for a "
		 "CHECK that does not exist",
	    worker_service(worker), worker->slot, (int)worker->pid);
	worker->reason = TALLY_CONTRACT;
	worker_event(worker, WORKER_ON_KILL);
}

static void
on_control(void *owner, uint32_t events)
{
	struct worker *worker = owner;
	union {
		struct lease_signal signal;
		struct lease_done done;
	} msg;
	int fd;
	bool truncated;
	ssize_t n;

	(void)events;
	n = msg_recv_fd(worker->control.fd, &msg, sizeof(msg), MSG_DONTWAIT, &fd,
	    &truncated);
	if (fd != -1)
		close(fd); /* workers send no descriptors */
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) /* it exits, or is hostile */
		loop_io_close(worker_loop(worker), &worker->control);
	else if ((size_t)n == sizeof(msg.signal) && msg.signal.type == LEASE_READY)
		worker_event(worker, WORKER_ON_READY);
	else if ((size_t)n == sizeof(msg.done) && msg.done.type == LEASE_DONE)
		on_check_done(worker, &msg.done);
}

void
worker_read_failure(struct worker *worker)
{
	if (worker->failure.fd == -1)
		return;
	spawn_failure_read(worker->failure.fd, &worker->spawn_failure);
	loop_io_close(worker_loop(worker), &worker->failure);
}

static void
on_failure(void *owner, uint32_t events)
{
	(void)events;
	worker_read_failure(owner);
}

static void
on_exit_event(void *owner, uint32_t events)
{
	struct worker *worker = owner;
	pid_t pid = worker->pid;

	(void)events;
	/* what it said last may be the reason of its end */
	if (worker->ready_ns == 0)
		notify_read(worker->pool->supervisor);
	if (worker->pid != pid)
		return;
	worker_event(worker, WORKER_ON_EXIT);
}

static void
on_timer(void *owner)
{
	struct worker *worker = owner;

	if (worker->state == WORKER_STARTING && pool_may_be_silent(worker->pool))
		worker_event(worker, WORKER_ON_READY);
	else
		worker_event(worker, WORKER_ON_TIMEOUT);
}

/* --- getting ready ----------------------------------------------------- */

/* What is left of start_timeout is for its first health checks; at least one
 * of them is possible. */
static void
do_check(struct worker *worker)
{
	const struct config_service *config = worker->pool->config;
	uint64_t end_ns = worker->spawned_ns + (uint64_t)config->start_timeout_ms * MS_NS;
	uint64_t one_ns = util_now_ns() + (uint64_t)config->health_timeout_ms * MS_NS;

	loop_timer_set(worker_loop(worker), &worker->timer,
	    end_ns > one_ns ? end_ns : one_ns + MS_NS);
	health_first(worker);
}

static void
do_go(struct worker *worker)
{
	worker->ready_ns = util_now_ns();
	loop_timer_clear(worker_loop(worker), &worker->timer);
	log_debug("service %s: worker %u (pid %d) is ready after %llu ms",
	    worker_service(worker), worker->slot, (int)worker->pid,
	    (unsigned long long)((worker->ready_ns - worker->spawned_ns) / MS_NS));
	if (pool_is_leased(worker->pool)) {
		struct lease_signal signal = { .type = LEASE_GO };

		msg_send(worker->control.fd, &signal, sizeof(signal), MSG_DONTWAIT);
		worker_tell_router(worker, ROLE_READY);
	}
	worker->pool->in_trouble = false;
	recycle_begin(worker);
	health_running(worker);
	pool_worker_ready(worker->pool);
}

/* --- stopping ---------------------------------------------------------- */

static void
do_stop(struct worker *worker, enum worker_state was)
{
	struct pool *pool = worker->pool;
	uint64_t wait_ns = (uint64_t)pool->config->stop_timeout_ms * MS_NS;

	health_clear(&worker->health);
	worker->asked_to_leave = true;
	worker->leaving = true;
	worker_tell_router(worker, ROLE_LEAVING);
	tell_worker(worker, LEASE_STOP);
	/* one that is not ready need not read its control descriptor yet */
	if (worker->health.abort)
		worker_signal(worker, SIGABRT);
	else if (!pool_is_leased(pool) || was == WORKER_STARTING)
		worker_signal(worker, pool->config->stop_signal);
	if (pool->supervisor->quick && wait_ns > QUICK_STOP_NS)
		wait_ns = QUICK_STOP_NS;
	worker_set_timer(worker, wait_ns);
	/* last: it may be the end of the pool */
	if (template_fork_withdraw(worker))
		worker_event(worker, WORKER_ON_FAILED);
}

/* Its end is worth a line in the log. */
static void
do_stop_sick(struct worker *worker, enum worker_state was)
{
	do_stop(worker, was);
	worker->asked_to_leave = false;
	worker->reason = TALLY_HEALTH;
}

static void
do_kill(struct worker *worker, const char *why)
{
	health_clear(&worker->health);
	worker->killed_for = why;
	loop_timer_clear(worker_loop(worker), &worker->timer);
	worker_tell_router(worker, ROLE_LEAVING);
	worker_signal(worker, SIGKILL);
	worker_kill_group(worker);
	/* last: it may be the end of the pool */
	if (template_fork_withdraw(worker))
		worker_event(worker, WORKER_ON_FAILED);
}

void
worker_says(struct worker *worker, const char *text)
{
	ending_keep(worker->said, text);
}

void
worker_event(struct worker *worker, enum worker_event event)
{
	enum worker_state was = worker->state;
	const struct worker_step *step = &worker_life[was][event];

	worker->state = step->next;
	switch ((enum worker_action)step->action) {
	case WORKER_DO_NOTHING:
	case WORKER_ACTIONS:
		break;
	case WORKER_DO_SPAWN:
		worker_start(worker);
		break;
	case WORKER_DO_CHECK:
		do_check(worker);
		break;
	case WORKER_DO_GO:
		do_go(worker);
		break;
	case WORKER_DO_SUCCEED:
		strength_review(worker->pool);
		break;
	case WORKER_DO_STOP:
		do_stop(worker, was);
		break;
	case WORKER_DO_STOP_SICK:
		do_stop_sick(worker, was);
		event_tell(worker->pool->supervisor, "worker_sick",
		    worker_service(worker), "s:i, s:i", "slot", (int)worker->slot, "pid",
		    (int)worker->pid);
		pool_worker_died(worker->pool, "a worker failed its health checks");
		strength_review(worker->pool);
		break;
	case WORKER_DO_KILL_LATE:
		worker->reason = TALLY_START_TIMEOUT;
		do_kill(worker, "it was not ready within start_timeout");
		break;
	case WORKER_DO_KILL_STUCK:
		do_kill(worker, "it did not stop within stop_timeout");
		break;
	case WORKER_DO_KILL:
		do_kill(worker,
		    worker->timed_out ? "its request was past request_timeout" :
					"as asked");
		break;
	case WORKER_DO_BURY:
		worker_end_bury(worker);
		break;
	case WORKER_DO_REPLACE:
		worker_end_replace(worker);
		break;
	case WORKER_DO_RELEASE:
		loop_timer_clear(worker_loop(worker), &worker->timer);
		/* one that waits for a slot gets this; and an empty pool ends */
		strength_review(worker->pool);
		break;
	case WORKER_DO_BACK_OFF:
		worker_end_wait(worker);
		break;
	}
}

void
worker_init(struct worker *worker, struct pool *pool, uint32_t slot)
{
	worker->pool = pool;
	worker->slot = slot;
	worker->state = WORKER_EMPTY;
	worker->rest_fd = -1;
	control_line_init(&worker->line);
	worker->exit = (struct loop_io){ .fd = -1, .fn = on_exit_event, .owner = worker };
	worker->control = (struct loop_io){ .fd = -1, .fn = on_control, .owner = worker };
	worker->failure = (struct loop_io){ .fd = -1, .fn = on_failure, .owner = worker };
	worker->timer.fn = on_timer;
	worker->timer.owner = worker;
	stuck_init(&worker->stuck, worker);
	health_init(&worker->health, pool, worker);
}
