/* SPDX-License-Identifier: ISC */
/*
 * A worker that accepts for itself, with several requests at a time.  While the
 * program has a connection's request, the connection is out of the epoll set.
 */
#include "libpoold/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <unistd.h>

struct many {
	struct acceptor acceptor;
	bool stopping;
	uint64_t stop_ns; /* when what is half done is given up */
};

/* --- the epoll set ----------------------------------------------------- */

static bool
watch(struct acceptor *a, struct connection *c, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

static void
unwatch(struct acceptor *a, struct connection *c)
{
	(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, c->fd, NULL);
}

/* --- one request after the other --------------------------------------- */

static void
deliver(struct acceptor *a, struct connection *c)
{
	unwatch(a, c);
	c->req = a->req;
	c->req->connection = c;
	a->req = NULL;
	connection_move(a, c, CONNECTION_READY);
	worker_wake_after(a->worker, 0);
}

static void finish(struct acceptor *a, struct poold_request *req);

/* Sends on what a request left that is finished otherwise. */
static void
output_on(struct acceptor *a, struct connection *c)
{
	struct poold_request *req = c->req;
	uint64_t before = poold_queued(req);

	if (poold_flush(req) == -1 && errno == EAGAIN) {
		if (poold_queued(req) < before)
			connection_move(a, c, CONNECTION_OUTPUT);
		return;
	}
	request_close(req);
	finish(a, req);
}

/* Whether c is to be read from now, into a->req. */
static bool
prepare(struct acceptor *a, struct connection *c)
{
	if (c->state == CONNECTION_OUTPUT) {
		output_on(a, c);
		return false;
	}
	if (a->req == NULL && worker_room(a->worker) > 0)
		a->req = worker_request_new(a->worker);
	if (a->req != NULL)
		return true;
	unwatch(a, c);
	connection_move(a, c, CONNECTION_PARKED);
	return false;
}

/* Those that waited for room are looked at again, as many as there is room for. */
static void
unpark(struct acceptor *a)
{
	size_t room = worker_room(a->worker);
	struct connection *c;

	while (room-- > 0 && (c = TAILQ_FIRST(&a->lists[CONNECTION_PARKED])) != NULL) {
		connection_move(a, c,
		    c->saved != NULL ? CONNECTION_HEAD : CONNECTION_IDLE);
		if (!watch(a, c, EPOLLIN | EPOLLRDHUP))
			connection_close(a, c);
	}
}

static void
release_buffer(struct acceptor *a)
{
	if (a->req != NULL)
		worker_request_free(a->worker, a->req);
	a->req = NULL;
}

/* The request is over.  Its buffer may hold the next ones, which the client sent
 * without waiting. */
static void
finish(struct acceptor *a, struct poold_request *req)
{
	struct connection *c = req->connection;

	if (c->state == CONNECTION_OUTPUT)
		unwatch(a, c);
	c->req = NULL;
	connection_move(a, c, CONNECTION_IDLE);
	if (!watch(a, c, EPOLLIN | EPOLLRDHUP)) {
		connection_close(a, c);
	} else if (connection_over(a, c, req) && req->in.pos < req->in.len) {
		release_buffer(a);
		a->req = req;
		connection_serve(a, c);
		release_buffer(a);
		req = NULL;
	}
	if (req != NULL)
		worker_request_free(a->worker, req);
	unpark(a);
}

/* --- the source -------------------------------------------------------- */

static void
many_finish(void *source, struct poold_request *req)
{
	struct many *many = source;
	struct acceptor *a = &many->acceptor;

	a->now_ns = util_now_ns();
	finish(a, req);
	if (many->stopping || TAILQ_EMPTY(&a->lists[CONNECTION_BUSY]))
		worker_wake_after(a->worker, many->stopping ? 0 : 100);
}

static void
many_linger(void *source, struct poold_request *req)
{
	struct many *many = source;
	struct acceptor *a = &many->acceptor;

	a->now_ns = util_now_ns();
	connection_move(a, req->connection, CONNECTION_OUTPUT);
	if (!watch(a, req->connection, EPOLLOUT))
		connection_close(a, req->connection);
}

static void
begin_stop(struct many *many)
{
	struct acceptor *a = &many->acceptor;

	if (many->stopping)
		return;
	notify_send("STOPPING=1");
	many->stopping = true;
	a->now_ns = util_now_ns();
	many->stop_ns = a->now_ns + STOP_TIMEOUT_MS * MS_NS;
	/* It stays readable. */
	(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->serve->wake_fd, NULL);
	for (size_t i = 0; i < a->listeners->count; i++)
		acceptor_accept(a, a->listeners->fds[i], ACCEPT_LAST);
	acceptor_unwatch(a);
	a->pause_until_ns = 0;
}

/* Whether nothing more will come. */
static bool
has_stopped(struct many *many)
{
	struct acceptor *a = &many->acceptor;

	if (!many->stopping)
		return false;
	acceptor_close_list(a, CONNECTION_IDLE, false);
	acceptor_close_list(a, CONNECTION_HEAD, a->now_ns < many->stop_ns);
	if (a->now_ns >= many->stop_ns)
		acceptor_close_list(a, CONNECTION_LINGER, false);
	for (int i = 0; i < CONNECTION_STATES; i++)
		if (i != CONNECTION_BUSY && !TAILQ_EMPTY(&a->lists[i]))
			return false;
	return true;
}

static void
wait_for_more(struct many *many)
{
	struct acceptor *a = &many->acceptor;
	int title_ms = -1;

	if (TAILQ_EMPTY(&a->lists[CONNECTION_BUSY]))
		title_ms = acceptor_report(a);
	worker_wake_after(a->worker, acceptor_timeout_ms(a, title_ms));
	if (many->stopping)
		worker_wake_after(a->worker,
		    a->now_ns >= many->stop_ns ?
			100 :
			(int)((many->stop_ns - a->now_ns) / MS_NS) + 1);
}

static struct poold_request *
ready_next(struct acceptor *a)
{
	struct connection *c = TAILQ_FIRST(&a->lists[CONNECTION_READY]);

	if (c == NULL)
		return NULL;
	connection_move(a, c, CONNECTION_BUSY);
	return c->req;
}

static struct poold_request *
many_next(void *source)
{
	struct many *many = source;
	struct acceptor *a = &many->acceptor;
	struct poold_request *req;
	bool more = true;

	if (serve_stopping())
		begin_stop(many);
	if (a->pause_until_ns != 0 && a->pause_until_ns <= util_now_ns())
		(void)acceptor_watch(a);
	while ((req = ready_next(a)) == NULL && more) {
		unpark(a);
		/* what has arrived is served before an end */
		more = acceptor_turn(a, 0) > 0 && many->stopping;
		release_buffer(a);
	}
	if (req != NULL)
		return req;
	if (has_stopped(many)) {
		errno = ESHUTDOWN;
		return NULL;
	}
	wait_for_more(many);
	errno = EAGAIN;
	return NULL;
}

static void
many_stop(void *source)
{
	begin_stop(source);
}

static void
many_close(void *source)
{
	struct many *many = source;
	struct acceptor *a = &many->acceptor;

	release_buffer(a);
	for (int i = 0; i < CONNECTION_STATES; i++)
		acceptor_close_list(a, (enum connection_state)i, false);
	if (a->epoll != -1)
		close(a->epoll);
	free(many);
}

int
accept_open_many(struct serve *serve, struct poold_worker *w, struct listeners *listeners,
    struct source *source)
{
	struct many *many = calloc(1, sizeof(*many));
	int status;

	if (many == NULL) {
		poold_log(NULL, "cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	many->acceptor = (struct acceptor){ .serve = serve,
		.listeners = listeners,
		.worker = w,
		.deliver = deliver,
		.prepare = prepare };
	if ((status = acceptor_open(&many->acceptor)) != 0) {
		many_close(many);
		return status;
	}
	*source = (struct source){ .next = many_next,
		.linger = many_linger,
		.finish = many_finish,
		.stop = many_stop,
		.close = many_close,
		.epoll = many->acceptor.epoll,
		.object = many };
	return 0;
}
