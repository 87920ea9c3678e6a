/* SPDX-License-Identifier: ISC */
#include "router/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/util.h"
#include "router/access_log.h"
#include "router/connection.h"
#include "router/generation.h"
#include "router/generation_board.h"
#include "router/generation_lease.h"
#include "router/guard.h"
#include "router/router.h"

#define REFUSALS_MAX 2
#define DRAINED_S    10		  /* Retry-After of a service that is drained */
#define LOAD_NS	     (50 * MS_NS) /* no more often is the queue told */

/* --- the load ---------------------------------------------------------- */

static void
tell_load(struct service *service)
{
	struct role_load role = { .type = ROLE_LOAD, .queued = service->queued };

	if (service->generation == NULL)
		return;
	role.generation = service->generation->id;
	service->load_told = service->queued;
	channel_send(&service->router->supervisor, &role, sizeof(role), NULL, 0);
	if (service->queued > 0)
		loop_timer_set(&service->router->loop, &service->load_timer,
		    service->router->loop.now_ns + LOAD_NS);
}

static void
on_load_timer(void *owner)
{
	struct service *service = owner;

	if (service->queued > 0 || service->load_told > 0)
		tell_load(service);
}

/* Something waits: at once, then every so often until nothing does. */
static void
load_begins(struct service *service)
{
	if (service->settings.tell_load && !loop_timer_is_set(&service->load_timer))
		tell_load(service);
}

void
service_tell_queued(const struct service *service)
{
	struct role_load role = { .type = ROLE_LOAD, .queued = service->queued };

	if (service->generation == NULL)
		return;
	role.generation = service->generation->id;
	channel_send(&service->router->supervisor, &role, sizeof(role), NULL, 0);
}

/* --- services ---------------------------------------------------------- */

struct service *
service_get(struct router *router, const char *name)
{
	struct service *service;

	TAILQ_FOREACH (service, &router->services, entry)
		if (strcmp(service->name, name) == 0)
			return service;
	service = util_alloc(sizeof(*service));
	service->router = router;
	service->place = &router->meter.no_service;
	strlcpy(service->name, name, sizeof(service->name));
	service->load_timer.fn = on_load_timer;
	service->load_timer.owner = service;
	TAILQ_INIT(&service->fifo);
	guard_init(service);
	access_log_assign_service(&router->access_log, service);
	TAILQ_INSERT_TAIL(&router->services, service, entry);
	return service;
}

void
services_free(struct router *router)
{
	struct service *service;

	while ((service = TAILQ_FIRST(&router->services)) != NULL) {
		TAILQ_REMOVE(&router->services, service, entry);
		loop_timer_clear(&router->loop, &service->load_timer);
		guard_stop(service);
		free(service);
	}
}

/* Whether some worker is ready, or will be as soon as a request waits. */
static bool
has_workers(const struct generation *generation)
{
	return generation->ready > 0 ||
	    (generation->settings.on_demand && generation->trouble.start_ns == 0);
}

bool
service_is_available(const struct service *service)
{
	const struct generation *generation = service->generation;

	if (service->drained || generation == NULL || !has_workers(generation) ||
	    generation->sending_over || service_breaker_refuses(service))
		return false;
	return service->queued < service->settings.queue_limit ||
	    (service->queued == 0 && generation_lease_has_room(generation));
}

static void
count_queued(struct service *service, int more)
{
	service->queued += (uint32_t)more;
	service->router->queued += (uint32_t)more;
	if (service->router->meter.active)
		stats_set(&service->place->queued, service->queued);
}

static void
enqueue(struct service *service, struct request *request, bool first)
{
	if (first)
		TAILQ_INSERT_HEAD(&service->fifo, request, entry);
	else
		TAILQ_INSERT_TAIL(&service->fifo, request, entry);
	count_queued(service, 1);
	if (request->wait_until_ns == 0)
		request->wait_until_ns = service->router->loop.now_ns +
		    service->settings.queue_timeout_ns;
	connection_wait(request->connection, request, request->wait_until_ns);
	load_begins(service);
	router_title_touch(service->router);
}

