/* SPDX-License-Identifier: ISC */
/*
 * A leased worker with several requests at a time.
 *
 * It takes no more leases than it was told; at its limit it leaves the queue out
 * of its epoll set, so others get what comes.  That set is what the program
 * waits for, in a loop of its own: nothing here waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/msg.h"
#include "libpoold/held.h"
#include "libpoold/internal.h"
#include "libpoold/leased.h"

#define EVENTS_MAX   16
#define LOOK_EVERY   16 /* leases taken without a look at all else */
#define DROPPED_MAX  16 /* messages without a request, at a time */
#define TITLE_MS     100
#define TAG_REQUESTS 4096 /* data.u64 of events: below descriptors, then requests */

/* Messages that the router had no room for.  Phases are for its logs, and are
 * left out then. */
struct backlog {
	struct lease_done *list;
	size_t count, size;
};

struct many {
	struct leased leased;
	struct poold_worker *worker;
	/* By when they were taken: with a time limit; detached; finished but for
	 * their output. */
	struct request_list held, detached, lingering;
	struct backlog backlog;
	unsigned taken;	  /* since the last look at the events */
	bool drained;	  /* told to stop, and the queue was empty */
	bool is_watching; /* the supervisor is there */
};

static struct many *
many_of(struct leased *l)
{
	return (struct many *)(void *)l; /* its first member */
}

/* --- the scoreboard ---------------------------------------------------- */

/* Says what this worker has: the request that it took first and that has a time
 * limit names the time, the lease slots the rest. */
static void
publish(struct many *many)
{
	struct lease_worker *me = many->leased.me;
	const struct poold_request *oldest = TAILQ_FIRST(&many->held);

	if (oldest == NULL)
		oldest = TAILQ_FIRST(&many->lingering);
	if (oldest == NULL)
		oldest = TAILQ_FIRST(&many->detached);
	if (oldest == NULL) {
		leased_state_set(&many->leased,
		    many->leased.going ? LEASE_WORKER_IDLE : LEASE_WORKER_NONE);
		return;
	}
	atomic_store_explicit(&me->lease_slot, LEASE_SLOT_SEVERAL, memory_order_relaxed);
	atomic_store_explicit(&me->serial, 0, memory_order_relaxed);
	atomic_store_explicit(&me->started_ns, oldest->lease.taken_ns,
	    memory_order_relaxed);
	leased_state_set(&many->leased, LEASE_WORKER_BUSY);
}

static bool
is_empty(const struct many *many)
{
	return TAILQ_EMPTY(&many->held) && TAILQ_EMPTY(&many->detached) &&
	    TAILQ_EMPTY(&many->lingering);
}

/* --- the queue --------------------------------------------------------- */

static bool
wants_leases(const struct many *many)
{
	const struct leased *l = &many->leased;

	return l->going && !many->drained && many->backlog.count == 0 &&
	    worker_room(many->worker) > 0;
}

/* Has the queue in the epoll set as long as leases are wanted. */
static void
queue_watch(struct many *many)
{
	struct leased *l = &many->leased;
	bool wanted = wants_leases(many) && !l->stopping;

	if (wanted == l->queued)
		return;
	if (!wanted) {
		(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, LEASE_FD_QUEUE, NULL);
		l->queued = false;
	} else {
		l->queued = leased_watch(l->epoll, LEASE_FD_QUEUE,
				EPOLLIN | EPOLLEXCLUSIVE) == 0;
	}
}

/* --- DONE -------------------------------------------------------------- */

static void
backlog_flush(struct many *many)
{
	struct backlog *b = &many->backlog;
	size_t sent = 0;

	if (b->count == 0)
		return;
	for (; sent < b->count; sent++)
		if (msg_send(LEASE_FD_DONE, &b->list[sent], sizeof(b->list[0]),
			MSG_DONTWAIT) == -1 &&
		    errno == EAGAIN)
			break;
	b->count -= sent;
	memmove(b->list, b->list + sent, b->count * sizeof(b->list[0]));
	if (b->count == 0)
		(void)epoll_ctl(many->leased.epoll, EPOLL_CTL_DEL, LEASE_FD_DONE, NULL);
}

