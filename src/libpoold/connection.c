/* SPDX-License-Identifier: ISC */
/*
 * All input is read into a request's buffer; a connection owns memory for input
 * only while it waits for the rest of a head, so an idle one costs next to
 * nothing.  In poold_serve one request is handled at a time, by a handler that
 * may block; for poold_worker_next (accept_many.c) a request whose head is whole
 * is put into a list, and the next one's head is read into another buffer.
 */
#include "libpoold/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libpoold/accept.h"

static const int timeouts_ms[CONNECTION_STATES] = {
	[CONNECTION_HEAD] = HEAD_TIMEOUT_MS,
	[CONNECTION_IDLE] = KEEPALIVE_TIMEOUT_MS,
	[CONNECTION_LINGER] = LINGER_TIMEOUT_MS,
	[CONNECTION_OUTPUT] = WRITE_TIMEOUT_MS,
};

void
connection_move(struct acceptor *a, struct connection *c, enum connection_state state)
{
	TAILQ_REMOVE(&a->lists[c->state], c, link);
	c->state = state;
	c->deadline_ns = timeouts_ms[state] == 0 ?
	    UINT64_MAX :
	    a->now_ns + (uint64_t)timeouts_ms[state] * MS_NS;
	TAILQ_INSERT_TAIL(&a->lists[state], c, link);
}

void
connection_close(struct acceptor *a, struct connection *c)
{
	TAILQ_REMOVE(&a->lists[c->state], c, link);
	a->count--;
	if (c->req != NULL)
		worker_request_free(a->worker, c->req);
	/* Nobody else holds this socket, so this removes it from the set. */
	close(c->fd);
	free(c->saved);
	free(c);
}

void
connection_open(struct acceptor *a, int fd, const struct sockaddr_storage *ss)
{
	struct connection *c;
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		return;
	}
	event.data.ptr = c;
	if (epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &event) == -1) {
		close(fd);
		free(c);
		return;
	}
	c->fd = fd;
	util_addr_from_sockaddr(&c->client, ss);
	TAILQ_INSERT_TAIL(&a->lists[CONNECTION_HEAD], c, link);
	a->count++;
	connection_move(a, c, CONNECTION_HEAD);
}

/* Half-closes, then waits for the client to do the same: a close with unread
 * input would destroy the response on its way (RFC 9112 section 9.6). */
static void
connection_linger(struct acceptor *a, struct connection *c)
{
	if (shutdown(c->fd, SHUT_WR) == -1) {
		connection_close(a, c);
		return;
	}
	connection_move(a, c, CONNECTION_LINGER);
}

static void
connection_discard(struct acceptor *a, struct connection *c)
{
	char scratch[16 * 1024];
	ssize_t n;

	n = recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->discarded += (size_t)n;
	if (n <= 0 || c->discarded > DRAIN_MAX)
		connection_close(a, c);
}

/* Keeps the beginning of a head until more of it comes. */
static void
connection_save(struct acceptor *a, struct connection *c)
{
	struct input *in = &a->req->in;
	size_t len = in->len - in->pos;

	if ((c->saved = malloc(len)) == NULL) {
		connection_close(a, c);
		return;
	}
	memcpy(c->saved, in->buf + in->pos, len);
	c->saved_len = len;
	/* The deadline is for the head as a whole. */
	if (c->state != CONNECTION_HEAD)
		connection_move(a, c, CONNECTION_HEAD);
}

struct refusal {
	int status;
	const char *reason;
};

static void
refuse(struct poold_request *req, void *arg)
{
	const struct refusal *refusal = arg;

	req->keep = false;
	poold_problem(req, refusal->status, "%s", refusal->reason);
}

static void
answer_asterisk(struct poold_request *req, void *arg)
{
	(void)arg;
	poold_respond(req, 204, NULL, NULL, 0);
}

/* What is known of the request besides its head. */
static void
request_prepare(struct acceptor *a, struct connection *c)
{
	struct poold_request *req = a->req;

	req->peer->client = c->client;
	req->peer->local_known = false;
	req->arrived_ns = a->now_ns;
	req->started_ns = util_now_ns();
	request_identify(req);
	if (serve_stopping())
		req->keep = false;
	title_busy(&a->serve->title, req, a->requests, req->started_ns);
}

bool
connection_over(struct acceptor *a, struct connection *c, struct poold_request *req)
{
	a->requests++;
	if (req->keep)
		return true;
	/* Who asked for the end and sent all will not be disturbed by it. */
	if (req->response.state != RESPONSE_DONE ||
	    (!c->client_keeps && body_over(&req->body) && req->in.pos == req->in.len))
		connection_close(a, c);
	else
		connection_linger(a, c);
	return false;
}

