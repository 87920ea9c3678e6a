/* SPDX-License-Identifier: ISC */
#include "router/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http.h"
#include "common/util.h"
#include "router/access_log.h"
#include "router/generation.h"
#include "router/listener.h"
#include "router/reply.h"
#include "router/request.h"
#include "router/route.h"
#include "router/router.h"
#include "router/service.h"

#define HEAD_TIMEOUT_NS	     (10000 * MS_NS) /* first byte to whole head */
#define KEEPALIVE_TIMEOUT_NS (60000 * MS_NS) /* idle between requests */
#define LINGER_TIMEOUT_NS    (2000 * MS_NS)
#define LINGER_MAX	     (64 * 1024) /* bytes discarded before closing */
#define PEEK_FIRST	     4096 /* most heads; a long body is not copied */
#define PEEKS_MAX	     64	  /* wake-ups for one head; then a timer */
#define PEEK_INTERVAL_NS     (10 * MS_NS)

static const uint32_t TCP_READ = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
/* No events but errors: a waiting client that resets is heard of. */
static const uint32_t TCP_WATCH = EPOLLONESHOT;
/* SO_RCVLOWAT does not gate epoll on unix sockets: report arrivals only. */
static const uint32_t UNIX_READ = EPOLLIN | EPOLLRDHUP | EPOLLET;

static void read_head(struct connection *connection, uint32_t events);

/* Timers move lazily: one that fires early is set again. */
static void
set_deadline(struct connection *connection, uint64_t deadline_ns)
{
	struct loop_timer *timer = &connection->timer;

	connection->deadline_ns = deadline_ns;
	if (deadline_ns != 0 &&
	    (!loop_timer_is_set(timer) || timer->deadline_ns > deadline_ns))
		loop_timer_set(&connection->router->loop, timer, deadline_ns);
}

static void
connection_free(struct connection *connection)
{
	struct router *router = connection->router;

	loop_timer_clear(&router->loop, &connection->timer);
	/* always before close: a worker may hold the socket open */
	loop_io_remove(&router->loop, &connection->io);
	close(connection->io.fd);
	TAILQ_REMOVE(&router->connections, connection, entry);
	router->connection_count--;
	free(connection);
	router_title_touch(router);
	router_drain_check(router);
}

static void
arm(struct connection *connection, uint32_t tcp_events)
{
	uint32_t events = connection->is_unix ? UNIX_READ : tcp_events;

	loop_io_change(&connection->router->loop, &connection->io, events);
}

static void
set_lowat(struct connection *connection, int bytes)
{
	setsockopt(connection->io.fd, SOL_SOCKET, SO_RCVLOWAT, &bytes,
	    sizeof(bytes));
	connection->lowat_set = bytes != 1;
}

/* LINGER: reads what the client still sends, so that closing does not reset
 * the connection before the client has read our answer (RFC 9112 9.6). */
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
			arm(connection, TCP_READ);
			return;
		}
		if (n <= 0)
			break;
		connection->discarded += (uint32_t)n;
	}
	connection_free(connection);
}

static void
linger(struct connection *connection)
{
	connection->state = CONNECTION_LINGER;
	connection->request = NULL;
	if (connection->lowat_set)
		set_lowat(connection, 1);
	shutdown(connection->io.fd, SHUT_WR);
	set_deadline(connection,
	    connection->router->loop.now_ns + LINGER_TIMEOUT_NS);
	discard(connection);
}

/* The next request, if its bytes are there already, is seen at once, since
 * arming reports what is readable. */
static void
read_next(struct connection *connection)
{
	connection->state = CONNECTION_READING;
	connection->request = NULL;
	connection->peeked = 0;
	connection->peeks = 0;
	set_deadline(connection,
	    connection->router->loop.now_ns + KEEPALIVE_TIMEOUT_NS);
	arm(connection, TCP_READ);
}

