/* SPDX-License-Identifier: ISC */
#include "router/head.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/http.h"
#include "common/lease_head.h"
#include "common/util.h"
#include "router/access_log.h"
#include "router/body.h"
#include "router/connection.h"
#include "router/generation.h"
#include "router/listener.h"
#include "router/proxy.h"
#include "router/request.h"
#include "router/route.h"
#include "router/router.h"
#include "router/service.h"

#define PEEK_FIRST	 4096 /* most heads; a long body is not copied */
#define PEEKS_MAX	 64   /* wake-ups for one head; then a timer */
#define PEEK_INTERVAL_NS (10 * MS_NS)

/* Bytes of the path that the route matched. */
static uint16_t
prefix_len(const struct route *route)
{
	return (uint16_t)(route->prefix_len == 1 ? 0 : route->prefix_len);
}

/* Refuses what could not be read or must not be answered further. */
static void
refuse_head(struct connection *connection, unsigned status, const char *detail)
{
	struct router *router = connection->router;
	struct lease_msg msg = { 0 };
	struct access_entry entry = { .msg = &msg,
		.head = router->buf,
		.head_len = connection->peeked };

	meter_unrouted(router, status);
	util_random(msg.request_id, sizeof(msg.request_id));
	util_random(msg.span_id, sizeof(msg.span_id));
	msg.accepted_ns = router->loop.now_ns;
	connection->requests++;
	connection_answer(connection,
	    (struct reply){ .status = status, .detail = detail }, 0, NULL, &entry);
}

/* What is known of a request whose head was read. */
struct refused {
	unsigned status;
	const char *detail;
	const char *path; /* canonical; NULL: not looked at */
	size_t path_len;
	const struct route *route; /* NULL: none was found */
};

/* Answers a request whose head was read: the connection may go on. */
static void
answer_request(struct connection *connection, const struct refused *refused)
{
	struct router *router = connection->router;
	const struct http_head *head = &router->head;
	uint32_t keep = head->keep_alive && head->body_len == 0 ? head->head_len : 0;
	struct service *service = NULL;
	struct lease_msg msg = { 0 };
	struct access_entry entry = { .msg = &msg,
		.head = router->buf,
		.head_len = head->head_len,
		.parsed = true,
		.fields = head->fields,
		.path = refused->path };

	(void)lease_head_fill(&msg, head, router->buf, refused->path_len);
	msg.accepted_ns = router->loop.now_ns;
	if (refused->route != NULL) {
		service = refused->route->generation->service;
		msg.prefix_len = prefix_len(refused->route);
	}
	connection->requests++;
	connection_answer(connection,
	    (struct reply){ .status = refused->status,
		.detail = refused->detail,
		.is_head = head->method_id == HTTP_HEAD,
		.http10 = head->minor == 0 },
	    keep, service, &entry);
}

/* Refuses a request that no service is there for, and one of a service. */
static void
refuse_unrouted(struct connection *connection, const struct refused *refused)
{
	meter_unrouted(connection->router, refused->status);
	answer_request(connection, refused);
}

static void
refuse_routed(struct connection *connection, enum stats_refusal why,
    struct refused *refused)
{
	meter_refused(refused->route->generation->service, why);
	refused->status = stats_refusal_status(why);
	answer_request(connection, refused);
}

static bool
is_available(const struct route *route)
{
	return service_is_available(route->generation->service);
}

/* Whether the trace is recorded is the client's to say, if it began there. */
static uint32_t
trace_flags(const struct router *router, const struct request *request)
{
	const struct service_settings *settings = &request->service->settings;
	uint32_t flags = settings->server_timing ? LEASE_SERVER_TIMING : 0, dice;

	if (request->continued || router->trace_sample == 0)
		return flags;
	util_random(&dice, sizeof(dice));
	return flags | (dice % 1000000 < router->trace_sample ? LEASE_SAMPLED : 0);
}

static void
submit(struct connection *connection, const struct route *route, const char *path,
    size_t path_len)
{
	struct router *router = connection->router;
	struct service *service = route->generation->service;
	struct request *request;

	if (router->head.body_len != HTTP_BODY_CHUNKED &&
	    router->head.body_len > service->settings.max_body) {
		refuse_routed(connection, STATS_BODY_LARGE,
		    &(struct refused){ 0, "the body is larger than the service takes",
			path, path_len, route });
		return;
	}
	request = request_new(&router->head, router->buf, path, path_len);
	if (request == NULL) {
		refuse_routed(connection, STATS_NO_MEMORY,
		    &(struct refused){ 0, "no memory", path, path_len, route });
		return;
	}
	request->connection = connection;
	request->service = service;
	request->msg.accepted_ns = router->loop.now_ns;
	request->msg.body_max = service->settings.max_body;
	request->msg.client = connection->client;
	request->msg.local = connection->local;
	request->msg.prefix_len = prefix_len(route);
	request->msg.flags |= trace_flags(router, request);
	if (router->draining ||
	    ++connection->requests >= connection->listener->settings.keepalive_requests)
		request->msg.flags &= ~(uint32_t)LEASE_KEEP;
	connection->request = request;
	/* before its body is waited for */
	if (service_breaker_refuses(service))
		service_turn_away(request);
	else
		body_await(connection);
}