static int
backlog_add(struct many *many, const struct lease_done *done)
{
	struct backlog *b = &many->backlog;
	size_t size = b->size == 0 ? 16 : 2 * b->size;
	struct lease_done *list;

	if (b->count == b->size) {
		list = realloc(b->list, size * sizeof(*list));
		if (list == NULL)
			return -1;
		b->list = list;
		b->size = size;
	}
	if (b->count == 0)
		(void)leased_watch(many->leased.epoll, LEASE_FD_DONE, EPOLLOUT);
	b->list[b->count++] = *done;
	return 0;
}

/* Sends DONE, or keeps it until the router reads.  At most two for each request,
 * and while any is kept no request is taken. */
static int
done_send(struct many *many, const struct poold_request *req, struct lease_done *done)
{
	if (many->backlog.count == 0) {
		if (held_send_done(req, LEASE_FD_DONE, done, MSG_DONTWAIT) == 0)
			return 0;
		if (errno != EAGAIN) {
			many->leased.stopping = true; /* nobody is there any more */
			return 0;
		}
	}
	return backlog_add(many, done);
}

static int
detach(struct leased *l, struct poold_request *req, struct lease_done *done)
{
	struct many *many = many_of(l);

	TAILQ_REMOVE(&many->held, req, link);
	TAILQ_INSERT_TAIL(&many->detached, req, link);
	publish(many);
	return done_send(many, req, done);
}

/* --- requests ---------------------------------------------------------- */

static struct request_list *
list_of(struct many *many, const struct poold_request *req)
{
	return req->deadline_ns != 0 ? &many->lingering :
	    req->detached	     ? &many->detached :
				       &many->held;
}

static void
answer_check(struct many *many, const struct lease_done *done)
{
	(void)many;
	/* the supervisor asks for one at a time: there is room */
	(void)msg_send(LEASE_FD_CONTROL, done, sizeof(*done), MSG_DONTWAIT);
}

/* Ends the lease of req, whose flags, status and bytes are in done. */
static void
lease_end(struct many *many, struct poold_request *req, struct lease_done *done)
{
	TAILQ_REMOVE(list_of(many, req), req, link);
	if (req->deadline_ns != 0)
		(void)epoll_ctl(many->leased.epoll, EPOLL_CTL_DEL, req->fd, NULL);
	if (req->fd != -1)
		close(req->fd);
	held_fill_done(req, done);
	held_over(req);
	if (req->lease.type == LEASE_CHECK)
		answer_check(many, done);
	else if (done_send(many, req, done) == -1)
		many->leased.stopping = true; /* no memory: the router settles it */
	worker_request_free(many->worker, req);
	publish(many);
	queue_watch(many);
	/* somebody has to come for what the queue still holds, and for the end */
	if (many->leased.stopping || is_empty(many))
		worker_wake_after(many->worker, many->leased.stopping ? 0 : TITLE_MS);
}

static void
many_finish(void *source, struct poold_request *req)
{
	struct many *many = source;
	struct lease_done done = { .flags = req->keep ? LEASE_DONE_KEEP :
							LEASE_DONE_CLOSE,
		.status = (uint16_t)req->response.status,
		.bytes = req->response.bytes };

	held_count(&many->leased, req, &done);
	lease_end(many, req, &done);
}

static void
many_linger(void *source, struct poold_request *req)
{
	struct many *many = source;
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = req };

	TAILQ_REMOVE(list_of(many, req), req, link);
	req->deadline_ns = util_now_ns() + WRITE_TIMEOUT_MS * MS_NS;
	TAILQ_INSERT_TAIL(&many->lingering, req, link);
	if (epoll_ctl(many->leased.epoll, EPOLL_CTL_ADD, req->fd, &event) == -1)
		req->deadline_ns = 1; /* it is over at the next look */
	publish(many);
}

/* Sends on what a request left that is finished otherwise. */
static void
linger_on(struct many *many, struct poold_request *req)
{
	uint64_t before = poold_queued(req);

	if (poold_flush(req) == -1 && errno == EAGAIN) {
		if (poold_queued(req) == before)
			return;
		req->deadline_ns = util_now_ns() + WRITE_TIMEOUT_MS * MS_NS;
		TAILQ_REMOVE(&many->lingering, req, link);
		TAILQ_INSERT_TAIL(&many->lingering, req, link);
		return;
	}
	request_close(req);
	many_finish(many, req);
}