/* Runs handler; false: c is gone or ending, or has a request in hand. */
static bool
connection_handle(struct acceptor *a, struct connection *c, poold_handler handler,
    void *arg)
{
	request_prepare(a, c);
	if (a->deliver != NULL && handler == a->serve->handler) {
		a->deliver(a, c);
		return false;
	}
	a->req->nonblocking = a->deliver != NULL;
	request_handle(a->req, handler, arg);
	/* Who lets answers pile up that are ours alone needs no more of them. */
	if (!out_is_empty(a->req)) {
		out_reset(&a->req->out);
		connection_close(a, c);
		return false;
	}
	return connection_over(a, c, a->req);
}

/* The head cannot be parsed: nothing is known of the request. */
static void
connection_refuse(struct acceptor *a, struct connection *c, const struct http_head *head)
{
	struct refusal refusal = { head->status, head->reason };
	struct request_index nothing = { .minor = 1, .fields = head->fields };
	struct poold_request *req = a->req;

	request_open(req, c->fd, &nothing, 0);
	request_route(req, 0, 0);
	c->client_keeps = true;
	(void)connection_handle(a, c, refuse, &refusal);
}

/* Answers the request whose head is at in.pos; false: c is gone or ending. */
static bool
connection_request(struct acceptor *a, struct connection *c, const struct http_head *head)
{
	struct poold_request *req = a->req;
	struct request_index index = { .method = head->method,
		.target = head->target,
		.query = head->query,
		.host = head->host,
		.fields = head->fields,
		.field_count = head->field_count,
		.body_len = head->body_len,
		.body_max = UINT64_MAX,
		.minor = head->minor,
		.keep = head->keep_alive,
		.expect = head->expect_continue };
	struct refusal refusal = { 0, NULL };
	poold_handler handler = a->serve->handler;
	void *arg = a->serve->arg;
	size_t path_len = 0;
	bool slash;

	if (head->method_id == HTTP_CONNECT) {
		refusal.status = 501;
		refusal.reason = "CONNECT is not supported.";
	} else if (head->asterisk)
		handler = answer_asterisk;
	else {
		refusal.reason = http_path_canonical(req->in.buf + req->in.pos +
			head->path.off,
		    head->path.len, req->path, LEASE_PATH_MAX, &path_len, &slash);
		if (refusal.reason != NULL) {
			refusal.status = 400;
			path_len = 0;
		}
	}
	if (refusal.reason != NULL) {
		handler = refuse;
		arg = &refusal;
	}
	request_open(req, c->fd, &index, head->head_len);
	request_route(req, path_len, 0);
	c->client_keeps = head->keep_alive;
	return connection_handle(a, c, handler, arg);
}

void
connection_serve(struct acceptor *a, struct connection *c)
{
	struct input *in = &a->req->in;
	struct http_head head;

	while (in->pos < in->len) {
		/* Room behind the head, for reading a chunked body. */
		if (in->pos > INPUT_SIZE - INPUT_READ) {
			memmove(in->buf, in->buf + in->pos, in->len - in->pos);
			in->len -= in->pos;
			in->pos = 0;
		}
		switch (http_head_parse(&head, in->buf + in->pos, in->len - in->pos)) {
		case HTTP_MORE:
			connection_save(a, c);
			return;
		case HTTP_BAD:
			connection_refuse(a, c, &head);
			return;
		case HTTP_OK:
			if (!connection_request(a, c, &head))
				return;
			break;
		}
	}
	connection_move(a, c, CONNECTION_IDLE);
}

/* Whether what is now in the buffer can end a head or pass a limit: who sends
 * byte by byte shall not have each of them parsed. */
static bool
worth_parsing(const struct input *in, size_t new_from)
{
	return in->len > HTTP_LINE_MAX ||
	    memchr(in->buf + new_from, '\n', in->len - new_from) != NULL;
}

void
connection_readable(struct acceptor *a, struct connection *c)
{
	struct input *in;
	size_t saved_len = c->saved_len;
	ssize_t n;

	if (c->state == CONNECTION_LINGER) {
		connection_discard(a, c);
		return;
	}
	if (a->deliver != NULL && !a->prepare(a, c))
		return;
	in = &a->req->in;
	n = recv(c->fd, in->buf + saved_len, INPUT_READ - saved_len, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		connection_close(a, c);
		return;
	}
	if (saved_len > 0)
		memcpy(in->buf, c->saved, saved_len);
	free(c->saved);
	c->saved = NULL;
	c->saved_len = 0;
	in->pos = 0;
	in->len = saved_len + (size_t)n;
	if (worth_parsing(in, saved_len))
		connection_serve(a, c);
	else
		connection_save(a, c);
}
