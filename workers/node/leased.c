/* SPDX-License-Identifier: ISC */
/*
 * Takes leases and has Node answer them.
 *
 * Most requests go to Node as a frame, with all of their body, and come back as a
 * response that is sent from here: that costs Node no descriptor, and as many as are
 * there at a time go by one system call.  When a response is large or is made bit by
 * bit, Node asks for the client's socket, and writes to the client by itself.
 * Requests with a body that is large or not yet there, and those that change the
 * protocol, come to it as a socket at once.
 *
 * What Node has with it when it dies is settled by poold: this process ends at once
 * then.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#include "channel.h"
#include "leases.h"
#include "node.h"
#include "stream.h"

#define EVENTS_MAX 64

/* data.u64 in the epoll set; the numbers of leases are above. */
enum tag { TAG_WORKER, TAG_CHANNEL, TAG_STREAM, TAG_RESULTS, TAG_NODE };

struct server {
	struct node *node;
	struct channel channel;
	struct stream stream;
	struct leases leases;
	struct poold_worker *worker;
	int epoll;
	bool waits_channel, waits_stream; /* for them to take more */
	bool stopping;			  /* no more requests come */
	bool told;			  /* the application that it is to end */
};

/* --- what Node says --------------------------------------------------------- */

static void
lease_result(struct server *server, struct lease *lease, const struct frame_result *frame,
    const char *data, size_t len)
{
	int status = frame->status <= 999 ? (int)frame->status : 0;

	switch (frame->type) {
	case RESULT_RESPONSE:
		lease_respond(&server->leases, lease, status, data, len,
		    frame->keep == 1);
		break;
	case RESULT_DONE:
		lease_end(&server->leases, lease, status, frame_number(frame->bytes),
		    frame->keep == 1);
		break;
	case RESULT_DETACHED:
		lease_detach(&server->leases, lease, status);
		break;
	case RESULT_LEND:
		poold_lend(lease->req);
		if (channel_lend(&server->channel, lease->id,
			poold_client_fd(lease->req)) == -1)
			lease_end(&server->leases, lease, 0, 0, false);
		break;
	}
}

static void
result_take(void *arg, const struct frame_result *frame, const char *data, size_t len)
{
	struct server *server = arg;
	struct lease *lease;

	if (frame->type == RESULT_CLOSED)
		poold_stop(); /* it closed its server: as if we were told to stop */
	else if ((lease = lease_find(&server->leases, frame_number(frame->id))) != NULL)
		lease_result(server, lease, frame, data, len);
	else
		node_take(server->node, frame, data, len);
}

/* --- requests --------------------------------------------------------------- */

/* Whether Node can answer it without the socket, as far as can be said before. */
static bool
is_whole(struct poold_request *req)
{
	int64_t body = poold_body_length(req);
	int there = 0;

	if (body < 0 || body > STREAM_BODY_MAX || poold_header(req, "Upgrade") != NULL ||
	    poold_header(req, "Expect") != NULL)
		return false;
	return body == 0 ||
	    (ioctl(poold_client_fd(req), FIONREAD, &there) == 0 && there >= body);
}

static int
request_pass_socket(struct server *server, struct lease *lease)
{
	struct poold_request *req = lease->req;
	off_t answer = 0;
	const char *head;
	size_t len;

	poold_lend(req);
	if ((head = poold_head(req, &len, NULL)) == NULL)
		return -1;
	(void)poold_answer_fd(req, &answer);
	return channel_request(&server->channel, lease->id, poold_client_fd(req), head,
	    len, poold_body_length(req), poold_may_keep(req), answer);
}

static void
request_pass(struct server *server, struct poold_request *req)
{
	struct lease *lease = lease_add(&server->leases, req);
	int passed;

	(void)poold_nonblocking(req);
	if (lease == NULL) {
		(void)poold_release(req, 0, 0, false);
		return;
	}
	lease->is_whole = is_whole(req);
	if (lease->is_whole)
		passed = stream_request(&server->stream, req, lease->id);
	else
		passed = request_pass_socket(server, lease);
	if (passed == -1)
		lease_end(&server->leases, lease, 0, 0, false);
}

static void
requests_take(struct server *server)
{
	struct poold_request *req;

	while ((req = poold_worker_next(server->worker)) != NULL)
		request_pass(server, req);
	if (errno == ESHUTDOWN && !server->stopping) {
		server->stopping = true;
		(void)epoll_ctl(server->epoll, EPOLL_CTL_DEL,
		    poold_worker_fd(server->worker), NULL);
	}
}

/* --- the loop --------------------------------------------------------------- */

static int
watch(const struct server *server, int fd, uint32_t events, uint64_t tag, int op)
{
	struct epoll_event event = { .events = events, .data.u64 = tag };

	return epoll_ctl(server->epoll, op, fd, &event);
}

/* Looks at a socket for writing only while something waits for that. */
static void
output_watch(const struct server *server, int fd, uint64_t tag, bool wanted, bool *waits)
{
	if (wanted == *waits)
		return;
	*waits = wanted;
	(void)watch(server, fd, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, tag,
	    EPOLL_CTL_MOD);
}

/* Sends all that was added in this turn. */
static void
output_send(struct server *server)
{
	struct channel *channel = &server->channel;
	struct stream *stream = &server->stream;

	if (!stream_is_empty(stream) && stream_flush(stream) == -1)
		child_signal(&server->node->application.child, SIGKILL);
	output_watch(server, channel->fd, TAG_CHANNEL, !channel_is_empty(channel),
	    &server->waits_channel);
	output_watch(server, stream->fd, TAG_STREAM, !stream_is_empty(stream),
	    &server->waits_stream);
}

