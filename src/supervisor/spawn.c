/* SPDX-License-Identifier: ISC */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct rlimit original_fd_limit;

void
spawn_raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	original_fd_limit = limit;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t
spawn_fd_limit(void)
{
	return original_fd_limit.rlim_cur;
}

void
spawn_set_fd_limit(uint64_t limit)
{
	if (limit > 0 && limit <= original_fd_limit.rlim_max)
		original_fd_limit.rlim_cur = limit;
}

/* --- in the child ------------------------------------------------------ */

static _Noreturn void
fail(int failure_fd, const char *step)
{
	struct spawn_failure failure = { .error = errno };
	ssize_t n;

	strlcpy(failure.step, step, sizeof(failure.step));
	n = write(failure_fd, &failure, sizeof(failure));
	_exit(n == sizeof(failure) ? 127 : 126);
}

static void
restore_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL); /* fails for KILL and STOP */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * The descriptors become 3, 4 ...; above them everything is closed.  First all
 * move out of the way of each other's numbers.  Returns the new number of
 * failure_fd, close-on-exec.
 */
static int
place_fds(const struct spawn *spawn, int failure_fd)
{
	int moved[SPAWN_FDS_MAX], above = SPAWN_FD_FIRST + SPAWN_FDS_MAX + 1;
	int last, in = spawn->stdin_fd;

	failure_fd = fcntl(failure_fd, F_DUPFD_CLOEXEC, above);
	if (failure_fd == -1)
		_exit(126);
	for (int i = 0; i < spawn->fd_count; i++)
		if ((moved[i] = fcntl(spawn->fds[i], F_DUPFD_CLOEXEC, above)) == -1)
			fail(failure_fd, "descriptors");
	if (dup2(spawn->log_fd, STDOUT_FILENO) == -1 ||
	    dup2(spawn->error_fd != 0 ? spawn->error_fd : spawn->log_fd, STDERR_FILENO) ==
		-1 ||
	    (in == -1 && (in = open("/dev/null", O_RDONLY)) == -1) ||
	    dup2(in, STDIN_FILENO) == -1)
		fail(failure_fd, "standard descriptors");
	for (int i = 0; i < spawn->fd_count; i++)
		if (dup2(moved[i], SPAWN_FD_FIRST + i) == -1)
			fail(failure_fd, "descriptors");
	last = SPAWN_FD_FIRST + spawn->fd_count;
	if (dup3(failure_fd, last, O_CLOEXEC) == -1)
		fail(failure_fd, "descriptors");
	if (syscall(SYS_close_range, (unsigned)last + 1, ~0U, 0) == -1)
		closefrom(last + 1);
	return last;
}

