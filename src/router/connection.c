/* SPDX-License-Identifier: ISC */
#include "router/connection.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/util.h"
#include "router/access_log.h"
#include "router/body.h"
#include "router/head.h"
#include "router/listener.h"
#include "router/reply.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"
#include "router/watch.h"

#define LINGER_TIMEOUT_NS (2000 * MS_NS)
#define LINGER_MAX	  (64 * 1024)	/* bytes discarded, then no more are read */
#define WATCH_AFTER_NS	  (5 * MS_NS)	/* waiting: then hear of a reset */
#define DRAIN_LINGER_NS	  (500 * MS_NS) /* idle when the router drains */

/* Timers move lazily: one that fires early is set again. */
void
connection_set_deadline(struct connection *connection, uint64_t deadline_ns)
{
	struct loop_timer *timer = &connection->timer;

	connection->deadline_ns = deadline_ns;
	if (deadline_ns != 0 &&
	    (!loop_timer_is_set(timer) || timer->deadline_ns > deadline_ns))
		loop_timer_set(&connection->router->loop, timer, deadline_ns);
}

/* What a connection counts as. */
static enum stats_connections
counted_as(const struct connection *connection)
{
	static const enum stats_connections names[] = {
		[CONNECTION_READING] = STATS_CONN_READING,
		[CONNECTION_BODY] = STATS_CONN_BODY,
		[CONNECTION_WAITING] = STATS_CONN_QUEUED,
		[CONNECTION_LEASED] = STATS_CONN_LEASED,
		[CONNECTION_SENDING] = STATS_CONN_SENDING,
		[CONNECTION_LINGER] = STATS_CONN_CLOSING,
	};

	return connection->is_idle ? STATS_CONN_IDLE : names[connection->state];
}

void
connection_enter(struct connection *connection, enum connection_state state)
{
	enum stats_connections was = counted_as(connection);

	connection->state = (uint8_t)state;
	meter_moved(&connection->router->meter, was, counted_as(connection));
}

static void
set_idle(struct connection *connection, bool idle)
{
	struct connections *list = &connection->router->idle;
	enum stats_connections was = counted_as(connection);

	if (connection->is_idle == idle)
		return;
	connection->is_idle = idle;
	meter_moved(&connection->router->meter, was, counted_as(connection));
	if (idle)
		TAILQ_INSERT_TAIL(list, connection, idle_entry);
	else
		TAILQ_REMOVE(list, connection, idle_entry);
}

/*
 * A worker shares the socket with us, and may have set options on it that hide
 * the next head: it would be looked for in the wrong place or never.  Not known
 * here, and asking costs as much as setting.
 */
static void
undo_options(struct connection *connection)
{
	static const int one = 1, none = -1;
	int fd = connection->io.fd;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &none, sizeof(none));
}