void
service_take(struct service *service, struct request *request)
{
	TAILQ_INSERT_TAIL(&service->fifo, request, entry);
	count_queued(service, 1);
}

static void
dequeue(struct service *service, struct request *request)
{
	TAILQ_REMOVE(&service->fifo, request, entry);
	count_queued(service, -1);
	router_title_touch(service->router);
}

/* A removed service's last generation goes when nothing waits for it. */
static void
check_retiring(struct service *service)
{
	if (service->queued == 0 && service->generation != NULL &&
	    service->generation->retiring)
		generation_retire(service->generation);
}

void
service_withdraw(struct service *service, struct request *request)
{
	dequeue(service, request);
	check_retiring(service);
}

static void
refuse(struct request *request, enum stats_refusal why, const char *detail)
{
	struct connection *connection = request->connection;
	unsigned status = stats_refusal_status(why);

	meter_refused(request->service, why);
	connection_refuse(connection, status, detail);
	request_free(request);
}

/*
 * Whether as much was read from the connection as its requests so far had.
 * Bytes that come between the two looks of a sample make it too small, or too
 * large when the looks are taken in the other order: the truth lies between.
 */
static bool
is_in_step(const struct connection *connection, const struct tcp_sample *before)
{
	struct tcp_sample after;

	if (before->consumed == connection->consumed)
		return true;
	return tcp_sample_after(connection->io.fd, &after) &&
	    (int64_t)(connection->consumed - before->consumed) >= 0 &&
	    (int64_t)(after.consumed - connection->consumed) >= 0;
}

/*
 * At the lease: what the kernel says about the socket.  A worker that read
 * more or less than its request has left the connection where no next request
 * can be trusted to begin.
 */
static bool
sample(struct request *request)
{
	struct connection *connection = request->connection;

	request->sampled = !connection->is_unix &&
	    tcp_sample_before(connection->io.fd, &request->before);
	if (!request->sampled || request->counted)
		return true;
	request->counted = true;
	if (connection->tracked) {
		if (!is_in_step(connection, &request->before))
			return false;
		request->before.consumed = connection->consumed;
	}
	connection->tracked = request->msg.body_len != LEASE_BODY_CHUNKED;
	connection->consumed = request->before.consumed + request->msg.head_len +
	    request->msg.body_len;
	return true;
}

/* Who takes the next request; NULL: nobody has room. */
static struct generation *
with_room(const struct service *service)
{
	if (service->generation != NULL && generation_lease_has_room(service->generation))
		return service->generation;
	if (service->sharer != NULL && generation_lease_has_room(service->sharer))
		return service->sharer;
	return NULL;
}

enum lease_try { LEASED, NO_ROOM, ENDED };

static enum lease_try
try_lease(struct service *service, struct request *request)
{
	struct generation *generation = with_room(service);

	if (generation == NULL)
		return NO_ROOM;
	if (!sample(request)) {
		service->router->stats.out_of_step++;
		log_debug("service %s: a worker left a connection out of step",
		    service->name);
		connection_cut(request->connection);
		request_free(request);
		return ENDED;
	}
	connection_change_hands(request->connection, generation->id);
	return generation_lease_send(generation, request) == 0 ? LEASED : NO_ROOM;
}

void
service_submit(struct service *service, struct request *request)
{
	request->service = service;
	request->msg.queued_ns = service->router->loop.now_ns;
	if (service->drained) {
		request->retry_after_s = DRAINED_S;
		refuse(request, STATS_DRAINED, "the service is drained");
		return;
	}
	if (!guard_admit(request)) {
		service_turn_away(request);
		return;
	}
	if (service->queued == 0 && try_lease(service, request) != NO_ROOM)
		return;
	if (service->queued >= service->settings.queue_limit)
		refuse(request, STATS_QUEUE_FULL, "the queue of the service is full");
	else
		enqueue(service, request, false);
}

void
service_put_back(struct service *service, struct request *request)
{
	/* what comes back to an open breaker is not tried again */
	if (guard_is_open(service))
		service_turn_away(request);
	else
		enqueue(service, request, true);
}

