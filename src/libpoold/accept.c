/* SPDX-License-Identifier: ISC */
/*
 * A worker that accepts for itself: alone, or beside others on an inherited
 * listening socket.
 *
 * All input is read into a request's buffer; a connection owns memory for input
 * only while it waits for the rest of a head, so an idle one costs next to
 * nothing.  In poold_serve one request is handled at a time, by a handler that
 * may block; for poold_worker_next (accept_many.c) a request whose head is whole
 * is put into a list, and the next one's head is read into another buffer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "libpoold/accept.h"

#define CONNECTIONS_MAX	   4096
#define EVENTS_MAX	   64
#define ACCEPT_BURST	   16
#define ACCEPT_LAST	   512 /* when told to stop: what the backlog holds */
#define ACCEPT_PAUSE_MS	   100 /* after running out of descriptors */
#define STATUS_INTERVAL_MS 10000

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

static void
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

/* Answers all requests in the input buffer, in order. */
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

static void
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

void
listeners_unwatch(struct acceptor *a)
{
	size_t i;

	for (i = 0; a->watching && i < a->listeners->count; i++)
		(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->listeners->fds[i], NULL);
	a->watching = false;
}

int
listeners_watch(struct acceptor *a)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	size_t i;

	for (i = 0; i < a->listeners->count; i++) {
		event.data.ptr = &a->listeners->fds[i];
		if (epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->listeners->fds[i], &event) ==
		    -1) {
			poold_log(NULL, "epoll_ctl: %s", strerror(errno));
			return -1;
		}
	}
	a->watching = true;
	a->pause_until_ns = 0;
	return 0;
}

/* Makes room for a new connection: the one that was idle for longest goes. */
static bool
acceptor_evict(struct acceptor *a)
{
	struct connection *c = TAILQ_FIRST(&a->lists[CONNECTION_IDLE]);

	if (c == NULL)
		return false;
	connection_close(a, c);
	return true;
}

static void
acceptor_pause(struct acceptor *a, const char *why)
{
	poold_log(NULL, "no new connections for %d ms: %s", ACCEPT_PAUSE_MS, why);
	listeners_unwatch(a);
	a->pause_until_ns = a->now_ns + ACCEPT_PAUSE_MS * MS_NS;
}

static bool
out_of_resources(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void
acceptor_accept(struct acceptor *a, int listener, int burst)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	while (burst-- > 0) {
		if (a->count >= CONNECTIONS_MAX && !acceptor_evict(a)) {
			acceptor_pause(a, "too many connections");
			return;
		}
		memset(&ss, 0, sizeof(ss.ss_family));
		len = sizeof(ss);
		fd = accept4(listener, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1)
			connection_open(a, fd, &ss);
		else if (errno == EAGAIN)
			return;
		else if (out_of_resources(errno) && !acceptor_evict(a)) {
			acceptor_pause(a, strerror(errno));
			return;
		}
		/* Else that client left again. */
	}
}

static void
acceptor_expire(struct acceptor *a)
{
	struct connection *c;
	int state;

	for (state = 0; state < CONNECTION_STATES; state++)
		while ((c = TAILQ_FIRST(&a->lists[state])) != NULL &&
		    c->deadline_ns <= a->now_ns)
			connection_close(a, c);
}

static int
ms_until(uint64_t deadline_ns, uint64_t now_ns)
{
	return deadline_ns <= now_ns ? 0 : (int)((deadline_ns - now_ns) / MS_NS) + 1;
}

int
acceptor_timeout_ms(const struct acceptor *a, int title_ms)
{
	const struct connection *c;
	uint64_t first_ns = UINT64_MAX;
	int state, timeout_ms;

	for (state = 0; state < CONNECTION_STATES; state++)
		if ((c = TAILQ_FIRST(&a->lists[state])) != NULL &&
		    c->deadline_ns < first_ns)
			first_ns = c->deadline_ns;
	if (a->pause_until_ns != 0 && a->pause_until_ns < first_ns)
		first_ns = a->pause_until_ns;
	if (first_ns == UINT64_MAX)
		return title_ms;
	timeout_ms = ms_until(first_ns, util_now_ns());
	return title_ms != -1 && title_ms < timeout_ms ? title_ms : timeout_ms;
}

/* Whether ptr, which came with an event, is one of the listeners. */
static bool
is_listener(const struct acceptor *a, const void *ptr)
{
	size_t i;

	for (i = 0; i < a->listeners->count; i++)
		if (ptr == &a->listeners->fds[i])
			return true;
	return false;
}

