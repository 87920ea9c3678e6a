/* SPDX-License-Identifier: ISC */
#include "router/takeover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/http.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/record.h"
#include "router/address.h"
#include "router/connection.h"
#include "router/generation.h"
#include "router/handover.h"
#include "router/listener.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"

#define BURST	    64			     /* messages for one wake-up */
#define MESSAGE_MAX (LEASE_HEAD_MAX + 32768) /* bytes */

struct takeover {
	struct router *router;
	struct loop_io io;
	struct loop_timer timer;
	uint32_t count; /* connections that came */
	uint32_t lost;	/* of these, what could not be made sense of */
	bool ended;	/* all is here, and ack was said */
	/* the message in work: */
	struct record_reader reader;
	struct record record;
	int fds[MSG_FDS_MAX]; /* -1: none, or taken */
	int fd_count;
	const char *head; /* behind the records */
	size_t head_len;
	char buf[MESSAGE_MAX];
};

/* --- the conversation -------------------------------------------------- */

static void
end(struct takeover *takeover)
{
	struct router *router = takeover->router;

	router->takeover = NULL;
	loop_timer_clear(&router->loop, &takeover->timer);
	loop_io_remove(&router->loop, &takeover->io);
	close(takeover->io.fd);
	free(takeover);
}

static void
set_timer(struct takeover *takeover)
{
	loop_timer_set(&takeover->router->loop, &takeover->timer,
	    util_now_ns() + 2 * HANDOVER_TIMEOUT_NS);
}

/* The old router goes on; the supervisor starts another one of us. */
static void
fail(struct takeover *takeover, const char *why)
{
	struct router *router = takeover->router;

	log_error("cannot take over: %s", why);
	router->status = EX_UNAVAILABLE;
	loop_stop(&router->loop);
	end(takeover);
}

static void
say(struct takeover *takeover, const char *section, const struct record_table *table,
    const void *object)
{
	struct record_writer writer = { 0 };

	record_begin(&writer, section);
	if (table != NULL)
		record_put(&writer, table, object);
	msg_send(takeover->io.fd, writer.text, writer.len, MSG_DONTWAIT);
	record_writer_free(&writer);
}

static bool
get(struct takeover *takeover, const struct record_table *table, void *object, char **why)
{
	return record_get(&takeover->reader, &takeover->record, table, object, why);
}

/* --- tables ------------------------------------------------------------ */

static char *
take_router(struct takeover *takeover)
{
	char *why;

	/* serials go on where they were: workers tell routers by them */
	get(takeover, &handover_router_table, takeover->router, &why);
	return why;
}

static char *
take_listener(struct takeover *takeover)
{
	struct listener listener = { 0 };
	char *why;

	if (get(takeover, &handover_listener_table, &listener, &why))
		listener_add_closed(takeover->router, &listener);
	return why;
}

static char *
take_service(struct takeover *takeover)
{
	struct service named = { 0 };
	char *why;

	if (!get(takeover, &handover_service_table, &named, &why))
		return why;
	get(takeover, &handover_service_table, service_get(takeover->router, named.name),
	    &why);
	return why;
}

static char *
take_generation(struct takeover *takeover)
{
	struct handed_generation more = { 0 };
	struct generation named = { 0 }, *generation;
	char *why;

	if (!get(takeover, &handover_generation_table, &named, &why) ||
	    !get(takeover, &handover_generation_more_table, &more, &why))
		return why;
	generation = generation_find(takeover->router, named.id);
	if (generation == NULL)
		return NULL; /* it is over */
	get(takeover, &handover_generation_table, generation, &why);
	if (more.current && generation->service->generation == NULL)
		generation->service->generation = generation;
	return why;
}

static int
take_fd(struct takeover *takeover, int i)
{
	int fd = i < takeover->fd_count ? takeover->fds[i] : -1;

	if (fd != -1)
		takeover->fds[i] = -1;
	return fd;
}

/* One that has died since may have said things that are to be understood. */
static char *
take_worker(struct takeover *takeover)
{
	struct handed_worker worker = { 0 };
	struct generation *generation;
	char *why;

	if (!get(takeover, &handover_worker_table, &worker, &why))
		return why;
	generation = generation_find(takeover->router, worker.generation);
	if (generation == NULL)
		return NULL;
	generation_worker_was(generation, worker.slot, (pid_t)worker.pid,
	    take_fd(takeover, 0));
	if (worker.slot < generation->worker_count &&
	    generation->workers[worker.slot].pid == worker.pid)
		generation->workers[worker.slot].failures = worker.failures;
	return NULL;
}

/* --- requests ---------------------------------------------------------- */

static struct request *
parse_request(struct takeover *takeover)
{
	struct http_head *head = &takeover->router->head;
	const char *buf = takeover->head;
	char path[HTTP_PATH_MAX];
	bool encoded_slash;
	size_t path_len;

	if (buf == NULL || http_head_parse(head, buf, takeover->head_len) != HTTP_OK ||
	    http_path_canonical(buf + head->path.off, head->path.len, path, sizeof(path),
		&path_len, &encoded_slash) != NULL)
		return NULL;
	return request_new(head, buf, path, path_len);
}