/* Takes the head that was peeked out of the socket. */
static bool
consume(struct connection *connection, uint32_t len)
{
	struct router *router = connection->router;
	ssize_t n;

	while (len > 0) {
		n = recv(connection->io.fd, router->buf,
		    len < sizeof(router->buf) ? len : sizeof(router->buf),
		    MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		len -= (uint32_t)n;
		connection->consumed += (uint32_t)n;
	}
	return true;
}

/* keep_head_len: consume so many bytes and go on; 0: close. */
static void
answer(struct connection *connection, unsigned status, const char *detail,
    bool is_head, bool http10, uint32_t keep_head_len)
{
	struct router *router = connection->router;
	bool keep = keep_head_len > 0 && !router->draining &&
	    consume(connection, keep_head_len);
	char buf[REPLY_MAX];
	size_t len = reply_format(buf, status, detail, is_head, keep, http10);

	router->stats.refusals++;
	if (send(connection->io.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)len)
		connection_cut(connection);
	else if (keep)
		read_next(connection);
	else
		linger(connection);
}

void
connection_refuse(struct connection *connection, unsigned status,
    const char *detail)
{
	const struct request *request = connection->request;
	uint32_t flags = request->msg.flags, keep = 0;
	int off = 0;

	/* a worker may have left the socket corked */
	if (!connection->is_unix && request->leased_ns != 0)
		setsockopt(connection->io.fd, IPPROTO_TCP, TCP_CORK, &off,
		    sizeof(off));
	if (request->leased_ns == 0 && request->msg.body_len == 0 &&
	    (flags & LEASE_KEEP))
		keep = request->msg.head_len;
	answer(connection, status, detail,
	    request->msg.method.len == 4 &&
		memcmp(request_head(request) + request->msg.method.off, "HEAD",
		    4) == 0,
	    (flags & LEASE_HTTP10) != 0, keep);
}

/* Refuses a request whose head could not be read or routed. */
static void
refuse_head(struct connection *connection, unsigned status, const char *detail)
{
	struct router *router = connection->router;

	access_log_refusal(router, connection, status, router->buf,
	    connection->peeked);
	answer(connection, status, detail, false, false, 0);
}

/* Refuses a request whose head was read: the connection may go on. */
static void
refuse_request(struct connection *connection, unsigned status,
    const char *detail)
{
	struct router *router = connection->router;
	const struct http_head *head = &router->head;
	uint32_t keep = head->keep_alive && head->body_len == 0 ?
	    head->head_len : 0;

	access_log_refusal(router, connection, status, router->buf,
	    connection->peeked);
	answer(connection, status, detail, head->method_id == HTTP_HEAD,
	    head->minor == 0, keep);
}

static void
submit(struct connection *connection, const struct route *route,
    const char *path, size_t path_len)
{
	struct router *router = connection->router;
	struct request *request;

	request = request_new(&router->head, router->buf, path, path_len);
	if (request == NULL) {
		refuse_request(connection, 503, "no memory");
		return;
	}
	request->connection = connection;
	request->msg.accepted_ns = router->loop.now_ns;
	request->msg.client = connection->client;
	request->msg.local = connection->local;
	request->msg.prefix_len = (uint16_t)(
	    route->prefix_len == 1 ? 0 : route->prefix_len);
	if (router->draining)
		request->msg.flags &= ~(uint32_t)LEASE_KEEP;
	connection->request = request;
	service_submit(route->generation->service, request);
}

static void
handle_request(struct connection *connection)
{
	struct router *router = connection->router;
	const struct http_head *head = &router->head;
	const char *host = router->buf + head->host.off, *why;
	char path[HTTP_PATH_MAX];
	size_t path_len, host_len;
	const struct route *route;
	bool encoded_slash;
	uint16_t port;

	if (head->asterisk) {
		refuse_request(connection, 204, NULL);
		return;
	}
	why = http_path_canonical(router->buf + head->path.off, head->path.len,
	    path, sizeof(path), &path_len, &encoded_slash);
	if (why != NULL) {
		refuse_head(connection, 400, why);
		return;
	}
	http_authority_split(host, head->host.len, &host_len, &port);
	route = route_find(&router->routes, connection->listener->id, host,
	    host_len, path, path_len);
	if (route == NULL)
		refuse_request(connection, 404, "no service has this path");
	else
		submit(connection, route, path, path_len);
}

/* The head is not whole.  Every wake-up must have brought something. */
static void
wait_for_more(struct connection *connection, uint32_t seen, uint32_t events)
{
	uint64_t now_ns = connection->router->loop.now_ns;
	bool by_timer = events == 0;

	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ||
	    (!by_timer && seen <= connection->peeked)) {
		connection->peeked = seen;
		refuse_head(connection, 400, "the request ends in its head");
		return;
	}
	if (connection->peeked == 0)
		connection->head_deadline_ns = now_ns + HEAD_TIMEOUT_NS;
	connection->peeked = seen;
	set_deadline(connection, connection->head_deadline_ns);
	if (connection->peeks < PEEKS_MAX) {
		connection->peeks++;
		if (!connection->is_unix) {
			set_lowat(connection, (int)seen + 1);
			arm(connection, TCP_READ);
		}
		return;
	}
	if (connection->head_deadline_ns > now_ns + PEEK_INTERVAL_NS)
		set_deadline(connection, now_ns + PEEK_INTERVAL_NS);
}

static enum http_result
peek(struct connection *connection, ssize_t *n)
{
	struct router *router = connection->router;
	size_t size = connection->peeked > 0 ? sizeof(router->buf) : PEEK_FIRST;
	enum http_result result;

	for (;;) {
		do
			*n = recv(connection->io.fd, router->buf, size,
			    MSG_PEEK | MSG_DONTWAIT);
		while (*n == -1 && errno == EINTR);
		if (*n <= 0)
			return HTTP_MORE;
		result = http_head_parse(&router->head, router->buf,
		    (size_t)*n);
		if (result != HTTP_MORE || (size_t)*n < size ||
		    size == sizeof(router->buf))
			return result;
		size = sizeof(router->buf);
	}
}

