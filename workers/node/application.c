/* SPDX-License-Identifier: ISC */
#include "application.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"

static void
close_one(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* Moves the two sockets to where Node expects them, and leaves nothing else open
 * but the standard descriptors and failure_fd, which gets a number of its own. */
static int
descriptors_set(int channel, int results, int *failure_fd)
{
	const int above = APPLICATION_RESULTS_FD + 1;
	/* none of them may lie where another one goes */
	int high_channel = fcntl(channel, F_DUPFD, above + 1);
	int high_results = fcntl(results, F_DUPFD, above + 1);
	int high_failure = fcntl(*failure_fd, F_DUPFD, above + 1);

	if (high_channel == -1 || high_results == -1 || high_failure == -1 ||
	    dup2(high_channel, APPLICATION_CHANNEL_FD) == -1 ||
	    dup2(high_results, APPLICATION_RESULTS_FD) == -1 ||
	    dup3(high_failure, above, O_CLOEXEC) == -1)
		return -1;
	*failure_fd = above;
	closefrom(above + 1); /* queue, scoreboard, ... are not for it */
	return 0;
}

/* What poold told this worker is not for what it starts. */
static int
environment_clean(void)
{
	static const char *const names[] = { "POOLD_PROTOCOL", "POOLD_FDS",
		"POOLD_CONTROL_FD", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unsetenv(names[i]) == -1)
			return -1;
	return 0;
}

/* In the child: becomes Node, or tells why not. */
static void __attribute__((noreturn)) become(const struct application *app, pid_t parent,
    int channel, int results, int failure_fd)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int error;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &action, NULL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* It holds sockets of clients that others are to answer when we die. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != -1 && getppid() == parent &&
	    descriptors_set(channel, results, &failure_fd) == 0 &&
	    setenv("NODE_CHANNEL_FD", "3", 1) == 0 &&
	    setenv("NODE_CHANNEL_SERIALIZATION_MODE", "json", 1) == 0 &&
	    setenv("POOLD_NODE_FD", "4", 1) == 0 && environment_clean() == 0)
		execvp(app->argv[0], app->argv);
	error = errno;
	(void)!write(failure_fd, &error, sizeof(error));
	_exit(127);
}

static int
fork_with(struct application *app, int channel, int results)
{
	pid_t parent = getpid();
	int fds[2], error = 0;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return errno;
	app->pid = fork();
	if (app->pid == 0)
		become(app, parent, channel, results, fds[1]);
	if (app->pid == -1)
		error = errno;
	close(fds[1]);
	if (error == 0 && read(fds[0], &error, sizeof(error)) == sizeof(error)) {
		(void)waitpid(app->pid, &app->status, 0);
		app->pid = -1;
	}
	close(fds[0]);
	return error;
}

int
application_start(struct application *app)
{
	int channel[2] = { -1, -1 }, results[2] = { -1, -1 }, error = 0;

	app->pid = app->pidfd = app->channel_fd = app->results_fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, results) == -1 ||
	    fcntl(channel[0], F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(results[0], F_SETFL, O_NONBLOCK) == -1)
		error = errno;
	else
		error = fork_with(app, channel[1], results[1]);
	app->channel_fd = channel[0];
	app->results_fd = results[0];
	close_one(&channel[1]);
	close_one(&results[1]);
	if (error != 0)
		return error;
	app->pidfd = (int)syscall(SYS_pidfd_open, app->pid, 0);
	return app->pidfd != -1 ? 0 : errno;
}

bool
application_has_ended(struct application *app, int wait_ms)
{
	struct pollfd pfd = { .fd = app->pidfd, .events = POLLIN };

	if (app->pid == -1)
		return true;
	if (app->pidfd != -1 && poll(&pfd, 1, wait_ms) <= 0)
		return false;
	if (waitpid(app->pid, &app->status, WNOHANG) != app->pid)
		return false;
	app->pid = -1;
	close_one(&app->pidfd);
	return true;
}

void
application_end_text(const struct application *app, char *text, size_t size)
{
	if (WIFSIGNALED(app->status))
		snprintf(text, size, "was killed by signal %d", WTERMSIG(app->status));
	else
		snprintf(text, size, "ended with exit status %d",
		    WEXITSTATUS(app->status));
}

void
application_signal(const struct application *app, int sig)
{
	/* -1 would be everybody */
	if (app->pid > 0)
		(void)kill(app->pid, sig);
}

void
application_close(struct application *app)
{
	if (app->pid > 0) {
		application_signal(app, SIGKILL);
		(void)waitpid(app->pid, &app->status, 0);
		app->pid = -1;
	}
	close_one(&app->pidfd);
	close_one(&app->channel_fd);
	close_one(&app->results_fd);
}