static void
handle_request(struct connection *connection)
{
	struct router *router = connection->router;
	const struct http_head *head = &router->head;
	const char *host = router->buf + head->host.off, *why;
	char path[HTTP_PATH_MAX];
	size_t path_len, host_len;
	struct route *route;
	bool encoded_slash;
	uint16_t port;

	if (head->asterisk) {
		refuse_unrouted(connection, &(struct refused){ .status = 204 });
		return;
	}
	why = http_path_canonical(router->buf + head->path.off, head->path.len, path,
	    sizeof(path), &path_len, &encoded_slash);
	if (why != NULL) {
		refuse_head(connection, 400, why);
		return;
	}
	http_authority_split(host, head->host.len, &host_len, &port);
	route = route_find(&router->routes, connection->listener->id, host, host_len,
	    path, path_len);
	if (route == NULL)
		refuse_unrouted(connection,
		    &(struct refused){ 404, "no service has this path", path, path_len,
			NULL });
	else
		submit(connection, route_choose(route, is_available), path, path_len);
}

/* The client ended, or woke us for nothing. */
static void
refuse_half(struct connection *connection)
{
	if (connection->proxy_pending)
		connection_close(connection);
	else
		refuse_head(connection, 400, "the request ends in its head");
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
		refuse_half(connection);
		return;
	}
	if (connection->peeked == 0)
		connection->head_deadline_ns = now_ns +
		    connection->listener->settings.head_timeout_ns;
	connection->peeked = seen;
	connection_set_deadline(connection, connection->head_deadline_ns);
	if (connection->peeks < PEEKS_MAX) {
		connection->peeks++;
		if (!connection->is_unix) {
			connection_set_lowat(connection, seen + 1);
			connection_await_input(connection);
		}
		return;
	}
	if (connection->head_deadline_ns > now_ns + PEEK_INTERVAL_NS)
		connection_set_deadline(connection, now_ns + PEEK_INTERVAL_NS);
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
		result = http_head_parse(&router->head, router->buf, (size_t)*n);
		if (result != HTTP_MORE || (size_t)*n < size ||
		    size == sizeof(router->buf))
			return result;
		size = sizeof(router->buf);
	}
}

/* The PROXY header that comes before all requests.  Returns whether it was read
 * and the requests may be. */
static bool
read_proxy(struct connection *connection, uint32_t events)
{
	struct router *router = connection->router;
	struct proxy_header header;
	ssize_t n;

	n = recv(connection->io.fd, router->buf, PROXY_MAX, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && errno == EAGAIN && connection->peeks < PEEKS_MAX) {
		connection->peeks++;
		connection_await_input(connection);
		return false;
	}
	switch (n <= 0 ? PROXY_BAD : proxy_parse(&header, router->buf, (size_t)n)) {
	case PROXY_MORE:
		wait_for_more(connection, (uint32_t)n, events);
		return false;
	case PROXY_OK:
		break;
	case PROXY_BAD:
		connection_close(connection);
		return false;
	}
	if (connection->lowat_set)
		connection_set_lowat(connection, 1);
	connection->proxy_pending = false;
	connection->peeked = 0;
	if (header.has_addr) {
		connection->client = header.client;
		connection->local = header.local;
	}
	if (!connection_consume(connection, (uint32_t)header.len) ||
	    !connection_is_welcome(connection)) {
		connection_close(connection);
		return false;
	}
	return true;
}

void
head_read(struct connection *connection, uint32_t events)
{
	enum http_result result;
	ssize_t n;

	if (connection->proxy_pending && !read_proxy(connection, events))
		return;
	result = peek(connection, &n);
	if (n == -1 && errno == EAGAIN && connection->peeks < PEEKS_MAX) {
		connection->peeks++;
		connection_await_input(connection);
		return;
	}
	if (n <= 0) {
		connection_close(connection);
		return;
	}
	if (result == HTTP_MORE) {
		wait_for_more(connection, (uint32_t)n, events);
		return;
	}
	connection->peeked = (uint32_t)n;
	if (connection->lowat_set)
		connection_set_lowat(connection, 1); /* workers obey it too */
	if (result == HTTP_BAD)
		refuse_head(connection, connection->router->head.status,
		    connection->router->head.reason);
	else
		handle_request(connection);
}

void
head_timed_out(struct connection *connection)
{
	uint64_t now_ns = connection->router->loop.now_ns;

	if (connection->peeked == 0 ||
	    (connection->proxy_pending && now_ns >= connection->head_deadline_ns))
		connection_close(connection);
	else if (now_ns >= connection->head_deadline_ns)
		refuse_head(connection, 408, "the head took too long");
	else
		head_read(connection, 0);
}