static void
drop_privileges(const struct spawn *spawn, int failure_fd)
{
	const struct config_account *account = spawn->account;

	if (spawn->switch_account) {
		if (setgroups((size_t)account->group_count, account->groups) == -1)
			fail(failure_fd, "setgroups");
		if (setresgid(account->gid, account->gid, account->gid) == -1)
			fail(failure_fd, "setgid");
		if (setresuid(account->uid, account->uid, account->uid) == -1)
			fail(failure_fd, "setuid");
		/* it must not be possible to come back */
		errno = EPERM;
		if (account->uid != 0 &&
		    (setuid(0) == 0 || geteuid() != account->uid ||
			getegid() != account->gid))
			fail(failure_fd, "dropping privileges");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fail(failure_fd, "no_new_privs");
}

/* After setuid, which clears it; the supervisor may have died before. */
static void
die_with_parent(const struct spawn *spawn, pid_t parent, int failure_fd)
{
	errno = ESRCH;
	if (prctl(PR_SET_PDEATHSIG, spawn->death_signal) == -1 || getppid() != parent)
		fail(failure_fd, "supervisor");
}

/* Everything that may need privileges, and then what changes the paths. */
static void
limit_child(const struct limits *limits, int failure_fd)
{
	const char *failed = limits_apply(limits);

	if (failed == NULL)
		failed = limits_confine(limits);
	if (failed != NULL)
		fail(failure_fd, failed);
}

/* Returns when nothing can be executed, with errno. */
static void
execute(const struct spawn *spawn)
{
	char path[PATH_MAX];
	const char *at = spawn->search;
	int error = ENOENT;
	size_t len;

	if (at == NULL || strchr(spawn->path, '/') != NULL) {
		execve(spawn->path, spawn->argv, spawn->envp);
		return;
	}
	for (; *at != '\0'; at += len + (at[len] == ':')) {
		len = strcspn(at, ":");
		if (snprintf(path, sizeof(path), "%.*s/%s", (int)len, at, spawn->path) >=
		    (int)sizeof(path))
			continue;
		execve(path, spawn->argv, spawn->envp);
		if (errno != ENOENT && errno != ENOTDIR)
			error = errno; /* it is there, and is the one that is meant */
	}
	errno = error;
}

static _Noreturn void
run_child(const struct spawn *spawn, int failure_fd, pid_t parent, bool in_cgroup)
{
	const char *failed;

	restore_signals();
	if (spawn->limits != NULL && !in_cgroup &&
	    (failed = limits_enter_cgroup(spawn->limits)) != NULL)
		fail(failure_fd, failed);
	failure_fd = place_fds(spawn, failure_fd);
	/* Ctrl-C on the terminal is for the supervisor alone */
	if (setsid() == -1)
		fail(failure_fd, "setsid");
	if (spawn->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) == -1)
		fail(failure_fd, "terminal");
	if (original_fd_limit.rlim_cur > 0)
		setrlimit(RLIMIT_NOFILE, &original_fd_limit);
	if (spawn->limits != NULL)
		limit_child(spawn->limits, failure_fd);
	drop_privileges(spawn, failure_fd);
	die_with_parent(spawn, parent, failure_fd);
	if (chdir(spawn->chdir != NULL ? spawn->chdir : "/") == -1)
		fail(failure_fd, "chdir");
	if (spawn->listen_pid != NULL)
		snprintf(spawn->listen_pid + strlen("LISTEN_PID="), 12, "%d",
		    (int)getpid());
	if (spawn->watchdog_pid != NULL)
		snprintf(spawn->watchdog_pid + strlen("WATCHDOG_PID="), 12, "%d",
		    (int)getpid());
	execute(spawn);
	fail(failure_fd, "exec");
}

/* --- in the parent ----------------------------------------------------- */

int
spawn_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec */
}

/*
 * A child that is born in its control group was never outside of it: whatever it
 * does counts there.  Kernels before 5.7, and some sandboxes, have no such call.
 */
static pid_t
fork_into(int cgroup_fd, bool *in_cgroup)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup_fd };
	pid_t pid;

	*in_cgroup = true;
	if (cgroup_fd != -1 &&
	    (pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args))) != -1)
		return pid;
	*in_cgroup = false;
	return fork();
}

bool
spawn_failure_read(int failure_fd, struct spawn_failure *failure)
{
	struct spawn_failure got;

	if (read(failure_fd, &got, sizeof(got)) != sizeof(got))
		return false;
	got.step[sizeof(got.step) - 1] = '\0';
	*failure = got;
	return true;
}

pid_t
spawn_process(const struct spawn *spawn, int *pidfd, int *failure_fd)
{
	pid_t parent = getpid(), pid;
	int ends[2], error;
	bool in_cgroup;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	pid = fork_into(spawn->limits != NULL ? spawn->limits->cgroup_fd : -1,
	    &in_cgroup);
	if (pid == 0)
		run_child(spawn, ends[1], parent, in_cgroup);
	error = errno;
	close(ends[1]);
	if (pid == -1) {
		close(ends[0]);
		errno = error;
		return -1;
	}
	*pidfd = spawn_pidfd(pid);
	if (*pidfd == -1) {
		/* cannot supervise it: rather none than one unwatched; it is
		 * ours and unreaped, so the pid is its own */
		error = errno;
		kill(pid, SIGKILL);
		close(ends[0]);
		errno = error;
		return -1;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*failure_fd = ends[0];
	return pid;
}
