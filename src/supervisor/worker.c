/* SPDX-License-Identifier: ISC */
#include "supervisor/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/cgroup.h"
#include "supervisor/environment.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/recycle.h"
#include "supervisor/supervisor.h"
#include "supervisor/trouble.h"

#define YOUNG_NS	(1000 * MS_NS) /* a death before this age counts */
#define BACK_OFF_MIN_NS (100 * MS_NS)
#define BACK_OFF_MAX_NS (30000 * MS_NS)
#define QUICK_STOP_NS	(1000 * MS_NS)
#define REST_FILE_SIZE	((off_t)1 << 40)

static struct loop *
loop_of(struct worker *worker)
{
	return &worker->pool->supervisor->loop;
}

static const char *
service_of(const struct worker *worker)
{
	return worker->pool->service->name;
}

static void
set_timer(struct worker *worker, uint64_t after_ns)
{
	loop_timer_set(loop_of(worker), &worker->timer, util_now_ns() + after_ns);
}

void
worker_signal(struct worker *worker, int sig)
{
	if (worker->pid != 0)
		syscall(SYS_pidfd_send_signal, worker->exit.fd, sig, NULL, 0);
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

static void
tell_router(struct worker *worker, uint32_t type)
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
	    service_of(worker), worker->slot, (int)worker->pid);
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
	if (n <= 0)
		loop_io_close(loop_of(worker),
		    &worker->control); /* it exits, or is hostile */
	else if ((size_t)n == sizeof(msg.signal) && msg.signal.type == LEASE_READY)
		worker_event(worker, WORKER_ON_READY);
	else if ((size_t)n == sizeof(msg.done) && msg.done.type == LEASE_DONE)
		on_check_done(worker, &msg.done);
}

