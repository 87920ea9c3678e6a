/* SPDX-License-Identifier: ISC */
#include "supervisor/template.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/util.h"
#include "supervisor/cgroup.h"
#include "supervisor/environment.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"
#include "supervisor/template_fork.h"

#define YOUNG_NS	(1000 * MS_NS) /* an end before this age counts */
#define BACK_OFF_MIN_NS (100 * MS_NS)
#define BACK_OFF_MAX_NS (30000 * MS_NS)
#define END_NS		(1000 * MS_NS) /* to end by itself */

static struct loop *
loop_of(struct template *template)
{
	return &template->pool->supervisor->loop;
}

static const char *
service_of(const struct template *template)
{
	return template->pool->service->name;
}

static void
set_timer(struct template *template, uint64_t after_ns)
{
	loop_timer_set(loop_of(template), &template->timer, util_now_ns() + after_ns);
}

bool
template_is_wanted(const struct pool *pool)
{
	return pool->config->preload && pool_is_leased(pool);
}

bool
template_is_forking(const struct template *template)
{
	return template->forking != NULL;
}

void
template_ask(struct worker *worker)
{
	struct pool *pool = worker->pool;
	bool was_held = pool->held;

	pool->held = true; /* what fails may end it */
	worker->awaits_fork = true;
	template_event(&pool->template, TEMPLATE_ON_START);
	template_fork_next(&pool->template);
	pool->held = was_held;
	pool_check_empty(pool);
}

/* --- what it tells ------------------------------------------------------- */

static void
on_msg(void *owner, const void *buf, size_t len, const int *fds, int fd_count)
{
	struct template *template = owner;
	struct pool *pool = template->pool;
	bool was_held = pool->held;
	union {
		uint16_t type;
		struct lease_signal signal;
		struct lease_forked forked;
	} msg;

	for (int i = 0; i < fd_count; i++)
		close(fds[i]); /* it has none to send */
	memset(&msg, 0, sizeof(msg));
	memcpy(&msg, buf, len < sizeof(msg) ? len : sizeof(msg));
	pool->held = true;
	if (len == sizeof(msg.signal) && msg.type == LEASE_READY)
		template_event(template, TEMPLATE_ON_READY);
	else if (len != sizeof(msg.forked) || msg.type != LEASE_FORKED ||
	    !template_fork_answered(template, &msg.forked))
		template_event(template, TEMPLATE_ON_BREACH);
	template_fork_next(template);
	if (!template_is_forking(template))
		supervisor_reap_strangers(pool->supervisor);
	pool->held = was_held;
	pool_check_empty(pool);
}

/* It exits; or it is good for nothing any more, and its timer ends it. */
static void
on_end(void *owner)
{
	struct template *template = owner;

	channel_close(&template->channel);
	if (template->state == TEMPLATE_READY)
		set_timer(template, END_NS);
}

static void
on_failure(void *owner, uint32_t events)
{
	struct template *template = owner;

	(void)events;
	spawn_failure_read(template->failure.fd, &template->spawn_failure);
	loop_io_close(loop_of(template), &template->failure);
}

static void
on_exit_event(void *owner, uint32_t events)
{
	struct template *template = owner;
	struct pool *pool = template->pool;
	bool was_held = pool->held;

	(void)events;
	/* what it said last may be the reason of its end, or a worker's pid */
	notify_read(pool->supervisor);
	pool->held = true;
	if (template->channel.io.fd != -1)
		template->channel.io.fn(template->channel.io.owner, EPOLLIN);
	template_event(template, TEMPLATE_ON_EXIT);
	supervisor_reap_strangers(pool->supervisor);
	pool->held = was_held;
	pool_check_empty(pool);
}

static void
on_timer(void *owner)
{
	struct template *template = owner;
	struct pool *pool = template->pool;
	bool was_held = pool->held;

	pool->held = true;
	template_event(template, TEMPLATE_ON_TIMEOUT);
	pool->held = was_held;
	pool_check_empty(pool);
}

/* --- starting ------------------------------------------------------------ */

/* Everything but the channel is open on /dev/null: what is loaded gets other
 * numbers than a worker's descriptors will have. */
static void
place_fds(struct spawn *spawn, int null, int channel)
{
	spawn->fd_count = LEASE_FD_COUNT;
	for (int i = 0; i < LEASE_FD_COUNT; i++)
		spawn->fds[i] = null;
	spawn->fds[LEASE_FD_CONTROL - LEASE_FD_FIRST] = channel;
}