/* Of the record that was read; NULL with *why, or for a head that this version
 * does not take. */
static struct request *
take_request(struct takeover *takeover, struct handed_request *more, char **why)
{
	struct request *request = parse_request(takeover);

	if (request == NULL)
		return NULL;
	if (!get(takeover, &handover_request_table, request, why) ||
	    !get(takeover, &handover_request_more_table, more, why)) {
		request_free(request);
		return NULL;
	}
	request->service = service_get(takeover->router, more->service);
	if (request->slow_ns == 0) /* the other version knows nothing of it */
		request->slow_ns = UINT64_MAX;
	return request;
}

/* The worker's, for good. */
static char *
take_detached(struct takeover *takeover)
{
	struct request *request = request_adopted(0, 0, 0);
	struct handed_request more = { 0 };
	struct generation *generation;
	char *why;

	if (!get(takeover, &handover_request_table, request, &why) ||
	    !get(takeover, &handover_request_more_table, &more, &why)) {
		request_free(request);
		return why;
	}
	request->service = service_get(takeover->router, more.service);
	request->detached = true;
	generation = generation_find(takeover->router, more.generation);
	if (generation == NULL || !generation_take_lease(generation, request))
		request_free(request);
	else
		takeover->router->detached++;
	return NULL;
}

/* --- connections ------------------------------------------------------- */

static bool
place_request(struct connection *connection, struct request *request,
    const struct handed_request *more)
{
	struct router *router = connection->router;
	struct generation *generation;

	request->connection = connection;
	request->msg.client = connection->client;
	request->msg.local = connection->local;
	switch (connection->state) {
	case CONNECTION_WAITING:
		service_take(request->service, request);
		return true;
	case CONNECTION_LEASED:
		generation = generation_find(router, more->generation);
		return generation != NULL && generation_take_lease(generation, request);
	default:
		return connection->state == CONNECTION_BODY;
	}
}

/* Reads [request], if the connection's state has one. */
static bool
add_request(struct takeover *takeover, struct connection *connection, char **why)
{
	struct handed_request more = { 0 };
	struct request *request;

	if (connection->state != CONNECTION_BODY &&
	    connection->state != CONNECTION_WAITING &&
	    connection->state != CONNECTION_LEASED)
		return true;
	if (!record_next(&takeover->reader, &takeover->record, why))
		return false;
	request = take_request(takeover, &more, why);
	if (request == NULL)
		return false;
	if (!place_request(connection, request, &more)) {
		request_free(request);
		return false;
	}
	connection->request = request;
	return true;
}

static bool
add_rest(struct takeover *takeover, struct connection *connection,
    const struct handed_connection *more)
{
	struct generation *generation;
	struct rest_file *file = NULL;
	int fd = take_fd(takeover, 1);

	if (connection->state != CONNECTION_SENDING)
		return true;
	generation = generation_find(takeover->router, more->rest_generation);
	if (generation != NULL && more->rest_worker < generation->worker_count)
		file = generation->workers[more->rest_worker].rest;
	if (file != NULL) {
		rest_begin(&connection->rest, file, more->rest_off, more->rest_left);
		close(fd);
		return true;
	}
	file = fd != -1 ? rest_file_new(fd, NULL) : NULL;
	if (file == NULL)
		return false;
	rest_begin(&connection->rest, file, more->rest_off, more->rest_left);
	rest_file_release(file); /* the connection alone has a hold on it */
	return true;
}

/* One that cannot be understood is closed: the others matter more. */
static void
lose(struct takeover *takeover, struct connection *connection)
{
	takeover->lost++;
	log_error("a connection in state %u could not be taken over", connection->state);
	connection_close(connection);
}

static char *
take_connection(struct takeover *takeover)
{
	struct handed_connection more = { 0 };
	struct connection *connection, saved = { 0 };
	int fd = take_fd(takeover, 0);
	struct listener *listener;
	char *why = NULL;

	takeover->count++;
	if (fd == -1)
		return util_strdup("a connection came without its socket");
	if (!get(takeover, &handover_connection_table, &saved, &why) ||
	    !get(takeover, &handover_connection_more_table, &more, &why)) {
		close(fd);
		return why;
	}
	listener = listener_find(takeover->router, more.listener);
	connection = listener == NULL ?
	    NULL :
	    connection_taken(takeover->router, listener, fd, &saved);
	if (connection == NULL) {
		close(fd);
		takeover->lost++;
	} else if (!add_rest(takeover, connection, &more) ||
	    !add_request(takeover, connection, &why)) {
		lose(takeover, connection);
	}
	return why;
}

/* --- the end ----------------------------------------------------------- */

static char *
take_end(struct takeover *takeover)
{
	struct handed_count end = { 0 };
	char *why;

	if (!get(takeover, &handover_count_table, &end, &why))
		return why;
	if (end.count != takeover->count)
		return util_asprintf("%u connections came, %u were sent", takeover->count,
		    end.count);
	takeover->ended = true;
	say(takeover, "ack", NULL, NULL);
	return NULL;
}