static void
on_failure(void *owner, uint32_t events)
{
	struct worker *worker = owner;

	(void)events;
	spawn_failure_read(worker->failure.fd, &worker->spawn_failure);
	loop_io_close(loop_of(worker), &worker->failure);
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

/* Whether a worker that never says READY=1 is taken to be ready in the end. */
static bool
may_be_silent(const struct pool *pool)
{
	return !pool_is_leased(pool) && pool->config->ready_after_ms > 0;
}

static void
on_timer(void *owner)
{
	struct worker *worker = owner;

	if (worker->state == WORKER_STARTING && may_be_silent(worker->pool))
		worker_event(worker, WORKER_ON_READY);
	else
		worker_event(worker, WORKER_ON_TIMEOUT);
}

/* --- starting ---------------------------------------------------------- */

/*
 * Where it leaves the rest of responses to slow clients: as large as any number
 * of them needs, since it is sparse, and sealed in size.  A limit of file sizes
 * can be in the way: then it has none and waits for its clients.
 */
static void
open_rest(struct worker *worker)
{
	worker->rest_fd = -1;
	if (worker->pool->config->response_buffer == 0)
		return;
	worker->rest_fd = memfd_create("poold-rest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (worker->rest_fd == -1 ||
	    (ftruncate(worker->rest_fd, REST_FILE_SIZE) == 0 &&
		fcntl(worker->rest_fd, F_ADD_SEALS,
		    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0))
		return;
	close(worker->rest_fd);
	worker->rest_fd = -1;
}

static void
close_rest(struct worker *worker)
{
	if (worker->rest_fd != -1)
		close(worker->rest_fd);
	worker->rest_fd = -1;
}

/* The worker's descriptors: those of the lease contract, or listening sockets.
 * Returns their number, or -1.  *control_end is closed after the fork. */
static int
choose_fds(struct worker *worker, int fds[SPAWN_FDS_MAX], int *control_end)
{
	struct pool *pool = worker->pool;
	int control[2];

	*control_end = -1;
	if (!pool_is_leased(pool))
		return environment_listen_fds(pool, fds);
	if (msg_pair(control) == -1)
		return -1;
	worker->control.fd = control[0];
	*control_end = control[1];
	fds[LEASE_FD_QUEUE - SPAWN_FD_FIRST] = pool->queue[POOL_WORKER_END];
	fds[LEASE_FD_CONTROL - SPAWN_FD_FIRST] = control[1];
	fds[LEASE_FD_SCOREBOARD - SPAWN_FD_FIRST] = pool->board_fd;
	fds[LEASE_FD_DONE - SPAWN_FD_FIRST] = pool->done[POOL_WORKER_END];
	open_rest(worker);
	if (worker->rest_fd == -1)
		return 4;
	fds[LEASE_FD_REST - SPAWN_FD_FIRST] = worker->rest_fd;
	return 5;
}

static void
clear_slot(struct worker *worker)
{
	const struct lease_board *board = &worker->pool->board;
	struct lease_worker *slot;

	if (!pool_is_leased(worker->pool))
		return;
	/* an earlier worker may have written over the header */
	memcpy(board->map, &board->layout, sizeof(board->layout));
	slot = lease_worker_at(board, worker->slot);
	atomic_store(&slot->state, LEASE_WORKER_NONE);
	atomic_store(&slot->control, LEASE_CONTROL_NONE);
	atomic_store(&slot->requests, 0);
	atomic_store(&slot->bytes, 0);
	atomic_store(&slot->errors, 0);
}

static void
watch(struct worker *worker)
{
	struct loop *loop = loop_of(worker);

	loop_io_add(loop, &worker->exit, EPOLLIN);
	if (worker->failure.fd != -1)
		loop_io_add(loop, &worker->failure, EPOLLIN);
	if (worker->control.fd != -1)
		loop_io_add(loop, &worker->control, EPOLLIN);
}

/* The ends that are the process's. */
struct ends {
	int control; /* -1: none */
	int line;
	int log;
};

static void
close_ends(const struct ends *ends)
{
	int error = errno;

	if (ends->control != -1)
		close(ends->control);
	if (ends->line != -1)
		close(ends->line);
	if (ends->log != -1)
		close(ends->log);
	errno = error;
}

/* Our own ends: there is no process. */
static void
close_own(struct worker *worker)
{
	int error = errno;

	close_rest(worker);
	if (worker->control.fd != -1)
		close(worker->control.fd);
	worker->control.fd = -1;
	control_line_close(worker);
	if (worker->log_id != 0)
		logs_process_failed(worker->pool->supervisor,
		    logs_source_find(&worker->pool->supervisor->logs, worker->log_id));
	worker->log_id = 0;
	errno = error;
}

/* What the process gets; false, with errno, leaves nothing open.  What it writes
 * goes through a pipe of its own. */
static bool
open_fds(struct worker *worker, struct spawn *spawn, struct ends *ends)
{
	struct pool *pool = worker->pool;
	const struct log_tag tag = { .kind = LOGGER_WORKER,
		.name = pool->service->name,
		.output = pool->config->output,
		.pool = pool->id,
		.slot = worker->slot };
	struct log_source *source = NULL;

	*spawn = (struct spawn){ .path = pool->config->argv[0],
		.argv = pool->config->argv,
		.chdir = pool->config->chdir,
		.account = &pool->account,
		.switch_account = pool->supervisor->is_root,
		.stdin_fd = environment_stdin(pool),
		.death_signal = pool->config->stop_signal };
	*ends = (struct ends){ -1, -1, -1 };
	worker->log_id = 0;
	if (control_line_open(worker, &ends->line) &&
	    (spawn->fd_count = choose_fds(worker, spawn->fds, &ends->control)) != -1)
		ends->log = logs_pipe(pool->supervisor, &tag, &source);
	if (ends->log == -1) {
		close_own(worker);
		close_ends(ends);
		return false;
	}
	if (source != NULL)
		worker->log_id = source->id;
	spawn->log_fd = ends->log;
	if (ends->line != -1) {
		worker->line.number = SPAWN_FD_FIRST + spawn->fd_count;
		spawn->fds[spawn->fd_count++] = ends->line;
	}
	clear_slot(worker);
	return true;
}

static bool
fork_worker(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct limits limits;
	struct spawn spawn;
	struct ends ends;

	if (!open_fds(worker, &spawn, &ends))
		return false;
	limits_init(&limits, &pool->config->limits,
	    cgroup_fd(&pool->supervisor->cgroups, pool));
	spawn.limits = &limits;
	spawn.envp = environment_new(worker, &spawn.listen_pid, &spawn.watchdog_pid);
	worker->pid = spawn_process(&spawn, &worker->exit.fd, &worker->failure.fd);
	environment_free(spawn.envp);
	if (worker->pid == -1) {
		worker->pid = 0;
		close_own(worker);
	}
	close_ends(&ends);
	return worker->pid != 0;
}

/* There is a process: what it says and its time limit. */
static void
begin(struct worker *worker)
{
	struct pool *pool = worker->pool;
	uint64_t wait_ns = (uint64_t)pool->config->start_timeout_ms * MS_NS;

	worker->spawned_ns = util_now_ns();
	if (worker->log_id != 0)
		logs_process_started(pool->supervisor,
		    logs_source_find(&pool->supervisor->logs, worker->log_id),
		    worker->pid);
	worker->log_id = 0;
	if (pool_is_leased(pool))
		atomic_store(&lease_worker_at(&pool->board, worker->slot)->pid,
		    (uint32_t)worker->pid);
	watch(worker);
	if (may_be_silent(pool) &&
	    wait_ns > (uint64_t)pool->config->ready_after_ms * MS_NS)
		wait_ns = (uint64_t)pool->config->ready_after_ms * MS_NS;
	if (worker->state == WORKER_STARTING)
		set_timer(worker, wait_ns);
	supervisor_title_touch(pool->supervisor);
}

static void
do_spawn(struct worker *worker)
{
	worker->asked_to_leave = false;
	worker->leaving = false;
	worker->timed_out = false;
	worker->killed_for = NULL;
	worker->reason = TALLY_NONE;
	worker->request.query = 0;
	worker->ready_ns = 0;
	worker->spawned_ns = util_now_ns();
	memset(&worker->spawn_failure, 0, sizeof(worker->spawn_failure));
	worker->said[0] = '\0';
	health_spawned(worker);
	loop_timer_clear(loop_of(worker), &worker->timer);
	if (template_is_wanted(worker->pool)) {
		template_ask(worker);
		return;
	}
	if (!fork_worker(worker)) {
		log_error("service %s: cannot start worker %u: %s", service_of(worker),
		    worker->slot, strerror(errno));
		worker_event(worker, WORKER_ON_FAILED);
		return;
	}
	begin(worker);
}

bool
worker_fork(struct worker *worker)
{
	struct spawn spawn;
	struct ends ends;

	if (!open_fds(worker, &spawn, &ends)) {
		log_error("service %s: cannot start worker %u: %s", service_of(worker),
		    worker->slot, strerror(errno));
		return false;
	}
	spawn.envp = environment_forked(worker);
	template_send_fork(worker, &spawn);
	environment_free(spawn.envp);
	close_ends(&ends);
	worker->is_forking = true;
	return true;
}

/* What it was told meanwhile, it is told now. */
void
worker_forked(struct worker *worker, pid_t pid, int pidfd)
{
	worker->is_forking = false;
	worker->pid = pid;
	worker->exit.fd = pidfd;
	begin(worker);
	if (worker->state == WORKER_STOPPING)
		worker_signal(worker, worker->pool->config->stop_signal);
	else if (worker->state == WORKER_KILLED)
		worker_signal(worker, SIGKILL);
}

void
worker_not_forked(struct worker *worker)
{
	worker->is_forking = false;
	close_own(worker);
	worker_event(worker, WORKER_ON_FAILED);
}

/* What is left of start_timeout is for its first health checks; at least one
 * of them is possible. */
static void
do_check(struct worker *worker)
{
	const struct config_service *config = worker->pool->config;
	uint64_t end_ns = worker->spawned_ns + (uint64_t)config->start_timeout_ms * MS_NS;
	uint64_t one_ns = util_now_ns() + (uint64_t)config->health_timeout_ms * MS_NS;

	loop_timer_set(loop_of(worker), &worker->timer,
	    end_ns > one_ns ? end_ns : one_ns + MS_NS);
	health_first(worker);
}

static void
do_go(struct worker *worker)
{
	worker->ready_ns = util_now_ns();
	loop_timer_clear(loop_of(worker), &worker->timer);
	log_debug("service %s: worker %u (pid %d) is ready after %llu ms",
	    service_of(worker), worker->slot, (int)worker->pid,
	    (unsigned long long)((worker->ready_ns - worker->spawned_ns) / MS_NS));
	if (pool_is_leased(worker->pool)) {
		struct lease_signal signal = { .type = LEASE_GO };

		msg_send(worker->control.fd, &signal, sizeof(signal), MSG_DONTWAIT);
		tell_router(worker, ROLE_READY);
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
	tell_router(worker, ROLE_LEAVING);
	tell_worker(worker, LEASE_STOP);
	/* one that is not ready need not read its control descriptor yet */
	if (worker->health.abort)
		worker_signal(worker, SIGABRT);
	else if (!pool_is_leased(pool) || was == WORKER_STARTING)
		worker_signal(worker, pool->config->stop_signal);
	if (pool->supervisor->quick && wait_ns > QUICK_STOP_NS)
		wait_ns = QUICK_STOP_NS;
	set_timer(worker, wait_ns);
	/* last: it may be the end of the pool */
	if (template_withdraw(worker))
		worker_event(worker, WORKER_ON_FAILED);
}

/*
 * Kills what the process started and left in its group: the process that it is
 * the leader of (setsid).  Only before the leader is reaped, since until then
 * nothing else can have its pid, nor a group of that number.
 */
static void
kill_children(const struct worker *worker)
{
	if (worker->pid != 0)
		kill(-worker->pid, SIGKILL);
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
	loop_timer_clear(loop_of(worker), &worker->timer);
	tell_router(worker, ROLE_LEAVING);
	worker_signal(worker, SIGKILL);
	kill_children(worker);
	/* last: it may be the end of the pool */
	if (template_withdraw(worker))
		worker_event(worker, WORKER_ON_FAILED);
}

/* --- the end ----------------------------------------------------------- */

void
worker_says(struct worker *worker, const char *text)
{
	ending_keep(worker->said, text);
}

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
		log_debug("service %s: worker %u (pid %d) left: %s", service_of(worker),
		    worker->slot, (int)worker->pid, end);
		return;
	}
	why = worker->ready_ns == 0 ? explain_start(worker, info) : util_strdup("");
	log_warn("service %s: worker %u (pid %d) %s after %.3f s%s%s%s%s%s",
	    service_of(worker), worker->slot, (int)worker->pid, end, (double)age_ns / 1e9,
	    worker->ready_ns == 0 ? ", before it was ready" : "", why,
	    worker->killed_for != NULL ? " (killed: " : "",
	    worker->killed_for != NULL ? worker->killed_for : "",
	    worker->killed_for != NULL ? ")" : "");
	if (!worker->asked_to_leave) {
		event_tell(worker->pool->supervisor, "worker_died", service_of(worker),
		    "s:i, s:i, s:s, s:b", "slot", (int)worker->slot, "pid",
		    (int)worker->pid, "exit", end, "was_ready", worker->ready_ns != 0);
		tell_failure(worker, end, why);
	}
	free(why);
}

static void
do_bury(struct worker *worker)
{
	siginfo_t info = { 0 };
	struct rusage used = { 0 };
	uint64_t now_ns = util_now_ns();
	bool young;

	/* the reason may have arrived together with the exit */
	if (worker->failure.fd != -1)
		on_failure(worker, 0);
	/* they may hold its listening sockets, or connections that it was leased */
	kill_children(worker);
	/* the C library has no waitid that tells what the process used */
	syscall(SYS_waitid, P_PIDFD, worker->exit.fd, &info, WEXITED | WNOHANG, &used);
	loop_io_close(loop_of(worker), &worker->exit);
	loop_io_close(loop_of(worker), &worker->control);
	control_line_close(worker);
	loop_timer_clear(loop_of(worker), &worker->timer);
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
	tell_router(worker, ROLE_GONE);
	worker->pid = 0;
	close_rest(worker);
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

/* The first death is answered at once, the next ones with doubling pauses. */
static void
do_replace(struct worker *worker)
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
	    service_of(worker), worker->slot, (double)back_off_ns(worker) / 1e9,
	    worker->failures);
	set_timer(worker, back_off_ns(worker));
	trouble_tell(worker->pool);
}

static void
do_back_off(struct worker *worker)
{
	worker->failures++;
	trouble_note_failure(worker);
	set_timer(worker, back_off_ns(worker));
	trouble_tell(worker->pool);
	/* last: it may be the end of the pool */
	pool_worker_failed(worker->pool,
	    template_is_wanted(worker->pool) ? worker->pool->template.why :
					       "a process could not be started");
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
		do_spawn(worker);
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
		event_tell(worker->pool->supervisor, "worker_sick", service_of(worker),
		    "s:i, s:i", "slot", (int)worker->slot, "pid", (int)worker->pid);
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
		do_bury(worker);
		break;
	case WORKER_DO_REPLACE:
		do_replace(worker);
		break;
	case WORKER_DO_RELEASE:
		loop_timer_clear(loop_of(worker), &worker->timer);
		/* one that waits for a slot gets this; and an empty pool ends */
		strength_review(worker->pool);
		break;
	case WORKER_DO_BACK_OFF:
		do_back_off(worker);
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
