/* SPDX-License-Identifier: ISC */
#include "router/body.h"

#include <linux/sockios.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/util.h"
#include "router/connection.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"

#define SECOND_NS     (1000 * MS_NS)
#define RATE_GRACE_NS (5 * SECOND_NS) /* before body_min_rate counts */

static uint64_t
wanted_bytes(const struct request *request)
{
	return request->msg.head_len + request->msg.body_len;
}

/* SO_RCVLOWAT does not gate epoll on unix sockets, and a client that expects
 * 100 waits for the worker. */
static bool
is_gated(const struct connection *connection)
{
	const struct request *request = connection->request;

	return request->msg.body_len > 0 && !connection->is_unix &&
	    request->msg.body_len <= request->service->settings.body_buffer &&
	    !(request->msg.flags & LEASE_EXPECT);
}

static uint64_t
unread_bytes(const struct connection *connection)
{
	int unread;

	return ioctl(connection->io.fd, SIOCINQ, &unread) == 0 && unread > 0 ?
	    (uint64_t)unread :
	    0;
}

static uint64_t
deadline_ns(const struct request *request)
{
	const struct service_settings *settings = &request->service->settings;
	uint64_t limit_ns = settings->body_timeout_ns, rate_ns;

	if (settings->body_min_rate > 0) {
		rate_ns = RATE_GRACE_NS +
		    wanted_bytes(request) * SECOND_NS / settings->body_min_rate;
		if (rate_ns < limit_ns)
			limit_ns = rate_ns;
	}
	return request->msg.accepted_ns + limit_ns;
}

static void
submit(struct connection *connection)
{
	struct request *request = connection->request;

	if (connection->lowat_set)
		connection_set_lowat(connection, 1); /* workers obey it too */
	service_submit(request->service, request);
}

void
body_await(struct connection *connection)
{
	struct request *request = connection->request;

	if (!is_gated(connection) || connection->peeked >= wanted_bytes(request) ||
	    unread_bytes(connection) >= wanted_bytes(request)) {
		submit(connection);
		return;
	}
	connection_enter(connection, CONNECTION_BODY);
	connection_set_deadline(connection, deadline_ns(request));
	/* the kernel grants what the receive buffer can hold; woken with less
	 * than all, the worker reads the rest as it comes */
	connection_set_lowat(connection, wanted_bytes(request));
	connection_await_input(connection);
}

static void
refuse(struct connection *connection, enum stats_refusal why, const char *detail)
{
	struct request *request = connection->request;
	unsigned status = stats_refusal_status(why);

	meter_refused(request->service, why);
	connection_refuse(connection, status, detail);
	request_free(request);
}

void
body_arrived(struct connection *connection, uint32_t events)
{
	struct request *request = connection->request;

	if (events & (EPOLLHUP | EPOLLERR)) {
		request_free(request);
		connection_close(connection);
	} else if ((events & EPOLLRDHUP) &&
	    unread_bytes(connection) < wanted_bytes(request)) {
		refuse(connection, STATS_BODY_CUT, "the request ends in its body");
	} else {
		submit(connection);
	}
}

void
body_timed_out(struct connection *connection)
{
	refuse(connection, STATS_BODY_LATE, "the body took too long");
}
