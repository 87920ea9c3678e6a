/* SPDX-License-Identifier: ISC */
/*
 * Several requests at a time, in a loop of the program's own: what is the same
 * wherever they come from.  Everything that may need the library's attention is
 * in one epoll set, the source's; a timer in it stands for what is due later.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "libpoold/internal.h"

#define LIMIT_OWN	 512 /* requests, where nobody says */
#define SPARE_MAX	 16  /* that are kept for the next ones */
#define CLOSE_TIMEOUT_MS 5000

struct poold_worker {
	struct serve serve;
	bool is_leased;
	struct source source;
	struct listeners listeners;
	int timer_fd;
	uint64_t timer_ns;   /* when it is due; 0: it is not set */
	size_t limit, count; /* requests that there may be, and are */
	struct request_list spare;
	size_t spare_count;
};

/* --- requests ---------------------------------------------------------- */

struct poold_request *
worker_request_new(struct poold_worker *w)
{
	struct poold_request *req = TAILQ_FIRST(&w->spare);

	if (req != NULL) {
		TAILQ_REMOVE(&w->spare, req, link);
		w->spare_count--;
	} else if ((req = request_new()) == NULL) {
		return NULL;
	}
	req->worker = w;
	req->fd = -1;
	req->leased = w->is_leased;
	req->connection = NULL;
	req->deadline_ns = 0;
	req->peeking = req->detached = false;
	req->raw.unread = 0;
	req->raw.counted = req->raw.lent = false;
	req->lease.answer = NULL;
	w->count++;
	return req;
}

void
worker_request_free(struct poold_worker *w, struct poold_request *req)
{
	w->count--;
	out_reset(&req->out);
	if (w->spare_count == SPARE_MAX) {
		request_free(req);
		return;
	}
	/* the last one used is in the caches still */
	TAILQ_INSERT_HEAD(&w->spare, req, link);
	w->spare_count++;
}

size_t
worker_room(const struct poold_worker *w)
{
	return w->count < w->limit ? w->limit - w->count : 0;
}

/* --- the timer --------------------------------------------------------- */

void
worker_wake_after(struct poold_worker *w, int ms)
{
	uint64_t due_ns = util_now_ns() + (uint64_t)ms * MS_NS + 1;
	struct itimerspec spec = { 0 };

	if (ms < 0 || (w->timer_ns != 0 && w->timer_ns <= due_ns))
		return;
	w->timer_ns = due_ns;
	spec.it_value.tv_sec = (time_t)(due_ns / (1000 * MS_NS));
	spec.it_value.tv_nsec = (long)(due_ns % (1000 * MS_NS));
	(void)timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void
timer_look(struct poold_worker *w)
{
	uint64_t times;

	/* It can only fail since it is not due yet. */
	if (w->timer_ns != 0 && util_now_ns() >= w->timer_ns &&
	    read(w->timer_fd, &times, sizeof(times)) == sizeof(times))
		w->timer_ns = 0;
}

static int
timer_open(struct poold_worker *w)
{
	struct epoll_event event = { .events = EPOLLIN };

	w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	event.data.u64 = (uint64_t)w->timer_fd;
	if (w->timer_fd == -1 ||
	    epoll_ctl(w->source.epoll, EPOLL_CTL_ADD, w->timer_fd, &event) == -1) {
		poold_log(NULL, "cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	return 0;
}

/* --- the worker -------------------------------------------------------- */

static size_t
limit_of(bool leased)
{
	const char *text = getenv("POOLD_CONCURRENCY"), *error;
	size_t limit = leased ? 1 : LIMIT_OWN;
	long long n;

	if (text != NULL) {
		n = strtonum(text, 1, LEASE_SLOTS_MAX, &error);
		if (error == NULL)
			limit = (size_t)n;
	}
	return limit;
}

static int
source_open(struct poold_worker *w)
{
	int status;

	if (w->is_leased)
		return leased_open_many(&w->serve, w, &w->source);
	status = serve_sockets(&w->serve, &w->listeners);
	if (status == 0)
		status = accept_open_many(&w->serve, w, &w->listeners, &w->source);
	return status;
}

static void
worker_free(struct poold_worker *w)
{
	struct poold_request *req;

	if (w->source.object != NULL)
		w->source.close(w->source.object);
	if (w->timer_fd != -1)
		close(w->timer_fd);
	listen_close(&w->listeners);
	while ((req = TAILQ_FIRST(&w->spare)) != NULL) {
		TAILQ_REMOVE(&w->spare, req, link);
		request_free(req);
	}
	serve_end(&w->serve);
	free(w);
}

struct poold_worker *
poold_worker_open(int argc, char **argv, int *status)
{
	struct poold_worker *w = calloc(1, sizeof(*w));

	*status = EX_OSERR;
	if (w == NULL)
		return NULL;
	w->serve.argc = argc;
	w->serve.argv = argv;
	w->timer_fd = -1;
	w->is_leased = serve_is_leased();
	w->limit = limit_of(w->is_leased);
	TAILQ_INIT(&w->spare);
	if ((*status = serve_begin(&w->serve)) != 0 || (*status = source_open(w)) != 0 ||
	    (*status = timer_open(w)) != 0) {
		worker_free(w);
		return NULL;
	}
	worker_wake_after(w, notify_watchdog());
	return w;
}

int
poold_worker_fd(const struct poold_worker *w)
{
	return w->source.epoll;
}

struct poold_request *
poold_worker_next(struct poold_worker *w)
{
	timer_look(w);
	worker_wake_after(w, notify_watchdog());
	return w->source.next(w->source.object);
}

void
poold_worker_peek(struct poold_worker *w)
{
	if (w->source.keep_heads != NULL)
		w->source.keep_heads(w->source.object, true);
}

void
poold_worker_heads(struct poold_worker *w)
{
	if (w->source.keep_heads != NULL)
		w->source.keep_heads(w->source.object, false);
}

void
poold_finish(struct poold_request *req)
{
	struct poold_worker *w = req->worker;

	if (w == NULL)
		return; /* it ends when its handler returns */
	timing_end(&req->timing);
	request_complete(req);
	if (req->response.state == RESPONSE_DONE && !out_is_empty(req) &&
	    poold_flush(req) == -1 && errno == EAGAIN) {
		w->source.linger(w->source.object, req);
		return;
	}
	request_close(req);
	w->source.finish(w->source.object, req);
}

void
poold_worker_close(struct poold_worker *w)
{
	uint64_t now_ns = util_now_ns(), end_ns = now_ns + CLOSE_TIMEOUT_MS * MS_NS;
	struct poold_request *req;

	w->source.stop(w->source.object);
	while (now_ns < end_ns) {
		if ((req = poold_worker_next(w)) != NULL)
			poold_finish(req);
		else if (errno == ESHUTDOWN)
			break;
		else
			(void)io_wait(w->source.epoll, POLLIN,
			    (int)((end_ns - now_ns) / MS_NS) + 1);
		now_ns = util_now_ns();
	}
	worker_free(w);
}