int
acceptor_turn(struct acceptor *a, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	/* Of many workers each takes one: the others may be idle. */
	int burst = a->listeners->shared ? 1 : ACCEPT_BURST;
	int i, n;

	n = epoll_wait(a->epoll, events, EVENTS_MAX, timeout_ms);
	if (n == -1)
		return errno == EINTR ? 0 : -1;
	a->now_ns = util_now_ns();
	for (i = 0; i < n; i++)
		if (events[i].data.u64 >= WORKER_TAG_MAX &&
		    !is_listener(a, events[i].data.ptr))
			connection_readable(a, events[i].data.ptr);
	/* Afterwards, since accepting may close idle connections. */
	for (i = 0; i < n && a->watching; i++)
		if (is_listener(a, events[i].data.ptr))
			acceptor_accept(a, *(int *)events[i].data.ptr, burst);
	acceptor_expire(a);
	return n;
}

int
acceptor_report(struct acceptor *a)
{
	uint64_t now_ns = util_now_ns();
	int title_ms = title_idle(&a->serve->title, a->requests, now_ns);
	int watchdog_ms = notify_watchdog();
	char status[64];

	if (title_ms == -1 && now_ns - a->status_ns >= STATUS_INTERVAL_MS * MS_NS) {
		snprintf(status, sizeof(status), "STATUS=%llu requests",
		    (unsigned long long)a->requests);
		notify_send(status);
		a->status_ns = now_ns;
	}
	if (watchdog_ms != -1 && (title_ms == -1 || watchdog_ms < title_ms))
		return watchdog_ms;
	return title_ms;
}

void
acceptor_close_list(struct acceptor *a, enum connection_state state, bool untouched_only)
{
	struct connection *c, *next;

	TAILQ_FOREACH_SAFE (c, &a->lists[state], link, next)
		if (!untouched_only || c->saved == NULL)
			connection_close(a, c);
}

/* Serves what has arrived, gives what is half done a moment, closes the rest. */
static void
acceptor_stop(struct acceptor *a)
{
	uint64_t end_ns;
	size_t i;

	notify_send("STOPPING=1");
	a->now_ns = util_now_ns();
	end_ns = a->now_ns + STOP_TIMEOUT_MS * MS_NS;
	/* It stays readable. */
	(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->serve->wake_fd, NULL);
	/* Its wake-ups are not passed on to others; see leased_drain. */
	for (i = 0; i < a->listeners->count; i++)
		acceptor_accept(a, a->listeners->fds[i], ACCEPT_LAST);
	listeners_unwatch(a);
	while (a->now_ns < end_ns && acceptor_turn(a, 0) > 0)
		;
	acceptor_close_list(a, CONNECTION_IDLE, false);
	acceptor_close_list(a, CONNECTION_HEAD, true);
	while (a->count > 0 && a->now_ns < end_ns &&
	    acceptor_turn(a, ms_until(end_ns, a->now_ns)) != -1)
		a->now_ns = util_now_ns();
	for (i = 0; i < CONNECTION_STATES; i++)
		acceptor_close_list(a, (enum connection_state)i, false);
}

static int
acceptor_loop(struct acceptor *a)
{
	int title_ms;

	while (!serve_stopping()) {
		if (a->pause_until_ns != 0 && a->pause_until_ns <= util_now_ns() &&
		    listeners_watch(a) == -1)
			return EX_OSERR;
		title_ms = acceptor_report(a);
		if (acceptor_turn(a, acceptor_timeout_ms(a, title_ms)) == -1) {
			poold_log(NULL, "epoll_wait: %s", strerror(errno));
			return EX_OSERR;
		}
	}
	return 0;
}

static void
acceptor_title(struct acceptor *a)
{
	const char *service = getenv("POOLD_SERVICE");
	const char *slot = getenv("POOLD_SLOT");
	char prefix[256];

	if (service != NULL && slot != NULL)
		snprintf(prefix, sizeof(prefix), "poold: %.64s worker %.8s", service,
		    slot);
	else
		snprintf(prefix, sizeof(prefix), "%.64s: %s", a->serve->name,
		    a->listeners->shared ? "inherited" : a->listeners->text);
	title_open(&a->serve->title, prefix);
}

int
acceptor_open(struct acceptor *a)
{
	struct epoll_event wake = { .events = EPOLLIN };
	int i;

	for (i = 0; i < CONNECTION_STATES; i++)
		TAILQ_INIT(&a->lists[i]);
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll == -1 ||
	    epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->serve->wake_fd, &wake) == -1) {
		poold_log(NULL, "epoll: %s", strerror(errno));
		return EX_OSERR;
	}
	if (listeners_watch(a) == -1)
		return EX_OSERR;
	acceptor_title(a);
	notify_send("READY=1");
	return 0;
}

int
accept_serve(struct serve *serve, struct listeners *listeners)
{
	struct acceptor a = { .serve = serve, .listeners = listeners, .req = serve->req };
	int status;

	if ((status = acceptor_open(&a)) == 0) {
		status = acceptor_loop(&a);
		acceptor_stop(&a);
	}
	if (a.epoll != -1)
		close(a.epoll);
	return status;
}