/* Closing must not wait for a client because a worker asked for it. */
static void
undo_linger(struct connection *connection)
{
	static const struct linger off = { 0, 0 };

	if (connection->was_leased)
		setsockopt(connection->io.fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
}

void
connection_close(struct connection *connection)
{
	struct router *router = connection->router;

	loop_timer_clear(&router->loop, &connection->timer);
	/* always before close: a worker may hold the socket open */
	loop_io_remove(&router->loop, &connection->io);
	undo_linger(connection);
	close(connection->io.fd);
	set_idle(connection, false);
	meter_moved(&router->meter, counted_as(connection), STATS_CONNS);
	rest_end(&connection->rest);
	address_leave(&router->addresses, connection->address);
	TAILQ_REMOVE(&router->connections, connection, entry);
	router->connection_count--;
	free(connection);
	router_title_touch(router);
	listeners_resume(router);
	router_drain_check(router);
}

static void
arm(struct connection *connection, uint32_t tcp_events)
{
	uint32_t events = connection->is_unix ? CONNECTION_UNIX_READ : tcp_events;

	loop_io_change(&connection->router->loop, &connection->io, events);
}

void
connection_await_input(struct connection *connection)
{
	arm(connection, CONNECTION_TCP_READ);
}

void
connection_set_lowat(struct connection *connection, uint64_t wanted)
{
	int bytes = wanted < INT_MAX ? (int)wanted : INT_MAX;

	setsockopt(connection->io.fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
	connection->lowat_set = bytes != 1;
}

/* LINGER: reads what the client still sends, so that closing does not reset
 * the connection before the client has read our answer (RFC 9112 9.6).  Past
 * LINGER_MAX nothing is read: the client's window closes, and it has the time
 * that is left to read the answer. */
static void
discard(struct connection *connection)
{
	struct router *router = connection->router;
	ssize_t n;

	while (connection->discarded < LINGER_MAX) {
		n = recv(connection->io.fd, router->buf, sizeof(router->buf),
		    MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			arm(connection, CONNECTION_TCP_READ);
			return;
		}
		if (n <= 0) {
			connection_close(connection);
			return;
		}
		connection->discarded += (uint32_t)n;
	}
}

static void
linger(struct connection *connection, uint64_t timeout_ns)
{
	connection_enter(connection, CONNECTION_LINGER);
	connection->request = NULL;
	if (connection->lowat_set)
		connection_set_lowat(connection, 1);
	shutdown(connection->io.fd, SHUT_WR);
	connection_set_deadline(connection, connection->router->loop.now_ns + timeout_ns);
	discard(connection);
}

/* The next request, if its bytes are there already, is seen at once, since
 * arming reports what is readable. */
static void
read_next(struct connection *connection)
{
	connection_enter(connection, CONNECTION_READING);
	connection->request = NULL;
	connection->peeked = 0;
	connection->peeks = 0;
	set_idle(connection, true);
	listeners_resume(connection->router);
	connection_set_deadline(connection,
	    connection->router->loop.now_ns +
		connection->listener->settings.keepalive_timeout_ns);
	arm(connection, CONNECTION_TCP_READ);
}

bool
connection_consume(struct connection *connection, uint32_t len)
{
	struct router *router = connection->router;
	ssize_t n;

	while (len > 0) {
		n = recv(connection->io.fd, router->buf,
		    len < sizeof(router->buf) ? len : sizeof(router->buf), MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		len -= (uint32_t)n;
		connection->consumed += (uint32_t)n;
	}
	return true;
}

void
connection_uncork(struct connection *connection)
{
	int off = 0;

	if (!connection->is_unix)
		setsockopt(connection->io.fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
}

void
connection_answer(struct connection *connection, struct reply reply,
    uint32_t keep_head_len, const struct service *service, struct access_entry *entry)
{
	struct router *router = connection->router;
	char buf[REPLY_MAX];
	size_t len;

	if (connection->was_leased)
		connection_uncork(connection);
	reply.keep = keep_head_len > 0 && !router->draining;
	reply.id = entry->msg->request_id;
	len = reply_format(buf, &reply);
	router->stats.refusals++;
	entry->status = reply.status;
	entry->reason = reply.detail;
	entry->bytes = len;
	entry->keep = reply.keep;
	/* before the head is consumed, which may write over it */
	access_log_answer(connection, service, entry);
	if (reply.keep && !connection_consume(connection, keep_head_len))
		connection_cut(connection);
	else if (send(connection->io.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)len)
		connection_cut(connection);
	else if (reply.keep)
		read_next(connection);
	else
		linger(connection, LINGER_TIMEOUT_NS);
}

void
connection_refuse(struct connection *connection, unsigned status, const char *detail)
{
	const struct request *request = connection->request;
	uint32_t flags = request->msg.flags, keep = 0;
	struct access_entry entry;
	struct access_times times;

	access_log_describe(&entry, &times, request);
	if (request->leased_ns == 0 && request->msg.body_len == 0 && (flags & LEASE_KEEP))
		keep = request->msg.head_len;
	connection_answer(connection,
	    (struct reply){ .status = status,
		.detail = detail,
		.retry_after_s = request->retry_after_s,
		.is_head = request->msg.method.len == 4 &&
		    memcmp(request_head(request) + request->msg.method.off, "HEAD", 4) ==
			0,
		.http10 = (flags & LEASE_HTTP10) != 0 },
	    keep, request->service, &entry);
}

static void
send_rest(struct connection *connection)
{
	uint64_t left = connection->rest.left;

	switch (rest_send(&connection->rest, connection->io.fd)) {
	case REST_DONE:
		rest_end(&connection->rest);
		connection_resume(connection, connection->rest_keep);
		break;
	case REST_MORE:
		if (connection->rest.left < left)
			connection_set_deadline(connection,
			    connection->router->loop.now_ns +
				connection->client_timeout_ns);
		loop_io_change(&connection->router->loop, &connection->io,
		    EPOLLOUT | (connection->is_unix ? EPOLLET : EPOLLONESHOT));
		break;
	case REST_FAILED:
		connection_cut(connection);
		break;
	}
}

void
connection_send_rest(struct connection *connection, struct rest_file *file, uint64_t off,
    uint64_t len, bool keep, uint64_t client_timeout_ns)
{
	connection_enter(connection, CONNECTION_SENDING);
	connection->request = NULL;
	connection->rest_keep = keep;
	connection->client_timeout_ns = client_timeout_ns;
	rest_begin(&connection->rest, file, off, len);
	connection_set_deadline(connection,
	    connection->router->loop.now_ns + client_timeout_ns);
	send_rest(connection);
}

/* A request waits and its client is gone: no worker needs to see it. */
static void
client_left(struct connection *connection)
{
	struct request *request = connection->request;

	service_withdraw(request->service, request);
	request_free(request);
	connection_close(connection);
}

static void
on_event(void *owner, uint32_t events)
{
	struct connection *connection = owner;

	switch (connection->state) {
	case CONNECTION_READING:
		set_idle(connection, false);
		head_read(connection, events);
		break;
	case CONNECTION_BODY:
		body_arrived(connection, events);
		break;
	case CONNECTION_WAITING:
		if (events & (EPOLLHUP | EPOLLERR))
			client_left(connection);
		break;
	case CONNECTION_LEASED:
		break; /* the worker sees it itself */
	case CONNECTION_SENDING:
		if (events & (EPOLLHUP | EPOLLERR))
			connection_close(connection);
		else
			send_rest(connection);
		break;
	case CONNECTION_LINGER:
		discard(connection);
		break;
	}
}

static void
queue_timed_out(struct connection *connection)
{
	struct request *request = connection->request;

	if (connection->router->loop.now_ns < connection->wait_until_ns) {
		arm(connection, CONNECTION_TCP_WATCH);
		connection_set_deadline(connection, connection->wait_until_ns);
		return;
	}
	service_withdraw(request->service, request);
	meter_refused(request->service, STATS_QUEUE_TIMEOUT);
	connection_refuse(connection, 503, "no worker became free in time");
	request_free(request);
}

static void
on_timer(void *owner)
{
	struct connection *connection = owner;
	uint64_t now_ns = connection->router->loop.now_ns;

	if (connection->deadline_ns == 0)
		return;
	if (now_ns < connection->deadline_ns) {
		connection_set_deadline(connection, connection->deadline_ns);
		return;
	}
	switch (connection->state) {
	case CONNECTION_READING:
		head_timed_out(connection);
		break;
	case CONNECTION_BODY:
		body_timed_out(connection);
		break;
	case CONNECTION_WAITING:
		queue_timed_out(connection);
		break;
	case CONNECTION_LEASED:
		watch_lease(connection);
		break;
	case CONNECTION_SENDING:
		connection->router->stats.slow_clients++;
		connection_cut(connection);
		break;
	case CONNECTION_LINGER:
		connection_close(connection);
		break;
	}
}

static void
read_local_address(struct connection *connection)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getsockname(connection->io.fd, (struct sockaddr *)&ss, &len) == 0)
		util_addr_from_sockaddr(&connection->local, &ss);
}

bool
connection_is_welcome(struct connection *connection)
{
	struct router *router = connection->router;

	if (router->max_per_address == 0 || connection->is_unix)
		return true;
	connection->address = address_enter(&router->addresses, &connection->client,
	    router->max_per_address);
	if (connection->address != NULL)
		return true;
	router->stats.turned_away++;
	return false;
}

void
connection_init(struct connection *connection, struct router *router,
    struct listener *listener, int fd)
{
	connection->router = router;
	connection->listener = listener;
	connection->is_unix = listener->is_unix;
	connection->io = (struct loop_io){ .fd = fd,
		.fn = on_event,
		.owner = connection };
	connection->timer.fn = on_timer;
	connection->timer.owner = connection;
	TAILQ_INSERT_TAIL(&router->connections, connection, entry);
	router->connection_count++;
	meter_moved(&router->meter, STATS_CONNS, counted_as(connection));
}

struct connection *
connection_new(struct router *router, struct listener *listener, int fd,
    const struct lease_addr *client)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL) {
		close(fd);
		return NULL;
	}
	connection->router = router;
	connection->listener = listener;
	connection->client = *client;
	connection->is_unix = listener->is_unix;
	connection->tracked = !listener->is_unix;
	connection->proxy_pending = listener->settings.proxy_protocol != 0;
	/* behind a balancer it is the client that counts, once it is known */
	if (connection->proxy_pending ? !listener_trusts(listener, client) :
					!connection_is_welcome(connection)) {
		close(fd);
		free(connection);
		return NULL;
	}
	connection_init(connection, router, listener, fd);
	read_local_address(connection);
	router->stats.accepted++;
	stats_add(&listener->place->accepted, 1);
	set_idle(connection, true);
	connection_set_deadline(connection,
	    router->loop.now_ns + listener->settings.keepalive_timeout_ns);
	if (loop_io_add(&router->loop, &connection->io,
		connection->is_unix ? CONNECTION_UNIX_READ : CONNECTION_TCP_READ) == -1) {
		connection_close(connection);
		return NULL;
	}
	router_title_touch(router);
	return connection;
}