static void
lingering_expire(struct many *many)
{
	uint64_t now_ns = util_now_ns();
	struct poold_request *req;

	while (
	    (req = TAILQ_FIRST(&many->lingering)) != NULL && req->deadline_ns <= now_ns) {
		req->response.state = RESPONSE_BROKEN;
		request_close(req);
		many_finish(many, req);
	}
}

/* What held_begin says first of all. */
static void
owned(struct leased *l, struct poold_request *req)
{
	struct many *many = many_of(l);

	TAILQ_INSERT_TAIL(&many->held, req, link);
	publish(many);
}

/* Makes a request of the message in l->msg; NULL: it came to nothing. */
static struct poold_request *
lease_take(struct many *many, struct poold_request *req, size_t len, int fd,
    bool truncated)
{
	struct lease_done done = { .flags = LEASE_DONE_REFUSED };
	enum held_begun begun = held_begin(&many->leased, req, len, fd, truncated);

	if (begun == HELD_OPEN)
		return req;
	if (begun == HELD_DROPPED) {
		if (fd != -1)
			close(fd);
		worker_request_free(many->worker, req);
		return NULL;
	}
	if (begun == HELD_LEFT)
		done.flags = LEASE_DONE_CLOSE;
	req->fd = fd;
	lease_end(many, req, &done);
	return NULL;
}

/* One message from the queue.  *more: there may be another one. */
static struct poold_request *
queue_take(struct many *many, bool *more)
{
	struct leased *l = &many->leased;
	struct poold_request *req = worker_request_new(many->worker);
	bool truncated;
	ssize_t n;
	int fd;

	*more = false;
	if (req == NULL)
		return NULL;
	leased_state_set(l, LEASE_WORKER_TAKING);
	n = msg_recv_fd(LEASE_FD_QUEUE, l->msg, LEASE_MSG_MAX, MSG_DONTWAIT, &fd,
	    &truncated);
	if (n >= (ssize_t)sizeof(l->msg->type) && l->msg->type == LEASE_LEASE) {
		*more = true;
		return lease_take(many, req, (size_t)n, fd, truncated);
	}
	worker_request_free(many->worker, req);
	publish(many);
	if (n > 0) { /* KICK */
		if (fd != -1)
			close(fd);
		*more = true;
	} else if (n == 0 || errno != EAGAIN) {
		l->stopping = true; /* the end of the queue, in most cases */
		many->drained = true;
	} else if (l->stopping) {
		many->drained = true;
	}
	return NULL;
}

static struct poold_request *
queue_next(struct many *many)
{
	struct poold_request *req;
	bool more = true;

	for (int i = 0; more && i < DROPPED_MAX && wants_leases(many); i++)
		if ((req = queue_take(many, &more)) != NULL)
			return req;
	return NULL;
}

/* --- the supervisor ---------------------------------------------------- */

static void
stop_watching(struct many *many)
{
	struct leased *l = &many->leased;

	if (many->is_watching)
		(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, LEASE_FD_CONTROL, NULL);
	many->is_watching = false;
	l->stopping = true;
}

/* Reads what the supervisor sent; a request if it was a CHECK. */
static struct poold_request *
control_next(struct many *many)
{
	struct leased *l = &many->leased;
	struct poold_request *req;
	bool truncated;
	ssize_t n;
	int fd;

	while (many->is_watching && (req = worker_request_new(many->worker)) != NULL) {
		n = msg_recv_fd(LEASE_FD_CONTROL, l->msg, LEASE_MSG_MAX, MSG_DONTWAIT,
		    &fd, &truncated);
		if (n >= (ssize_t)sizeof(l->msg->type) && l->msg->type == LEASE_CHECK) {
			req = lease_take(many, req, (size_t)n, fd, truncated);
			if (req != NULL)
				return req;
			continue;
		}
		worker_request_free(many->worker, req);
		if (fd != -1)
			close(fd);
		if (n == -1 && errno == EAGAIN)
			return NULL;
		if (n <= 0)
			stop_watching(many);
		else if (n >= (ssize_t)sizeof(struct lease_signal) &&
		    l->msg->type == LEASE_GO)
			l->going = true;
		else if (n >= (ssize_t)sizeof(struct lease_signal) &&
		    l->msg->type == LEASE_STOP)
			l->stopping = true;
	}
	return NULL;
}

/* --- turns ------------------------------------------------------------- */

