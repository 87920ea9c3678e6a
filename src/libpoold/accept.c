/* SPDX-License-Identifier: ISC */
/*
 * A worker that accepts for itself: alone, or beside others on an inherited
 * listening socket.
 */
#include "libpoold/accept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define CONNECTIONS_MAX	   4096
#define EVENTS_MAX	   64
#define ACCEPT_BURST	   16
#define ACCEPT_PAUSE_MS	   100 /* after running out of descriptors */
#define STATUS_INTERVAL_MS 10000

void
acceptor_unwatch(struct acceptor *a)
{
	size_t i;

	for (i = 0; a->watching && i < a->listeners->count; i++)
		(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->listeners->fds[i], NULL);
	a->watching = false;
}

int
acceptor_watch(struct acceptor *a)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	size_t i;

	a->watching = true;
	a->pause_until_ns = 0;
	for (i = 0; i < a->listeners->count; i++) {
		event.data.ptr = &a->listeners->fds[i];
		if (epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->listeners->fds[i], &event) ==
		    -1) {
			poold_log(NULL, "epoll_ctl: %s", strerror(errno));
			/* all or none: those added cannot be added again */
			acceptor_unwatch(a);
			a->pause_until_ns = util_now_ns() + ACCEPT_PAUSE_MS * MS_NS;
			return -1;
		}
	}
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
	acceptor_unwatch(a);
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
	acceptor_unwatch(a);
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
		    acceptor_watch(a) == -1)
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
	if (acceptor_watch(a) == -1)
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