void
service_pump(struct service *service)
{
	struct request *request;

	while ((request = TAILQ_FIRST(&service->fifo)) != NULL &&
	    with_room(service) != NULL) {
		dequeue(service, request);
		if (try_lease(service, request) == NO_ROOM) {
			service_put_back(service, request);
			break;
		}
	}
	check_retiring(service);
}

void
service_activate(struct service *service)
{
	guard_activate(service);
	service_pump(service);
	if (service->queued > 0)
		load_begins(service);
}

void
service_switch(struct service *service, struct generation *generation)
{
	service->generation = generation;
	service->settings = generation->settings;
	guard_reset(service);
	service_pump(service);
	/* what waits is this one's to care for now */
	if (service->queued > 0 && service->settings.tell_load)
		tell_load(service);
}

void
service_share(struct service *service, struct generation *sharer)
{
	service->sharer = sharer;
	service_pump(service);
}

void
service_give_up(struct service *service)
{
	struct request *request;

	while ((request = TAILQ_FIRST(&service->fifo)) != NULL) {
		dequeue(service, request);
		refuse(request, STATS_REMOVED, "the service was removed");
	}
}

void
service_turn_away(struct request *request)
{
	struct service *service = request->service;

	service->router->stats.breaker_refused++;
	request->retry_after_s = breaker_retry_after_s(&service->breaker,
	    service->router->loop.now_ns);
	refuse(request, STATS_BREAKER_OPEN,
	    "the service fails; its circuit breaker is open");
}

void
service_shed(struct service *service)
{
	struct request *request;

	while ((request = TAILQ_FIRST(&service->fifo)) != NULL) {
		dequeue(service, request);
		service_turn_away(request);
	}
	check_retiring(service);
}

bool
service_breaker_refuses(const struct service *service)
{
	return guard_refuses(service);
}

static void
refused_by_worker(struct request *request)
{
	request->wait_until_ns = 0;
	if (++request->refusals >= REFUSALS_MAX)
		refuse(request, STATS_NOT_TAKEN, "no worker could take the request");
	else
		service_put_back(request->service, request);
}

/* The worker left the rest of its response in its memfd. */
static void
send_rest(struct request *request, const struct lease_done *done, pid_t sender, bool keep)
{
	struct connection *connection = request->connection;
	struct rest_file *file = generation_rest_of(request->generation, sender);
	struct rest unwanted;

	if (!rest_is_valid(file, done->rest_off, done->rest_len)) {
		log_warn("service %s: process %d named a rest of its response that is "
			 "not there",
		    request->service->name, (int)sender);
		connection_cut(connection);
	} else if (connection->ended) {
		rest_begin(&unwanted, file, done->rest_off, done->rest_len);
		rest_end(&unwanted);
		connection_close(connection);
	} else {
		connection->router->stats.rests++;
		connection_send_rest(connection, file, done->rest_off, done->rest_len,
		    keep, request->service->settings.client_timeout_ns);
	}
}

void
service_done(struct request *request, const struct lease_done *done, pid_t sender)
{
	struct connection *connection = request->connection;
	bool keep;

	if (done->flags & LEASE_DONE_REFUSED) {
		refused_by_worker(request);
		return;
	}
	meter_answered(request, done);
	keep = (done->flags & LEASE_DONE_KEEP) != 0 &&
	    (request->msg.flags & LEASE_KEEP) != 0 &&
	    request->msg.body_len != LEASE_BODY_CHUNKED;
	access_log_done(request, done, sender, keep && !connection->ended);
	guard_end_status(request, connection->ended ? 0 : done->status);
	if (done->rest_len > 0)
		send_rest(request, done, sender, keep);
	else if (connection->ended)
		connection_close(connection);
	else
		connection_resume(connection, keep);
	request_free(request);
}

void
service_detached(struct request *request, const struct lease_done *done, pid_t sender)
{
	struct connection *connection = request->connection;

	access_log_done(request, done, sender, false);
	meter_answered(request, done);
	guard_end_status(request, done->status);
	connection->router->detached++;
	request->detached = true;
	request->connection = NULL;
	connection_release(connection);
}

/* Discards what a dead worker left of a head that it had begun to read, for
 * the next worker gets the head in its message. */