/* Looks at all but the queue; a request if there was a CHECK. */
static struct poold_request *
events_next(struct many *many)
{
	struct epoll_event events[EVENTS_MAX];
	struct leased *l = &many->leased;
	bool control = false;
	int n;

	many->taken = 0;
	n = epoll_wait(l->epoll, events, EVENTS_MAX, 0);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 == LEASE_FD_CONTROL)
			control = true;
		else if (events[i].data.u64 == LEASE_FD_DONE)
			backlog_flush(many);
		else if (events[i].data.u64 == (uint64_t)l->serve->wake_fd)
			(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->serve->wake_fd, NULL);
		else if (events[i].data.u64 >= TAG_REQUESTS)
			linger_on(many, events[i].data.ptr);
	}
	lingering_expire(many);
	if (serve_stopping())
		l->stopping = true;
	return control ? control_next(many) : NULL;
}

/* Nothing is there now.  Says when to come back at the latest. */
static void
wait_for_more(struct many *many)
{
	struct leased *l = &many->leased;
	const struct poold_request *first = TAILQ_FIRST(&many->lingering);
	uint64_t now_ns = util_now_ns();
	int ms;

	queue_watch(many);
	if (is_empty(many)) {
		ms = title_idle(&l->serve->title,
		    atomic_load_explicit(&l->me->requests, memory_order_relaxed), now_ns);
		worker_wake_after(many->worker, ms);
	}
	if (first != NULL)
		worker_wake_after(many->worker,
		    first->deadline_ns <= now_ns ?
			0 :
			(int)((first->deadline_ns - now_ns) / MS_NS) + 1);
}

static struct poold_request *
many_next(void *source)
{
	struct many *many = source;
	struct leased *l = &many->leased;
	struct poold_request *req = NULL;

	/* The word spares a busy worker a system call a request. */
	if (atomic_load_explicit(&l->me->control, memory_order_acquire) ==
	    LEASE_CONTROL_LOOK)
		req = control_next(many);
	if (req == NULL && many->taken < LOOK_EVERY && TAILQ_EMPTY(&many->lingering))
		req = queue_next(many);
	if (req == NULL)
		req = events_next(many);
	if (req == NULL)
		req = queue_next(many);
	queue_watch(many);
	if (req != NULL) {
		many->taken++;
		title_busy(&l->serve->title, req,
		    atomic_load_explicit(&l->me->requests, memory_order_relaxed),
		    req->started_ns);
		return req;
	}
	wait_for_more(many);
	if (l->stopping && !l->going)
		many->drained = true;
	errno = l->stopping && many->drained && many->backlog.count == 0 &&
		TAILQ_EMPTY(&many->lingering) ?
	    ESHUTDOWN :
	    EAGAIN;
	return NULL;
}

static void
many_keep_heads(void *source, bool peek)
{
	struct many *many = source;

	many->leased.keep_heads = true;
	many->leased.peek = peek;
}

static void
many_stop(void *source)
{
	struct many *many = source;

	stop_watching(many);
	many->drained = true;
	queue_watch(many);
}

static void
many_close(void *source)
{
	struct many *many = source;
	struct request_list *lists[] = { &many->held, &many->detached, &many->lingering };
	struct poold_request *req;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		while ((req = TAILQ_FIRST(lists[i])) != NULL) {
			req->response.state = RESPONSE_BROKEN;
			request_close(req);
			many_finish(many, req);
		}
	backlog_flush(many);
	leased_close(&many->leased);
	free(many->backlog.list);
	free(many);
}

int
leased_open_many(struct serve *serve, struct poold_worker *w, struct source *source)
{
	struct many *many = calloc(1, sizeof(*many));
	int status;

	if (many == NULL) {
		poold_log(NULL, "cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	many->leased = (struct leased){ .serve = serve,
		.epoll = -1,
		.is_many = true,
		.owned = owned,
		.detach = detach };
	many->worker = w;
	many->is_watching = true;
	TAILQ_INIT(&many->held);
	TAILQ_INIT(&many->detached);
	TAILQ_INIT(&many->lingering);
	if ((status = leased_open(&many->leased)) != 0) {
		leased_close(&many->leased);
		free(many);
		return status;
	}
	*source = (struct source){ .next = many_next,
		.linger = many_linger,
		.finish = many_finish,
		.keep_heads = many_keep_heads,
		.stop = many_stop,
		.close = many_close,
		.epoll = many->leased.epoll,
		.object = many };
	return 0;
}