/* What it writes goes through a pipe of its own.  Returns false with errno. */
static bool
start_process(struct template *template, int null, int channel)
{
	struct pool *pool = template->pool;
	const struct log_tag tag = { .kind = LOGGER_WORKER,
		.name = pool->service->name,
		.output = pool->config->output };
	struct spawn spawn = { .path = pool->config->argv[0],
		.argv = pool->config->argv,
		.chdir = pool->config->chdir,
		.account = &pool->account,
		.switch_account = pool->supervisor->is_root,
		.stdin_fd = -1,
		.death_signal = SIGKILL };
	struct log_source *source;
	struct limits limits;
	int error;

	spawn.log_fd = log_source_pipe(pool->supervisor, &tag, &source);
	if (spawn.log_fd == -1)
		return false;
	place_fds(&spawn, null, channel);
	limits_init(&limits, &pool->config->limits,
	    cgroup_fd(&pool->supervisor->cgroups, pool));
	spawn.limits = &limits;
	spawn.envp = environment_template(pool);
	template->pid = spawn_process(&spawn, &template->exit.fd, &template->failure.fd);
	error = errno;
	environment_free(spawn.envp);
	close(spawn.log_fd);
	errno = error;
	if (template->pid != -1) {
		log_source_started(pool->supervisor, source, template->pid);
		return true;
	}
	template->pid = 0;
	log_source_failed(pool->supervisor, source);
	return false;
}

static bool
start(struct template *template)
{
	int ends[2] = { -1, -1 }, null = open("/dev/null", O_RDWR | O_CLOEXEC), error;
	bool good;

	/* the process last: there is nothing to take back once it runs */
	good = null != -1 && msg_pair(ends) == 0 &&
	    channel_open(&template->channel, loop_of(template), ends[0]) == 0 &&
	    start_process(template, null, ends[1]);
	error = errno;
	if (null != -1)
		close(null);
	if (ends[1] != -1)
		close(ends[1]);
	if (!good)
		channel_close(&template->channel);
	errno = error;
	return good;
}

static void
do_spawn(struct template *template)
{
	struct pool *pool = template->pool;
	char why[128];

	template->killed_for = NULL;
	template->ready_ns = 0;
	template->spawned_ns = util_now_ns();
	memset(&template->spawn_failure, 0, sizeof(template->spawn_failure));
	template->said[0] = '\0';
	if (!start(template)) {
		snprintf(why, sizeof(why), "its template could not be started: %s",
		    strerror(errno));
		log_error("service %s: %s", service_of(template), why);
		strlcpy(template->why, why, sizeof(template->why));
		template_event(template, TEMPLATE_ON_FAILED);
		return;
	}
	loop_io_add(loop_of(template), &template->exit, EPOLLIN);
	loop_io_add(loop_of(template), &template->failure, EPOLLIN);
	set_timer(template, (uint64_t)pool->config->start_timeout_ms * MS_NS);
}

static void
do_serve(struct template *template)
{
	template->ready_ns = util_now_ns();
	template->was_ready = true;
	loop_timer_clear(loop_of(template), &template->timer);
	log_info("service %s: its template (pid %d) is ready after %.3f s",
	    service_of(template), (int)template->pid,
	    (double)(template->ready_ns - template->spawned_ns) / 1e9);
	template_fork_next(template);
	pool_worker_ready(template->pool); /* of no workers, all are ready now */
}

/* --- the end ------------------------------------------------------------- */

static void
do_kill(struct template *template, const char *why)
{
	template->killed_for = why;
	loop_timer_clear(loop_of(template), &template->timer);
	if (template->pid == 0)
		return;
	syscall(SYS_pidfd_send_signal, template->exit.fd, SIGKILL, NULL, 0);
	/* its group, while it is not reaped: see worker_kill_group */
	kill(-template->pid, SIGKILL);
}

static void
reap(struct template *template, siginfo_t *info)
{
	if (template->failure.fd != -1)
		on_failure(template, 0);
	kill(-template->pid, SIGKILL);
	waitid(P_PIDFD, (id_t) template->exit.fd, info, WEXITED | WNOHANG);
	loop_io_close(loop_of(template), &template->exit);
	channel_close(&template->channel);
	loop_timer_clear(loop_of(template), &template->timer);
	template->pid = 0;
}

/* The first end is answered at once, the next ones with doubling pauses. */
static void
start_again_later(struct template *template)
{
	if (!pool_wants_workers(template->pool))
		return;
	if (template->failures == 1 && template->ready_ns != 0) {
		template_event(template, TEMPLATE_ON_START);
		return;
	}
	set_timer(template,
	    util_back_off_ns(template->failures, BACK_OFF_MIN_NS, BACK_OFF_MAX_NS));
}

static void
do_fail(struct template *template)
{
	template->failures++;
	start_again_later(template);
	template_fork_fail_waiting(template);
	/* also where no worker is wanted yet */
	pool_worker_failed(template->pool, template->why);
}

