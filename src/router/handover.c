/* SPDX-License-Identifier: ISC */
#include "router/handover.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "router/connection.h"
#include "router/generation.h"
#include "router/listener.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"

#define RETRY_MS 1 /* too many descriptors are under way: polling tells nothing */

struct handover {
	struct router *router;
	struct loop_io io;
	struct record_writer writer;
	uint64_t deadline_ns;
	uint32_t count; /* connections sent */
	bool failed;	/* nothing more can be sent */
};

/* --- messages ---------------------------------------------------------- */

static int
left_ms(const struct handover *handover)
{
	uint64_t now_ns = util_now_ns();

	return now_ns >= handover->deadline_ns ?
	    0 :
	    (int)((handover->deadline_ns - now_ns + MS_NS - 1) / MS_NS);
}

/* Waits until the socket may take or give something; false at the deadline. */
static bool
wait_for(const struct handover *handover, short events)
{
	struct pollfd pfd = { .fd = handover->io.fd, .events = events };
	int ms = left_ms(handover);

	return ms > 0 && (poll(&pfd, 1, ms) > 0 || errno == EINTR);
}

static bool
wait_to_send(const struct handover *handover, int error)
{
	if (error == EAGAIN)
		return wait_for(handover, POLLOUT);
	if (error != ETOOMANYREFS && error != ENOBUFS && error != ENOMEM)
		return false;
	poll(NULL, 0, RETRY_MS);
	return left_ms(handover) > 0;
}

/* Sends what was written, with some bytes behind it. */
static void
send_bytes(struct handover *handover, const char *bytes, size_t len, const int *fds,
    int fd_count)
{
	struct iovec iov[2] = {
		{ .iov_base = handover->writer.text, .iov_len = handover->writer.len },
		{ .iov_base = (char *)(uintptr_t)bytes, .iov_len = len },
	};

	if (handover->writer.failed)
		handover->failed = true;
	while (!handover->failed &&
	    msg_sendv(handover->io.fd, iov, len > 0 ? 2 : 1, fds, fd_count,
		MSG_DONTWAIT) == -1)
		if (!wait_to_send(handover, errno))
			handover->failed = true;
	handover->deadline_ns = util_now_ns() + HANDOVER_TIMEOUT_NS;
	record_restart(&handover->writer);
}

static void
send_record(struct handover *handover, const int *fds, int fd_count)
{
	send_bytes(handover, NULL, 0, fds, fd_count);
}

static void
put(struct handover *handover, const char *section, const struct record_table *table,
    const void *object)
{
	record_begin(&handover->writer, section);
	record_put(&handover->writer, table, object);
}

/* --- what there is ----------------------------------------------------- */

static void
give_listeners(struct handover *handover)
{
	struct listener *listener;

	/* the new router has the others from its supervisor */
	TAILQ_FOREACH (listener, &handover->router->listeners, entry)
		if (listener->closed) {
			put(handover, "listener", &handover_listener_table, listener);
			send_record(handover, NULL, 0);
		}
}

static void
give_services(struct handover *handover)
{
	struct service *service;

	TAILQ_FOREACH (service, &handover->router->services, entry) {
		put(handover, "service", &handover_service_table, service);
		send_record(handover, NULL, 0);
	}
}

static void
give_worker(struct handover *handover, struct generation *generation, uint32_t slot)
{
	struct worker_view *view = &generation->workers[slot];
	struct handed_worker worker = { .generation = generation->id,
		.slot = slot,
		.pid = (int)view->pid,
		.failures = view->failures };

	put(handover, "worker", &handover_worker_table, &worker);
	send_record(handover, view->rest != NULL ? &view->rest->fd : NULL,
	    view->rest != NULL ? 1 : 0);
}

static void
give_generation(struct handover *handover, struct generation *generation)
{
	struct handed_generation more = { .current = generation->service->generation ==
		    generation };

	put(handover, "generation", &handover_generation_table, generation);
	record_put(&handover->writer, &handover_generation_more_table, &more);
	send_record(handover, NULL, 0);
	for (uint32_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].pid != 0)
			give_worker(handover, generation, i);
}

/* Where the rest of a response lies: a worker that lives is told what is free. */
static void
describe_rest(const struct router *router, const struct rest *rest,
    struct handed_connection *more)
{
	const struct generation *generation;

	if (rest->file == NULL)
		return;
	more->rest_off = rest->off;
	more->rest_left = rest->left;
	TAILQ_FOREACH (generation, &router->generations, entry)
		for (uint32_t i = 0; i < generation->worker_count; i++)
			if (generation->workers[i].rest == rest->file) {
				more->rest_generation = generation->id;
				more->rest_worker = i;
			}
}

static void
put_request(struct handover *handover, const char *section, const struct request *request)
{
	struct handed_request more = { 0 };

	strlcpy(more.service, request->service->name, sizeof(more.service));
	if (request->generation != NULL)
		more.generation = request->generation->id;
	put(handover, section, &handover_request_table, request);
	record_put(&handover->writer, &handover_request_more_table, &more);
}

