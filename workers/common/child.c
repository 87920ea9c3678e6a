/* SPDX-License-Identifier: ISC */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void
child_init(struct child *child)
{
	*child = (struct child){ .pid = -1, .pidfd = -1 };
}

/* --- start ---------------------------------------------------------------- */

static void
signals_default(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &action, NULL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Waits for the end of one that is about to end. */
static void
reap(struct child *child)
{
	while (waitpid(child->pid, &child->status, 0) == -1 && errno == EINTR)
		;
	child->pid = -1;
}

/* 0: it is executed; else the errno that it failed with. */
static int
failure_read(int fd)
{
	int error = 0;
	ssize_t n;

	do
		n = read(fd, &error, sizeof(error));
	while (n == -1 && errno == EINTR);
	return n == sizeof(error) ? error : 0;
}

int
child_start(struct child *child, void (*become)(const void *arg, int *failure_fd),
    const void *arg)
{
	pid_t parent = getpid();
	int fds[2], error;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return errno;
	child->pid = fork();
	if (child->pid == 0) {
		signals_default();
		/* it has nobody to serve without us */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != -1 && getppid() == parent)
			become(arg, &fds[1]);
		error = errno;
		(void)!write(fds[1], &error, sizeof(error));
		_exit(127);
	}
	error = child->pid == -1 ? errno : 0;
	close(fds[1]);
	if (error == 0 && (error = failure_read(fds[0])) != 0)
		reap(child);
	close(fds[0]);
	if (error != 0)
		return error;
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd != -1)
		return 0;
	error = errno;
	child_kill(child);
	return error;
}

/* --- end ------------------------------------------------------------------ */

bool
child_has_ended(struct child *child, int wait_ms)
{
	struct pollfd pfd = { .fd = child->pidfd, .events = POLLIN };
	int n;

	if (child->pid == -1)
		return true;
	do
		n = poll(&pfd, 1, wait_ms);
	while (n == -1 && errno == EINTR && wait_ms == -1);
	if (n <= 0 || waitpid(child->pid, &child->status, WNOHANG) != child->pid)
		return false;
	child->pid = -1;
	close(child->pidfd);
	child->pidfd = -1;
	return true;
}

bool
child_failed(const struct child *child)
{
	return !WIFEXITED(child->status) || WEXITSTATUS(child->status) != 0;
}

void
child_end_text(const struct child *child, char *text, size_t size)
{
	if (WIFSIGNALED(child->status))
		snprintf(text, size, "was killed by signal %d", WTERMSIG(child->status));
	else
		snprintf(text, size, "ended with exit status %d",
		    WEXITSTATUS(child->status));
}

void
child_signal(const struct child *child, int sig)
{
	/* -1 would be everybody */
	if (child->pid > 0)
		(void)kill(child->pid, sig);
}

void
child_kill(struct child *child)
{
	if (child->pid > 0) {
		child_signal(child, SIGKILL);
		reap(child);
	}
	if (child->pidfd != -1)
		close(child->pidfd);
	child->pidfd = -1;
}
