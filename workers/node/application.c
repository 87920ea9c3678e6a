/* SPDX-License-Identifier: ISC */
#include "application.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

/* What the child is made of. */
struct birth {
	const struct application *app;
	const struct given *given;
};

/* In the child: becomes Node, or returns with errno. */
static void
become(const void *arg, int *failure_fd)
{
	const struct birth *birth = arg;

	if (descriptors_set(birth->given, failure_fd) == 0 &&
	    environment_set(birth->app, birth->given) == 0)
		execvp(birth->app->argv[0], birth->app->argv);
}

static int
start_with(struct application *app, const struct given *given)
{
	const struct birth birth = { app, given };

	return child_start(&app->child, become, &birth);
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
		error = start_with(app, &given);
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
	error = start_with(app, &given);
	close_one(results);
	return error;
}

void
application_init(struct application *app)
{
	memset(app, 0, sizeof(*app));
	child_init(&app->child);
	app->channel_fd = app->results_fd = app->stream_fd = -1;
}

int
application_start(struct application *app)
{
	return app->is_leased ? start_leased(app) : start_listening(app);
}

void
application_close(struct application *app)
{
	child_kill(&app->child);
	close_one(&app->channel_fd);
	close_one(&app->results_fd);
	close_one(&app->stream_fd);
}