static void
read_head(struct connection *connection, uint32_t events)
{
	enum http_result result;
	ssize_t n;

	result = peek(connection, &n);
	if (n == -1 && errno == EAGAIN && connection->peeks < PEEKS_MAX) {
		connection->peeks++;
		arm(connection, TCP_READ);
		return;
	}
	if (n <= 0) {
		connection_free(connection);
		return;
	}
	if (result == HTTP_MORE) {
		wait_for_more(connection, (uint32_t)n, events);
		return;
	}
	connection->peeked = (uint32_t)n;
	if (connection->lowat_set)
		set_lowat(connection, 1); /* the worker's recv obeys it too */
	if (result == HTTP_BAD)
		refuse_head(connection, connection->router->head.status,
		    connection->router->head.reason);
	else
		handle_request(connection);
}

/* A request waits and its client is gone: no worker needs to see it. */
static void
client_left(struct connection *connection)
{
	struct request *request = connection->request;

	service_withdraw(request->service, request);
	request_free(request);
	connection_free(connection);
}

static void
on_event(void *owner, uint32_t events)
{
	struct connection *connection = owner;

	switch (connection->state) {
	case CONNECTION_READING:
		read_head(connection, events);
		break;
	case CONNECTION_WAITING:
		if (events & (EPOLLHUP | EPOLLERR))
			client_left(connection);
		break;
	case CONNECTION_LEASED:
		break; /* the worker sees it itself */
	case CONNECTION_LINGER:
		discard(connection);
		break;
	}
}

static void
queue_timed_out(struct connection *connection)
{
	struct request *request = connection->request;

	service_withdraw(request->service, request);
	access_log_request(connection->router, request, 503, 0, 0,
	    connection->router->loop.now_ns);
	connection_refuse(connection, 503, "no worker became free in time");
	request_free(request);
}

static void
reading_timed_out(struct connection *connection)
{
	uint64_t now_ns = connection->router->loop.now_ns;

	if (connection->peeked == 0)
		connection_free(connection);
	else if (now_ns >= connection->head_deadline_ns)
		refuse_head(connection, 408, "the head took too long");
	else
		read_head(connection, 0);
}

static void
on_timer(void *owner)
{
	struct connection *connection = owner;
	uint64_t now_ns = connection->router->loop.now_ns;

	if (connection->deadline_ns == 0)
		return;
	if (now_ns < connection->deadline_ns) {
		set_deadline(connection, connection->deadline_ns);
		return;
	}
	switch (connection->state) {
	case CONNECTION_READING:
		reading_timed_out(connection);
		break;
	case CONNECTION_WAITING:
		queue_timed_out(connection);
		break;
	case CONNECTION_LEASED:
		break;
	case CONNECTION_LINGER:
		connection_free(connection);
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
	connection->io = (struct loop_io){ .fd = fd, .fn = on_event,
		.owner = connection };
	connection->timer.fn = on_timer;
	connection->timer.owner = connection;
	read_local_address(connection);
	TAILQ_INSERT_TAIL(&router->connections, connection, entry);
	router->connection_count++;
	router->stats.accepted++;
	set_deadline(connection, router->loop.now_ns + KEEPALIVE_TIMEOUT_NS);
	if (loop_io_add(&router->loop, &connection->io,
		connection->is_unix ? UNIX_READ : TCP_READ) == -1) {
		connection_free(connection);
		return NULL;
	}
	router_title_touch(router);
	return connection;
}

void
connection_wait(struct connection *connection, struct request *request,
    uint64_t deadline_ns)
{
	connection->request = request;
	connection->state = CONNECTION_WAITING;
	set_deadline(connection, deadline_ns);
	if (!connection->is_unix)
		arm(connection, TCP_WATCH);
}

void
connection_leased(struct connection *connection)
{
	connection->state = CONNECTION_LEASED;
	set_deadline(connection, 0);
}

void
connection_resume(struct connection *connection, bool keep)
{
	if (keep && !connection->router->draining)
		read_next(connection);
	else
		linger(connection);
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
	connection_free(connection);
}

void
connection_release(struct connection *connection)
{
	connection_free(connection);
}

void
connection_drain(struct connection *connection)
{
	char byte;

	if (connection->state != CONNECTION_READING || connection->peeked > 0)
		return;
	/* a request that is there already is answered before it closes */
	if (recv(connection->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
	    errno == EAGAIN)
		linger(connection);
	else
		read_head(connection, EPOLLIN);
}