static void
give_connection(struct handover *handover, const struct connection *connection)
{
	const struct request *request = connection->request;
	struct handed_connection more = { .listener = connection->listener->id };
	const struct rest_file *file = connection->rest.file;
	int fds[2] = { connection->io.fd, file != NULL ? file->fd : -1 };
	const char *head = NULL;
	size_t head_len = 0;

	describe_rest(handover->router, &connection->rest, &more);
	put(handover, "connection", &handover_connection_table, connection);
	record_put(&handover->writer, &handover_connection_more_table, &more);
	if (request != NULL) {
		put_request(handover, "request", request);
		record_end(&handover->writer);
		head = request_head(request);
		head_len = request->msg.head_len;
	}
	send_bytes(handover, head, head_len, fds, file != NULL ? 2 : 1);
	handover->count++;
}

/* In the order of their sequence. */
static void
give_leases(struct handover *handover, const struct generation *generation)
{
	const struct request *request;

	TAILQ_FOREACH (request, &generation->leases, entry) {
		if (request->connection != NULL) {
			give_connection(handover, request->connection);
		} else if (request->detached) {
			put_request(handover, "detached", request);
			send_record(handover, NULL, 0);
		}
	}
}

/* Lists that have an order come in that order. */
static void
give_connections(struct handover *handover)
{
	struct router *router = handover->router;
	const struct connection *connection;
	const struct generation *generation;
	const struct service *service;
	const struct request *request;

	TAILQ_FOREACH (connection, &router->idle, idle_entry)
		give_connection(handover, connection);
	TAILQ_FOREACH (service, &router->services, entry)
		TAILQ_FOREACH (request, &service->fifo, entry)
			give_connection(handover, request->connection);
	TAILQ_FOREACH (generation, &router->generations, entry)
		give_leases(handover, generation);
	TAILQ_FOREACH (connection, &router->connections, entry)
		if (!connection->is_idle && connection->state != CONNECTION_WAITING &&
		    connection->state != CONNECTION_LEASED)
			give_connection(handover, connection);
}

static void
give_all(struct handover *handover)
{
	struct router *router = handover->router;
	struct generation *generation;
	struct handed_count end;

	put(handover, "router", &handover_router_table, router);
	send_record(handover, NULL, 0);
	give_listeners(handover);
	give_services(handover);
	TAILQ_FOREACH (generation, &router->generations, entry)
		give_generation(handover, generation);
	give_connections(handover);
	end.count = handover->count;
	put(handover, "end", &handover_count_table, &end);
	send_record(handover, NULL, 0);
}

/* --- the conversation -------------------------------------------------- */

/* The section of one message; "" when there is none now. */
static void
receive(struct handover *handover, char section[32], uint32_t *protocol)
{
	struct handed_hello hello = { 0 };
	struct record_reader reader;
	struct record record;
	char buf[1024], *why = NULL;
	ssize_t n = recv(handover->io.fd, buf, sizeof(buf), MSG_DONTWAIT);

	section[0] = '\0';
	if (n <= 0)
		return;
	record_open(&reader, buf, (size_t)n);
	if (record_next(&reader, &record, &why)) {
		strlcpy(section, record.section, 32);
		if (record_get(&reader, &record, &handover_hello_table, &hello, &why))
			*protocol = hello.protocol;
	}
	free(why);
	record_close(&reader);
}

static bool
wait_for_ack(struct handover *handover)
{
	char section[32];
	uint32_t unused;

	if (handover->failed || !wait_for(handover, POLLIN))
		return false;
	receive(handover, section, &unused);
	return strcmp(section, "ack") == 0;
}

static void
end(struct handover *handover)
{
	handover->router->handover = NULL;
	loop_io_remove(&handover->router->loop, &handover->io);
	close(handover->io.fd);
	record_writer_free(&handover->writer);
	free(handover);
}

/*
 * This waits, and that is its meaning: while another router learns what there
 * is, nothing may change.  It waits for a router that does nothing
 * for two seconds at the most.
 */
static void
give(struct handover *handover)
{
	uint64_t began_ns = util_now_ns();

	handover->deadline_ns = began_ns + HANDOVER_TIMEOUT_NS;
	give_all(handover);
	if (!wait_for_ack(handover)) {
		log_error("the new router did not take over: going on with %u "
			  "connections",
		    handover->router->connection_count);
		return;
	}
	log_info("handed %u connections over in %.1f ms", handover->count,
	    (double)(util_now_ns() - began_ns) / 1e6);
	router_log_end(handover->router);
	record_begin(&handover->writer, "bye");
	send_record(handover, NULL, 0);
	if (!handover->failed)
		_exit(0); /* the sockets live on in the new router */
	log_error("the new router died before it could take over");
}

static void
on_event(void *owner, uint32_t events)
{
	struct handover *handover = owner;
	struct router *router = handover->router;
	uint32_t protocol = 0;
	char section[32];

	(void)events;
	receive(handover, section, &protocol);
	if (strcmp(section, "hello") == 0 && !router->draining) {
		if (protocol == HANDOVER_PROTOCOL)
			give(handover);
		else
			log_error("the new router wants to take over by protocol %u, "
				  "this one knows %u",
			    protocol, HANDOVER_PROTOCOL);
	}
	end(handover);
}

void
handover_begin(struct router *router, int sock)
{
	struct handover *handover;

	if (router->handover != NULL)
		end(router->handover); /* the new router has died: here is another */
	handover = util_alloc(sizeof(*handover));
	handover->router = router;
	handover->io = (struct loop_io){ .fd = sock, .fn = on_event, .owner = handover };
	router->handover = handover;
	if (loop_io_add(&router->loop, &handover->io, EPOLLIN) == -1)
		end(handover);
}

void
handover_cancel(struct router *router)
{
	if (router->handover != NULL)
		end(router->handover);
}
