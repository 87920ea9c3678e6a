/* SPDX-License-Identifier: ISC */
#include "router/watch.h"

#include <stdbool.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/tcp.h"
#include "common/util.h"
#include "router/connection.h"
#include "router/generation.h"
#include "router/generation_board.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"
#include "router/settle.h"

/* A worker that was reported is looked at again after so long, should it have
 * survived (it had just finished, say). */
#define REPORT_AGAIN_NS (1000 * MS_NS)
/* A lease past slow_threshold that no worker has yet. */
#define UNCLAIMED_AGAIN_NS (100 * MS_NS)

static const struct service_settings *
settings_of(const struct request *request)
{
	return &request->service->settings;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the worker's time is over; UINT64_MAX: never. */
static uint64_t
worker_deadline_ns(const struct request *request)
{
	uint64_t timeout_ns = settings_of(request)->request_timeout_ns;

	if (timeout_ns == 0)
		return UINT64_MAX;
	if (request->reported_ns != 0)
		return request->reported_ns + REPORT_AGAIN_NS;
	return generation_board_taken_ns(request) + timeout_ns;
}

static void
set_deadline(struct connection *connection, uint64_t look_ns)
{
	uint64_t worker_ns = worker_deadline_ns(connection->request);

	look_ns = earlier(look_ns, connection->request->slow_ns);
	connection_set_deadline(connection, earlier(worker_ns, look_ns));
}

void
watch_begin(struct connection *connection)
{
	struct request *request = connection->request;
	uint64_t now_ns = connection->router->loop.now_ns;

	request->reported_ns = 0;
	request->progress_ns = now_ns;
	request->acked = request->received = 0;
	request->slow_ns = settings_of(request)->slow_threshold_ns;
	request->slow_ns = request->slow_ns != 0 ? now_ns + request->slow_ns : UINT64_MAX;
	set_deadline(connection, now_ns + settings_of(request)->client_timeout_ns / 2);
}

/*
 * Does it wait for the client?  It does if something that was written is not
 * acknowledged, or a body of known length has not all arrived; the client is
 * slow if nothing of that kind has moved since the last progress.
 */
static bool
client_is_slow(struct connection *connection)
{
	struct request *request = connection->request;
	uint64_t now_ns = connection->router->loop.now_ns;
	struct tcp_progress progress;
	bool owes_acks, owes_body;

	if (connection->is_unix || !tcp_progress_read(connection->io.fd, &progress))
		return false;
	owes_acks = progress.unacked > 0;
	owes_body = request->sampled && !progress.ended &&
	    request->msg.body_len != LEASE_BODY_CHUNKED &&
	    progress.received <
		request->before.consumed + request->msg.head_len + request->msg.body_len;
	if ((!owes_acks && !owes_body) || progress.acked != request->acked ||
	    progress.received != request->received) {
		request->acked = progress.acked;
		request->received = progress.received;
		request->progress_ns = now_ns;
		return false;
	}
	return now_ns - request->progress_ns >= settings_of(request)->client_timeout_ns;
}

/* It is the client that ends, not the worker: that gets EPIPE or an end of
 * file within a millisecond, and says DONE. */
static void
end_client(struct connection *connection)
{
	struct router *router = connection->router;

	router->stats.slow_clients++;
	log_info("service %s: a client that took or sent nothing for %llu s is "
		 "ended",
	    connection->request->service->name,
	    (unsigned long long)(settings_of(connection->request)->client_timeout_ns /
		(1000 * MS_NS)));
	shutdown(connection->io.fd, SHUT_RDWR);
	connection->ended = true;
}

/* The lease was looked at from when it was sent; its worker may have taken it
 * later, or nobody yet. */
static void
tell_slow(struct request *request, uint64_t now_ns)
{
	uint64_t due_ns = generation_board_taken_ns(request) +
	    settings_of(request)->slow_threshold_ns;

	if (now_ns < due_ns)
		request->slow_ns = due_ns;
	else if (settle_report_slow(request))
		request->slow_ns = UINT64_MAX;
	else
		request->slow_ns = now_ns + UNCLAIMED_AGAIN_NS;
}

void
watch_lease(struct connection *connection)
{
	struct request *request = connection->request;
	uint64_t now_ns = connection->router->loop.now_ns;
	uint64_t step_ns = settings_of(request)->client_timeout_ns / 2;

	if (now_ns >= request->slow_ns)
		tell_slow(request, now_ns);
	if (now_ns >= worker_deadline_ns(request)) {
		request->reported_ns = now_ns;
		settle_report_stuck(request);
	}
	if (!connection->ended && client_is_slow(connection))
		end_client(connection);
	set_deadline(connection, now_ns + step_ns);
}