static bool
discard_head(struct request *request, uint64_t consumed)
{
	char buf[4096];
	uint64_t left;
	ssize_t n;

	if (consumed >= request->msg.head_len) {
		if (consumed > request->msg.head_len)
			request->msg.flags &= ~(uint32_t)LEASE_KEEP;
		return true;
	}
	for (left = request->msg.head_len - consumed; left > 0; left -= (uint64_t)n) {
		n = recv(request->connection->io.fd, buf,
		    left < sizeof(buf) ? left : sizeof(buf), MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return false;
	}
	return true;
}

enum fate { FATE_AGAIN, FATE_REPLAY, FATE_ERROR, FATE_CUT, FATE_WHOLE };

/* Whether the client has all of the answer: as many bytes as the worker said
 * it would have.  *done is what the worker did not come to say. */
static bool
is_whole(const struct request *request, uint64_t written, const struct tcp_sample *after,
    struct lease_done *done)
{
	const struct connection *connection = request->connection;
	uint64_t answer = generation_board_answer(request);

	if (LEASE_ANSWER_BYTES(answer) != written)
		return false;
	done->status = (uint16_t)LEASE_ANSWER_STATUS(answer);
	done->bytes = written;
	if (LEASE_ANSWER_KEEP(answer) && connection->tracked &&
	    connection->consumed == after->consumed)
		done->flags = LEASE_DONE_KEEP;
	return true;
}

/* What may be done for a request whose worker died: only what the kernel's
 * counts prove to be safe. */
static enum fate
fate_of(struct request *request, struct lease_done *done)
{
	struct tcp_sample after;
	uint64_t written, consumed;

	if (!request->sampled || !tcp_sample_after(request->connection->io.fd, &after))
		return FATE_CUT;
	written = after.written - request->before.written;
	consumed = after.consumed - request->before.consumed;
	if (written > 0)
		return is_whole(request, written, &after, done) ? FATE_WHOLE : FATE_CUT;
	if (request->retries >= request->service->settings.retries)
		return FATE_ERROR;
	if (consumed == 0)
		return FATE_AGAIN;
	if (!request->replayable)
		return FATE_ERROR;
	if (!(request->msg.flags & LEASE_REPLAY) && !discard_head(request, consumed))
		return FATE_CUT;
	return FATE_REPLAY;
}

void
service_lost(struct request *request, bool taken, bool timed_out)
{
	struct router_stats *stats = &request->service->router->stats;
	struct lease_done done = { .type = LEASE_DONE, .flags = LEASE_DONE_CLOSE };
	enum fate fate = taken ? fate_of(request, &done) : FATE_AGAIN;

	/* of several requests that the worker had, the others are not to blame */
	if (request->service->settings.concurrency > 1 && request->reported_ns == 0)
		timed_out = false;
	if (timed_out && fate != FATE_CUT && fate != FATE_WHOLE)
		fate = FATE_ERROR;
	if (taken && request->retries > 0 && (fate == FATE_AGAIN || fate == FATE_REPLAY))
		stats->second_retry++;
	request->retries += taken ? 1 : 0;
	request->wait_until_ns = 0;
	switch (fate) {
	case FATE_AGAIN:
		stats->retried++;
		stats_add(&request->service->place->retried, 1);
		service_put_back(request->service, request);
		break;
	case FATE_REPLAY:
		stats->replayed++;
		stats_add(&request->service->place->replayed, 1);
		request->msg.flags |= LEASE_REPLAY;
		service_put_back(request->service, request);
		break;
	case FATE_ERROR:
		stats->lost_502++;
		guard_end(request, BREAKER_FAILED);
		refuse(request, timed_out ? STATS_WORKER_LATE : STATS_WORKER_DIED,
		    timed_out ? "the worker took too long" : "the worker died");
		break;
	case FATE_WHOLE:
		stats->lost_whole++;
		connection_uncork(request->connection);
		service_done(request, &done, 0);
		break;
	case FATE_CUT:
		stats->lost_cut++;
		stats_add(&request->service->place->cut, 1);
		guard_end(request, BREAKER_FAILED);
		access_log_cut(request);
		connection_cut(request->connection);
		request_free(request);
		break;
	}
}
