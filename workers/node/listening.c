/* SPDX-License-Identifier: ISC */
/*
 * With "mode = inherit" Node accepts from the sockets that this process was started
 * with.  What Node cannot do by itself is done here: to send datagrams to a service
 * manager, and to be known by its process id before it runs.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#include "common/util.h"
#include "node.h"

struct listening {
	struct node *node;
	const char *manager; /* NOTIFY_SOCKET; NULL: nobody asked */
	int signals_fd;
	bool told; /* Node, that it is to end */
};

/* sd_notify(3) */
static void
manager_tell(const struct listening *listening, const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = listening->manager;
	socklen_t len;
	int sock;

	if (path == NULL || strlen(path) < 2 || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@') /* an abstract name */
		address.sun_path[0] = '\0';
	else
		len++;
	if ((sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1)
		return;
	if (sendto(sock, state, strlen(state), MSG_NOSIGNAL,
		(const struct sockaddr *)&address, len) == -1)
		poold_log(NULL, "cannot notify the service manager: %s", strerror(errno));
	close(sock);
}

static void
result_take(void *arg, const struct frame_result *frame, const char *data, size_t len)
{
	const struct listening *listening = arg;
	bool listened = listening->node->listens;

	if (frame->type == RESULT_ALIVE)
		manager_tell(listening, "WATCHDOG=1");
	node_take(listening->node, frame, data, len);
	if (listening->node->listens && !listened)
		manager_tell(listening, "READY=1");
}

/* What asks this process to end, or to do something, asks Node. */
static int
signals_open(struct listening *listening)
{
	static const int asked[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		sigaddset(&set, asked[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return -1;
	listening->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return listening->signals_fd == -1 ? -1 : 0;
}

static void
signals_pass(struct listening *listening)
{
	struct signalfd_siginfo info;

	while (read(listening->signals_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP && info.ssi_signo != SIGUSR2 &&
		    !listening->told) {
			listening->told = true;
			manager_tell(listening, "STOPPING=1");
		}
		child_signal(&listening->node->application.child, (int)info.ssi_signo);
	}
}

/* Until Node has ended; returns what to exit with. */
static int
look_after(struct listening *listening)
{
	struct node *node = listening->node;
	struct application *app = &node->application;
	struct pollfd fds[] = { { .fd = app->results_fd, .events = POLLIN },
		{ .fd = app->child.pidfd, .events = POLLIN },
		{ .fd = listening->signals_fd, .events = POLLIN } };
	char how[64];

	while (!child_has_ended(&app->child, 0)) {
		if (poll(fds, 3, -1) == -1 && errno != EINTR)
			return EX_OSERR;
		results_read(&node->results);
		/* its end is the pidfd's to tell */
		if (fds[0].revents & (POLLHUP | POLLERR))
			fds[0].fd = -1;
		signals_pass(listening);
	}
	results_read(&node->results);
	if (listening->told)
		return EX_OK;
	if (!node->listens)
		return node_start_failed(node);
	child_end_text(&app->child, how, sizeof(how));
	poold_log(NULL, "%s %s", node->command.app, how);
	return child_failed(&app->child) ? EX_SOFTWARE : EX_OK;
}

int
node_serve_listening(struct node *node)
{
	struct listening listening = { .node = node,
		.manager = getenv("NOTIFY_SOCKET"),
		.signals_fd = -1 };
	const char *count = getenv("LISTEN_FDS"), *error;
	int status;

	node->application.listeners = (int)strtonum(count, 1, APPLICATION_LISTENERS_MAX,
	    &error);
	if (error != NULL) {
		poold_log(NULL, "LISTEN_FDS=%s is %s", count, error);
		return EX_PROTOCOL;
	}
	if (results_init(&node->results, -1, result_take, &listening) == -1 ||
	    signals_open(&listening) == -1)
		return EX_OSERR;
	if ((status = node_start(node)) == EX_OK)
		status = look_after(&listening);
	close(listening.signals_fd);
	return status;
}
