/* SPDX-License-Identifier: ISC */
#include "application.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/util.h"

static void
close_one(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* What Node is started with: these are its descriptors 3 and so on. */
struct given {
	int fds[APPLICATION_FDS_MAX];
	size_t count;
	char text[128]; /* POOLD_NODE in its environment: how it is used */
};

/* Moves the descriptors to where Node expects them, and leaves nothing else open but
 * the standard descriptors and failure_fd, which gets the number behind them. */
static int
descriptors_set(const struct given *given, int *failure_fd)
{
	const int end = APPLICATION_FD_FIRST + (int)given->count;
	int high[APPLICATION_FDS_MAX], high_failure;

	/* none of them may lie where another one goes */
	high_failure = fcntl(*failure_fd, F_DUPFD, end + 1);
	for (size_t i = 0; i < given->count; i++)
		if ((high[i] = fcntl(given->fds[i], F_DUPFD, end + 1)) == -1)
			return -1;
	for (size_t i = 0; i < given->count; i++)
		if (dup2(high[i], APPLICATION_FD_FIRST + (int)i) == -1)
			return -1;
	if (high_failure == -1 || dup3(high_failure, end, O_CLOEXEC) == -1)
		return -1;
	*failure_fd = end;
	closefrom(end + 1); /* queue, control, ... are not for it */
	return 0;
}

/* What poold told this worker is not for what it starts. */
static int
environment_clean(void)
{
	static const char *const names[] = { "POOLD_PROTOCOL", "POOLD_FDS",
		"POOLD_CONTROL_FD", "NOTIFY_SOCKET", "WATCHDOG_PID" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unsetenv(names[i]) == -1)
			return -1;
	return 0;
}

/* Tells it what it was given. */
static int
environment_set(const struct application *app, const struct given *given)
{
	char pid[16];

	if (environment_clean() == -1 || setenv("POOLD_NODE", given->text, 1) == -1)
		return -1;
	if (app->is_leased)
		return setenv("NODE_CHANNEL_FD", "3", 1) == 0 ?
		    setenv("NODE_CHANNEL_SERIALIZATION_MODE", "json", 1) :
		    -1;
	/* for an application that looks for inherited sockets by itself */
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	return setenv("LISTEN_PID", pid, 1);
}

/* In the child: becomes Node, or tells why not. */
static void __attribute__((noreturn)) become(const struct application *app, pid_t parent,
    const struct given *given, int failure_fd)
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
	    descriptors_set(given, &failure_fd) == 0 && environment_set(app, given) == 0)
		execvp(app->argv[0], app->argv);
	error = errno;
	(void)!write(failure_fd, &error, sizeof(error));
	_exit(127);
}

static int
fork_with(struct application *app, const struct given *given)
{
	pid_t parent = getpid();
	int fds[2], error = 0;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return errno;
	app->pid = fork();
	if (app->pid == 0)
		become(app, parent, given, fds[1]);
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

/* One end of a new pair is ours, the other one is returned; -1: failed. */
static int
pair_open(int *ours, int type)
{
	int fds[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	*ours = fds[0];
	if (fcntl(*ours, F_SETFL, O_NONBLOCK) == -1) {
		close_one(&fds[1]);
		return -1;
	}
	return fds[1];
}

static int
start_leased(struct application *app)
{
	struct given given = { .count = 4, .text = "lease 4 5 6" };
	int *fds = given.fds, error = 0;

	fds[0] = pair_open(&app->channel_fd, SOCK_STREAM);
	fds[1] = pair_open(&app->results_fd, SOCK_SEQPACKET);
	fds[2] = pair_open(&app->stream_fd, SOCK_STREAM);
	fds[3] = LEASE_FD_SCOREBOARD;
	if (fds[0] == -1 || fds[1] == -1 || fds[2] == -1)
		error = errno;
	else
		error = fork_with(app, &given);
	for (int i = 0; i < 3; i++)
		close_one(&fds[i]);
	return error;
}

static int
start_listening(struct application *app)
{
	struct given given = { .count = (size_t)app->listeners };
	int *results = &given.fds[app->listeners];
	int error;

	for (int i = 0; i < app->listeners; i++)
		given.fds[i] = APPLICATION_FD_FIRST + i;
	if ((*results = pair_open(&app->results_fd, SOCK_SEQPACKET)) == -1)
		return errno;
	given.count++;
	snprintf(given.text, sizeof(given.text), "listen %d %d",
	    APPLICATION_FD_FIRST + app->listeners, app->listeners);
	error = fork_with(app, &given);
	close_one(results);
	return error;
}

void
application_init(struct application *app)
{
	memset(app, 0, sizeof(*app));
	app->pid = app->pidfd = -1;
	app->channel_fd = app->results_fd = app->stream_fd = -1;
}

int
application_start(struct application *app)
{
	int error = app->is_leased ? start_leased(app) : start_listening(app);

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

bool
application_failed(const struct application *app)
{
	return !WIFEXITED(app->status) || WEXITSTATUS(app->status) != 0;
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
	close_one(&app->stream_fd);
}