static void
client_left(struct server *server, const struct epoll_event *event)
{
	const struct lease *lease = lease_find(&server->leases, event->data.u64);
	bool reset = (event->events & (EPOLLERR | EPOLLHUP)) != 0;

	if (lease == NULL)
		return;
	/* the way that its request has gone, so that it comes after it */
	if (lease->is_whole)
		(void)stream_gone(&server->stream, lease->id, reset);
	else
		(void)channel_gone(&server->channel, lease->id, reset);
}

/* Node has ended.  If nobody asked it to, what it had is for poold to settle:
 * nothing is said about it here. */
static bool
has_ended(struct server *server)
{
	struct node *node = server->node;
	char how[64];

	if (!child_has_ended(&node->application.child, 0))
		return false;
	results_read(&node->results);
	if (server->told || (server->stopping && server->leases.held == 0))
		return true;
	child_end_text(&node->application.child, how, sizeof(how));
	poold_log(NULL, "%s %s", node->command.app, how);
	_exit(EX_SOFTWARE);
}

/* Nothing more comes, and what came is over: now the application may end. */
static void
end_tell(struct server *server)
{
	if (!server->stopping || server->told || server->leases.held > 0)
		return;
	server->told = true;
	child_signal(&server->node->application.child, SIGTERM);
}

/* Returns whether Node has ended. */
static bool
turn(struct server *server)
{
	struct epoll_event events[EVENTS_MAX];
	struct application *app = &server->node->application;
	bool ended = false;
	int n;

	n = epoll_wait(server->epoll, events, EVENTS_MAX, leases_watch(&server->leases));
	for (int i = 0; i < n; i++) {
		switch (events[i].data.u64) {
		case TAG_WORKER:
			requests_take(server);
			break;
		case TAG_CHANNEL:
			/* an end of file says what the pidfd does */
			if (channel_flush(&server->channel) == -1 ||
			    channel_drain(&server->channel) == -1)
				child_signal(&app->child, SIGKILL);
			break;
		case TAG_STREAM: /* see output_send */
			if (events[i].events & (EPOLLHUP | EPOLLERR))
				child_signal(&app->child, SIGKILL);
			break;
		case TAG_RESULTS:
			results_read(&server->node->results);
			break;
		case TAG_NODE:
			ended = has_ended(server);
			break;
		default:
			client_left(server, &events[i]);
		}
	}
	output_send(server);
	end_tell(server);
	return ended;
}

/* --- the start -------------------------------------------------------------- */

/* Waits until the application listens. */
static int
start_wait(struct node *node)
{
	struct application *app = &node->application;
	struct pollfd fds[] = { { .fd = app->results_fd, .events = POLLIN },
		{ .fd = app->child.pidfd, .events = POLLIN },
		{ .fd = app->channel_fd, .events = POLLIN } };
	struct channel channel;

	channel_init(&channel, app->channel_fd);
	while (!node->listens) {
		if (poll(fds, 3, -1) == -1 && errno != EINTR)
			return EX_OSERR;
		results_read(&node->results);
		if (!node->listens && child_has_ended(&app->child, 0)) {
			results_read(&node->results);
			return node_start_failed(node);
		}
		/* its end, too, is not ours to judge here */
		if (fds[2].revents != 0 && channel_drain(&channel) == -1)
			fds[2].fd = -1;
	}
	return EX_OK;
}

static int
serve(struct server *server, int argc, char **argv)
{
	const struct application *app = &server->node->application;
	int status;

	channel_init(&server->channel, app->channel_fd);
	stream_init(&server->stream, app->stream_fd);
	leases_init(&server->leases, server->epoll);
	/* no address: the last word of argv belongs to the application */
	server->worker = poold_worker_open(argc > 1 ? 1 : argc, argv, &status);
	if (server->worker == NULL)
		return status;
	poold_worker_heads(server->worker);
	if (watch(server, poold_worker_fd(server->worker), EPOLLIN, TAG_WORKER,
		EPOLL_CTL_ADD) == 0 &&
	    watch(server, app->channel_fd, EPOLLIN, TAG_CHANNEL, EPOLL_CTL_ADD) == 0 &&
	    watch(server, app->stream_fd, EPOLLIN, TAG_STREAM, EPOLL_CTL_ADD) == 0 &&
	    watch(server, app->results_fd, EPOLLIN, TAG_RESULTS, EPOLL_CTL_ADD) == 0 &&
	    watch(server, app->child.pidfd, EPOLLIN, TAG_NODE, EPOLL_CTL_ADD) == 0)
		while (!turn(server))
			;
	leases_end(&server->leases);
	poold_worker_close(server->worker);
	channel_clear(&server->channel);
	stream_free(&server->stream);
	leases_free(&server->leases);
	return EX_OK;
}

int
node_serve_leased(struct node *node, int argc, char **argv)
{
	struct server server = { .node = node };
	int status;

	if (results_init(&node->results, -1, result_take, &server) == -1 ||
	    (server.epoll = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return EX_OSERR;
	node->application.is_leased = true;
	if ((status = node_start(node)) == EX_OK)
		status = start_wait(node);
	if (status == EX_OK)
		status = serve(&server, argc, argv);
	close(server.epoll);
	return status;
}
