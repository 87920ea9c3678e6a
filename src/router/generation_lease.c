/* SPDX-License-Identifier: ISC */
#include "router/generation_lease.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/msg.h"
#include "router/connection.h"
#include "router/generation.h"
#include "router/generation_board.h"
#include "router/listener.h"
#include "router/router.h"
#include "router/service.h"
#include "router/settle.h"

/* Leases beyond what workers can answer at once are sent ahead while requests
 * are short: as many as are answered within so long, so that a busy worker
 * finds its next one without waiting for us. */
#define PREFETCH_NS  (MS_NS / 2)
#define PREFETCH_MAX 16 /* for each worker */

static void
count_lease(struct generation *generation, int more)
{
	struct service *service = generation->service;

	generation->lease_count += (uint32_t)more;
	service->in_flight += (uint32_t)more;
	if (generation->router->meter.active)
		stats_set(&service->place->in_flight, service->in_flight);
}

static uint32_t
take_slot(struct generation *generation)
{
	return generation->free_slots[--generation->free_count];
}

void
generation_lease_add(struct generation *generation, struct request *request)
{
	request->generation = generation;
	generation->by_slot[request->msg.slot] = request;
	TAILQ_INSERT_TAIL(&generation->leases, request, entry);
	count_lease(generation, 1);
}

static void
give_slot(struct generation *generation, uint32_t slot)
{
	generation_board_set(generation, slot, LEASE_SLOT_FREE);
	generation->free_slots[generation->free_count++] = slot;
}

static void
remove_lease(struct generation *generation, struct request *request)
{
	TAILQ_REMOVE(&generation->leases, request, entry);
	count_lease(generation, -1);
	generation->by_slot[request->msg.slot] = NULL;
	give_slot(generation, request->msg.slot);
	if (request->msg.sequence > generation->taken_sequence)
		generation->taken_sequence = request->msg.sequence;
}

static void
end_detached(struct generation *generation, const struct request *request)
{
	if (!request->detached)
		return;
	generation->router->detached--;
	listeners_resume(generation->router);
}

bool
generation_lease_end(struct generation *generation, struct request *request)
{
	remove_lease(generation, request);
	if (request->connection != NULL)
		return true;
	end_detached(generation, request);
	request_free(request);
	return false;
}

void
generation_lease_lost(struct generation *generation, struct request *request, bool taken,
    bool timed_out)
{
	if (generation_lease_end(generation, request))
		service_lost(request, taken, timed_out);
}

static uint32_t
prefetch(const struct generation *generation)
{
	uint64_t count;

	if (generation->mean_ns >= GENERATION_LEASE_SHORT_NS)
		return 0;
	count = 1 + PREFETCH_NS / (generation->mean_ns + 1);
	return count < PREFETCH_MAX ? (uint32_t)count : PREFETCH_MAX;
}

bool
generation_lease_has_room(const struct generation *generation)
{
	uint32_t limit = generation->ready * generation->settings.concurrency;

	if (generation->sending_over || generation->ready == 0 ||
	    generation->free_count == 0)
		return false;
	return generation->lease_count < limit + generation->ready * prefetch(generation);
}

static int
send_lease(struct generation *generation, struct request *request)
{
	bool replay = (request->msg.flags & LEASE_REPLAY) != 0;
	struct iovec iov[2] = {
		{ .iov_base = &request->msg, .iov_len = sizeof(request->msg) },
		{ .iov_base = request->tail,
		    .iov_len = replay ? request->tail_len : request->head_off },
	};

	return msg_sendv(generation->queue_fd, iov, 2, &request->connection->io.fd, 1,
	    MSG_DONTWAIT);
}

int
generation_lease_send(struct generation *generation, struct request *request)
{
	struct router *router = generation->router;
	struct lease_msg *msg = &request->msg;

	msg->slot = take_slot(generation);
	msg->serial = LEASE_SERIAL(router->epoch, ++router->counter);
	msg->sequence = generation->sequence + 1;
	msg->leased_ns = util_now_ns();
	generation_board_fill(generation, request);
	if (send_lease(generation, request) == -1) {
		give_slot(generation, msg->slot);
		if (errno != EAGAIN && errno != ETOOMANYREFS)
			log_warn("service %s: cannot lease: %s", request->service->name,
			    strerror(errno));
		else if (!loop_timer_is_set(&generation->check_timer))
			loop_timer_set(&router->loop, &generation->check_timer,
			    router->loop.now_ns + SETTLE_UNCLAIMED_NS);
		return -1;
	}
	generation_board_set(generation, msg->slot, LEASE_SLOT_SENT);
	generation->sequence++;
	request->leased_ns = msg->leased_ns;
	router->stats.leases++;
	generation_lease_add(generation, request);
	connection_leased(request->connection);
	if (!loop_timer_is_set(&generation->check_timer))
		loop_timer_set(&router->loop, &generation->check_timer,
		    router->loop.now_ns + SETTLE_UNCLAIMED_NS);
	return 0;
}