void
connection_wait(struct connection *connection, struct request *request,
    uint64_t deadline_ns)
{
	uint64_t watch_ns;

	connection->request = request;
	connection_enter(connection, CONNECTION_WAITING);
	connection->wait_until_ns = deadline_ns;
	/* most waits are over before it is worth a system call to watch */
	watch_ns = connection->router->loop.now_ns + WATCH_AFTER_NS;
	connection_set_deadline(connection,
	    !connection->is_unix && watch_ns < deadline_ns ? watch_ns : deadline_ns);
}

void
connection_change_hands(struct connection *connection, uint32_t generation)
{
	if (connection->was_leased && connection->holder != generation)
		connection_uncork(connection);
	connection->holder = generation;
}

void
connection_leased(struct connection *connection)
{
	connection_enter(connection, CONNECTION_LEASED);
	connection->was_leased = true;
	watch_begin(connection);
}

void
connection_resume(struct connection *connection, bool keep)
{
	if (keep && !connection->router->draining) {
		undo_options(connection);
		read_next(connection);
	} else {
		linger(connection, LINGER_TIMEOUT_NS);
	}
}

void
connection_cut(struct connection *connection)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	/* disconnecting resets at once, whoever else holds the socket: an end
	 * of file could be taken for the end of a complete response */
	if (connection->is_unix ||
	    connect(connection->io.fd, &unspec, sizeof(unspec)) == -1)
		shutdown(connection->io.fd, SHUT_RDWR);
	connection_close(connection);
}

void
connection_release(struct connection *connection)
{
	connection_close(connection);
}

/* Whether something is there to read, be it the end. */
static bool
has_input(const struct connection *connection)
{
	char byte;

	return recv(connection->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -1 ||
	    errno != EAGAIN;
}

void
connection_drain(struct connection *connection)
{
	if (!connection->is_idle)
		return;
	set_idle(connection, false);
	/* a request that is there already is answered before it closes */
	if (has_input(connection)) {
		head_read(connection, EPOLLIN);
		return;
	}
	linger(connection, DRAIN_LINGER_NS);
}

bool
connection_evict(struct router *router)
{
	struct connection *connection;

	TAILQ_FOREACH (connection, &router->idle, idle_entry) {
		if (has_input(connection))
			continue; /* its turn comes in this very round */
		router->stats.evicted++;
		connection_close(connection);
		return true;
	}
	return false;
}
