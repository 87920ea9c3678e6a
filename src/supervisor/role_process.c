/* SPDX-License-Identifier: ISC */
#include "supervisor/role_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/logs.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor.h"

#define YOUNG_NS	(1000 * MS_NS)
#define BACK_OFF_MIN_NS (50 * MS_NS)
#define BACK_OFF_MAX_NS (5000 * MS_NS)

/* --- what comes from it, and its end ------------------------------------------------------ */

static void
on_failure(void *owner, uint32_t events)
{
	struct role_process *process = owner;
	struct spawn_failure failure;

	(void)events;
	if (spawn_failure_read(process->failure.fd, &failure))
		log_error("cannot start the %s: %s: %s", process->role, failure.step,
		    strerror(failure.error));
	loop_io_close(&process->supervisor->loop, &process->failure);
}

void
role_process_reap(struct role_process *process, siginfo_t *info)
{
	struct loop *loop = &process->supervisor->loop;

	waitid(P_PIDFD, (id_t)process->exit.fd, info, WEXITED | WNOHANG);
	loop_io_close(loop, &process->exit);
	loop_io_close(loop, &process->failure);
	channel_close(&process->channel);
	process->pid = 0;
}

static void
on_exit_event(void *owner, uint32_t events)
{
	struct role_process *process = owner;
	siginfo_t info = { 0 };
	pid_t pid = process->pid;

	(void)events;
	/* the reason may have arrived together with the exit */
	if (process->failure.fd != -1)
		on_failure(process, 0);
	role_process_reap(process, &info);
	supervisor_reap_strangers(process->supervisor);
	process->on_exit(process->owner, pid, &info);
}

static void
on_channel_msg(void *owner, const void *buf, size_t len, const int *fds, int fd_count)
{
	struct role_process *process = owner;

	for (int i = 0; i < fd_count; i++)
		close(fds[i]); /* no role sends any */
	process->on_msg(process->owner, buf, len);
}

static void
on_channel_end(void *owner)
{
	struct role_process *process = owner;

	channel_close(&process->channel); /* its pidfd says the rest */
}

void
role_process_kill(const struct role_process *process)
{
	if (process->pid != 0)
		syscall(SYS_pidfd_send_signal, process->exit.fd, SIGKILL, NULL, 0);
}

/* --- starting ---------------------------------------------------------- */

static void
start_soon(struct role_process *process)
{
	if (++process->failures == 1) {
		role_process_start(process);
		return;
	}
	loop_timer_set(&process->supervisor->loop, &process->restart_timer,
	    util_now_ns() +
		util_back_off_ns(process->failures, BACK_OFF_MIN_NS, BACK_OFF_MAX_NS));
}

static void
on_restart_timer(void *owner)
{
	struct role_process *process = owner;

	if (process->pid == 0)
		role_process_start(process);
}

void
role_process_replace(struct role_process *process, pid_t pid, const siginfo_t *info,
    const char *what_follows)
{
	log_error("the %s (pid %d) %s %d; %s", process->role, (int)pid,
	    info->si_code == CLD_EXITED ? "exited with status" : "was killed by signal",
	    info->si_status, what_follows);
	if (util_now_ns() - process->started_ns >= YOUNG_NS)
		process->failures = 0;
	start_soon(process);
}

/* Its end of the channel, sock, stays the caller's.  False: the log says why. */
static bool
spawn_role(struct role_process *process, int sock)
{
	struct supervisor *supervisor = process->supervisor;
	char *argv[] = { "poold", "-R", (char *)process->role, NULL };
	struct log_tag tag = { .kind = LOGGER_OWN,
		.name = process->role,
		.output = "log" };
	struct config_account account;
	struct log_source *source;
	struct spawn spawn = { .path = "/proc/self/exe",
		.argv = argv,
		.envp = environ,
		.account = &account,
		.switch_account = supervisor->is_root,
		.fds = { sock },
		.fd_count = 1,
		.stdin_fd = -1,
		.death_signal = SIGTERM };
	pid_t pid = -1;
	char *why;

	if (!config_router_account(supervisor->plan->config, &account, &why)) {
		log_error("cannot start the %s: %s", process->role, why);
		free(why);
		return false;
	}
	spawn.log_fd = log_source_pipe(supervisor, &tag, &source);
	if (spawn.log_fd != -1)
		pid = spawn_process(&spawn, &process->exit.fd, &process->failure.fd);
	if (pid == -1)
		log_error("cannot start the %s: %s", process->role, strerror(errno));
	if (spawn.log_fd != -1)
		close(spawn.log_fd);
	config_account_free(&account);
	if (pid == -1) {
		log_source_failed(supervisor, source);
		return false;
	}
	process->pid = pid;
	log_source_started(supervisor, source, pid);
	return true;
}

static void
watch(struct role_process *process, int channel)
{
	struct loop *loop = &process->supervisor->loop;

	loop_io_add(loop, &process->exit, EPOLLIN);
	if (process->failure.fd != -1)
		loop_io_add(loop, &process->failure, EPOLLIN);
	if (channel_open(&process->channel, loop, channel) == -1)
		log_error("cannot watch the %s: %s", process->role, strerror(errno));
}

void
role_process_start(struct role_process *process)
{
	int ends[2];
	bool runs;

	process->started_ns = util_now_ns();
	if (msg_pair(ends) == -1) {
		log_error("cannot start the %s: %s", process->role, strerror(errno));
		start_soon(process);
		return;
	}
	runs = spawn_role(process, ends[1]);
	close(ends[1]);
	if (!runs) {
		close(ends[0]);
		start_soon(process);
		return;
	}
	watch(process, ends[0]);
	process->on_start(process->owner);
}

bool
role_process_adopt(struct role_process *process, pid_t pid, int channel)
{
	if (pid != 0 && channel != -1)
		process->exit.fd = spawn_pidfd(pid);
	if (process->exit.fd == -1) {
		if (channel != -1)
			close(channel);
		return false;
	}
	process->pid = pid;
	watch(process, channel);
	return true;
}

void
role_process_init(struct role_process *process, struct supervisor *supervisor,
    const char *role)
{
	process->supervisor = supervisor;
	process->role = role;
	process->channel.io.fd = -1;
	process->channel.on_msg = on_channel_msg;
	process->channel.on_end = on_channel_end;
	process->channel.owner = process;
	process->exit = (struct loop_io){ .fd = -1,
		.fn = on_exit_event,
		.owner = process };
	process->failure = (struct loop_io){ .fd = -1,
		.fn = on_failure,
		.owner = process };
	process->restart_timer.fn = on_restart_timer;
	process->restart_timer.owner = process;
}