static void
do_bury(struct template *template)
{
	siginfo_t info = { 0 };
	uint64_t age_ns = util_now_ns() - template->spawned_ns;
	pid_t pid = template->pid;
	bool was_ready = template->ready_ns != 0;
	char end[128], *why;

	reap(template, &info);
	ending_describe(&info, end, sizeof(end));
	why = was_ready ? NULL :
			  ending_explain(template->pool, &template->spawn_failure,
			      template->said, &info);
	snprintf(template->why, sizeof(template->why), "its template (pid %d) %s%s%s%s%s",
	    (int)pid, end, was_ready ? "" : " before it was ready",
	    template->killed_for != NULL ? ": " : "",
	    template->killed_for != NULL ? template->killed_for : "",
	    why != NULL ? why : "");
	free(why);
	log_warn("service %s: %s (after %.3f s)", service_of(template), template->why,
	    (double)age_ns / 1e9);
	event_tell(template->pool->supervisor, "template_died", service_of(template),
	    "s:i, s:s, s:b", "pid", (int)pid, "exit", end, "was_ready", was_ready);
	if (was_ready && util_now_ns() - template->ready_ns >= YOUNG_NS)
		template->failures = 0;
	template_fork_fail(template);
	if (!was_ready) {
		do_fail(template);
		return;
	}
	template->failures++;
	start_again_later(template);
	if (template_fork_is_awaited(template))
		template_event(template, TEMPLATE_ON_START);
}

/* The worker that is being forked is still heard of: only our side is closed. */
static void
do_end(struct template *template)
{
	if (template->channel.io.fd != -1)
		shutdown(template->channel.io.fd, SHUT_WR);
	set_timer(template, END_NS);
}

static void
do_reap(struct template *template)
{
	siginfo_t info = { 0 };

	reap(template, &info);
	template_fork_fail(template);
	template_fork_fail_waiting(template);
	pool_check_empty(template->pool);
}

static void
do_release(struct template *template)
{
	loop_timer_clear(loop_of(template), &template->timer);
	template_fork_fail_waiting(template);
	pool_check_empty(template->pool);
}

void
template_event(struct template *template, enum template_event event)
{
	const struct template_step *step = &template_life[template->state][event];

	template->state = step->next;
	switch ((enum template_action)step->action) {
	case TEMPLATE_DO_NOTHING:
	case TEMPLATE_ACTIONS:
		break;
	case TEMPLATE_DO_SPAWN:
		do_spawn(template);
		break;
	case TEMPLATE_DO_SERVE:
		do_serve(template);
		break;
	case TEMPLATE_DO_KILL_LATE:
		do_kill(template, "it took longer than start_timeout");
		break;
	case TEMPLATE_DO_KILL_STUCK:
		do_kill(template, "it did not fork a worker in time");
		break;
	case TEMPLATE_DO_KILL:
		do_kill(template,
		    event == TEMPLATE_ON_BREACH ? "it broke the lease contract" :
						  "it did not end in time");
		break;
	case TEMPLATE_DO_BURY:
		do_bury(template);
		break;
	case TEMPLATE_DO_FAIL:
		do_fail(template);
		break;
	case TEMPLATE_DO_END:
		do_end(template);
		break;
	case TEMPLATE_DO_REAP:
		do_reap(template);
		break;
	case TEMPLATE_DO_RELEASE:
		do_release(template);
		break;
	}
}

static void
set_callbacks(struct template *template)
{
	template->channel.on_msg = on_msg;
	template->channel.on_end = on_end;
	template->channel.owner = template;
}

void
template_init(struct template *template, struct pool *pool)
{
	*template = (struct template){ .pool = pool };
	template->exit = (struct loop_io){ .fd = -1,
		.fn = on_exit_event,
		.owner = template };
	template->failure = (struct loop_io){ .fd = -1,
		.fn = on_failure,
		.owner = template };
	template->channel.io.fd = -1;
	template->timer.fn = on_timer;
	template->timer.owner = template;
	set_callbacks(template);
}

/* --- upgrade ------------------------------------------------------------- */

void
template_restore(struct template *template, const struct template *saved)
{
	template->state = saved->state;
	template->pid = saved->pid;
	template->channel.io.fd = saved->channel.io.fd;
	template->failure.fd = saved->failure.fd;
	template->timer.deadline_ns = saved->timer.deadline_ns;
	template->serial = saved->serial;
	template->failures = saved->failures;
	template->spawned_ns = saved->spawned_ns;
	template->ready_ns = saved->ready_ns;
	template->was_ready = saved->was_ready;
}

static void
adopt_process(struct template *template)
{
	struct loop *loop = loop_of(template);
	int channel = template->channel.io.fd;

	template->exit.fd = spawn_pidfd(template->pid);
	if (template->exit.fd == -1 || loop_io_add(loop, &template->exit, EPOLLIN) == -1)
		log_error("service %s: its template (pid %d) is lost: %s",
		    service_of(template), (int)template->pid, strerror(errno));
	if (template->failure.fd != -1)
		loop_io_add(loop, &template->failure, EPOLLIN);
	if (channel != -1)
		channel_open(&template->channel, loop, channel);
}

void
template_adopt(struct template *template)
{
	struct pool *pool = template->pool;
	uint64_t deadline_ns = template->timer.deadline_ns;

	template->timer.deadline_ns = 0; /* loaded, but not in the tree of timers */
	if (deadline_ns != 0)
		loop_timer_set(loop_of(template), &template->timer, deadline_ns);
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].is_forking)
			template->forking = &pool->workers[i];
	if (template->pid != 0)
		adopt_process(template);
	else if (template_is_wanted(pool) && pool_wants_workers(pool))
		template_event(template, TEMPLATE_ON_START);
	template_fork_next(template);
}