/* The old router is gone: from now on all is ours. */
static void
activate(struct router *router)
{
	struct connection *connection, *next;
	struct generation *generation;
	struct listener *listener;
	struct service *service;

	router->taking = false;
	meter_begin(router);
	TAILQ_FOREACH (generation, &router->generations, entry)
		generation_activate(generation);
	TAILQ_FOREACH_SAFE (connection, &router->connections, entry, next)
		connection_activate(connection);
	TAILQ_FOREACH (listener, &router->listeners, entry)
		listener_activate(listener);
	TAILQ_FOREACH (service, &router->services, entry)
		service_activate(service);
}

static char *
take_bye(struct takeover *takeover)
{
	struct router *router = takeover->router;
	struct role_id taken = { .type = ROLE_TAKEN,
		.id = takeover->count - takeover->lost };

	if (!takeover->ended)
		return util_strdup("the old router left before its time");
	end(takeover);
	activate(router);
	channel_send(&router->supervisor, &taken, sizeof(taken), NULL, 0);
	channel_resume(&router->supervisor);
	return NULL;
}

/* --- messages ---------------------------------------------------------- */

static char *
take_record(struct takeover *takeover)
{
	static const struct {
		const char *section;
		char *(*take)(struct takeover *takeover);
	} takes[] = {
		{ "connection", take_connection },
		{ "router", take_router },
		{ "listener", take_listener },
		{ "service", take_service },
		{ "generation", take_generation },
		{ "worker", take_worker },
		{ "detached", take_detached },
		{ "end", take_end },
		{ "bye", take_bye },
	};

	for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++)
		if (strcmp(takeover->record.section, takes[i].section) == 0)
			return takes[i].take(takeover);
	return NULL; /* of a later version */
}

/* The records end at an empty line, if the head of a request follows. */
static size_t
split(struct takeover *takeover, size_t len)
{
	char *blank = memmem(takeover->buf, len, "\n\n", 2);
	size_t text_len = len;

	takeover->head = NULL;
	takeover->head_len = 0;
	if (blank != NULL) {
		text_len = (size_t)(blank - takeover->buf) + 1;
		takeover->head = blank + 2;
		takeover->head_len = len - text_len - 1;
	}
	return text_len;
}

/* Returns why it fails.  It may have freed the takeover. */
static char *
take_message(struct takeover *takeover, size_t len)
{
	struct router *router = takeover->router;
	int fds[MSG_FDS_MAX], count = takeover->fd_count;
	char *why;

	record_open(&takeover->reader, takeover->buf, split(takeover, len));
	if (record_next(&takeover->reader, &takeover->record, &why))
		why = take_record(takeover);
	if (router->takeover == NULL)
		return why;
	memcpy(fds, takeover->fds, sizeof(fds));
	for (int i = 0; i < count; i++)
		if (fds[i] != -1)
			close(fds[i]);
	return why;
}

static bool
receive_one(struct takeover *takeover)
{
	struct router *router = takeover->router;
	struct msg_received received;
	char *why;
	ssize_t n;

	n = msg_recv(takeover->io.fd, takeover->buf, sizeof(takeover->buf), MSG_DONTWAIT,
	    &received);
	if (n == -1 && errno == EAGAIN)
		return false;
	if (n <= 0 || received.truncated) {
		for (int i = 0; n > 0 && i < received.fd_count; i++)
			close(received.fds[i]);
		fail(takeover, n > 0 ? "a message was cut" : "the old router refuses");
		return false;
	}
	takeover->fd_count = received.fd_count;
	memcpy(takeover->fds, received.fds, sizeof(takeover->fds));
	why = take_message(takeover, (size_t)n);
	if (why != NULL && router->takeover != NULL)
		fail(takeover, why);
	free(why);
	return router->takeover != NULL;
}

static void
on_event(void *owner, uint32_t events)
{
	struct takeover *takeover = owner;

	(void)events;
	set_timer(takeover); /* as long as something comes */
	for (int i = 0; i < BURST; i++)
		if (!receive_one(takeover))
			break;
}

static void
on_timer(void *owner)
{
	fail(owner, "the old router says nothing");
}

void
takeover_begin(struct router *router, int sock)
{
	struct handed_hello hello = { .protocol = HANDOVER_PROTOCOL };
	struct takeover *takeover = util_alloc(sizeof(*takeover));

	takeover->router = router;
	takeover->io = (struct loop_io){ .fd = sock, .fn = on_event, .owner = takeover };
	takeover->timer.fn = on_timer;
	takeover->timer.owner = takeover;
	router->takeover = takeover;
	channel_pause(&router->supervisor);
	set_timer(takeover);
	if (loop_io_add(&router->loop, &takeover->io, EPOLLIN) == -1)
		fail(takeover, strerror(errno));
	else
		say(takeover, "hello", &handover_hello_table, &hello);
}

void
takeover_cancel(struct router *router)
{
	if (router->takeover != NULL)
		end(router->takeover);
}
