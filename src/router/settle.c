/* SPDX-License-Identifier: ISC */
#include "router/settle.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/msg.h"
#include "common/util.h"
#include "router/generation.h"
#include "router/generation_board.h"
#include "router/generation_lease.h"
#include "router/router.h"
#include "router/service.h"

#define TELL_MAX 256 /* requests of a service in an answer */

/* Lost wake-ups: a wake-up given to a worker that died or was stopped before
 * it received is not passed on by the kernel. */
static void
kick(struct generation *generation)
{
	struct lease_signal signal = { .type = LEASE_KICK };

	generation->router->stats.kicks++;
	msg_send(generation->queue_fd, &signal, sizeof(signal), MSG_DONTWAIT);
}

static bool
queue_is_empty(struct generation *generation)
{
	int unread;

	return ioctl(generation->queue_fd, SIOCOUTQ, &unread) == 0 && unread == 0;
}

static void
note_taken(struct generation *generation)
{
	struct request *request;

	TAILQ_FOREACH (request, &generation->leases, entry)
		if (generation_board_owner(generation, request) != UINT32_MAX &&
		    request->msg.sequence > generation->taken_sequence)
			generation->taken_sequence = request->msg.sequence;
}

/*
 * Leases that left the queue but that nobody owns were taken by a worker that
 * died between recvmsg and its word in the slot: unless one that lives is
 * between the two right now.  Then it is looked at again soon.
 *
 * The order of the looks matters: what was received when the queue was looked
 * at has an owner by the time the owners are read, or a worker that was TAKING
 * in between.
 */
static void
settle_orphans(struct generation *generation)
{
	struct request *request, *next;
	uint64_t taken_sequence;
	bool empty, taking;

	note_taken(generation);
	taken_sequence = generation->taken_sequence;
	empty = queue_is_empty(generation);
	taking = generation_board_any_worker_is(generation, LEASE_WORKER_TAKING);
	generation->orphans = false;
	TAILQ_FOREACH_SAFE (request, &generation->leases, entry, next) {
		if (generation_board_owner(generation, request) != UINT32_MAX)
			continue;
		/* it may lie in the queue still; a later one that is taken will
		 * tell */
		if (taking || (!empty && request->msg.sequence >= taken_sequence))
			generation->orphans = true;
		else
			generation_lease_lost(generation, request, true, false);
	}
}

static void
settle_owned(struct generation *generation, uint32_t worker, bool timed_out)
{
	struct request *request, *next;

	TAILQ_FOREACH_SAFE (request, &generation->leases, entry, next)
		if (generation_board_owner(generation, request) == worker)
			generation_lease_lost(generation, request, true, timed_out);
}

void
settle_worker(struct generation *generation, uint32_t worker, bool timed_out)
{
	settle_owned(generation, worker, timed_out);
	settle_orphans(generation);
	if (generation->lease_count > 0)
		kick(generation);
}

static void
report(const struct request *request, uint32_t worker, uint32_t type)
{
	struct generation *generation = request->generation;
	char buf[sizeof(struct role_stuck) + ROLE_LINE_MAX];
	struct role_stuck role = { .type = type,
		.generation = generation->id,
		.worker = worker,
		.pid = generation->workers[worker].pid,
		.slot = request->msg.slot,
		.serial = request->msg.serial,
		.taken_ns = generation_board_taken_ns(request) };
	const struct lease_msg *msg = &request->msg;
	size_t from = msg->method.off;
	size_t to = (size_t)msg->target.off + msg->target.len;

	role.line_len = (uint32_t)(to - from < ROLE_LINE_MAX ? to - from : ROLE_LINE_MAX);
	memcpy(buf, &role, sizeof(role));
	memcpy(buf + sizeof(role), request_head(request) + from, role.line_len);
	if (type == ROLE_STUCK)
		generation->router->stats.timeouts++;
	else
		generation->router->stats.slow_requests++;
	channel_send(&generation->router->supervisor, buf, sizeof(role) + role.line_len,
	    NULL, 0);
}

void
settle_report_stuck(const struct request *request)
{
	struct generation *generation = request->generation;
	uint32_t owner = generation_board_owner(generation, request);

	if (owner < generation->worker_count && generation->workers[owner].pid != 0) {
		report(request, owner, ROLE_STUCK);
		return;
	}
	/* taken, but by whom?  One that is stopped between recvmsg and its
	 * word in the slot */
	note_taken(generation);
	if (!queue_is_empty(generation) &&
	    request->msg.sequence >= generation->taken_sequence)
		return;
	for (uint32_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].pid != 0 &&
		    generation_board_worker_state(generation, i) == LEASE_WORKER_TAKING)
			report(request, i, ROLE_STUCK);
}

bool
settle_report_slow(const struct request *request)
{
	struct generation *generation = request->generation;
	uint32_t owner = generation_board_owner(generation, request);

	if (owner >= generation->worker_count || generation->workers[owner].pid == 0)
		return false;
	report(request, owner, ROLE_SLOW);
	return true;
}

static void
tell_request(const struct request *request, uint32_t worker, uint32_t query)
{
	struct generation *generation = request->generation;
	const struct lease_msg *msg = &request->msg;
	const char *head = request_head(request);
	char buf[sizeof(struct role_request) + ROLE_REQUEST_MAX];
	struct role_request role = { .type = ROLE_REQUEST,
		.query = query,
		.generation = generation->id,
		.worker = worker,
		.pid = generation->workers[worker].pid,
		.serial = msg->serial };
	/* what stands in the query may be a secret */
	size_t from = msg->method.off,
	       len = msg->query.len > 0 ?
	    (size_t)msg->query.off - 1 - from :
	    (size_t)msg->target.off + msg->target.len - from;

	role.line_len = (uint32_t)(len < ROLE_REQUEST_MAX ? len : ROLE_REQUEST_MAX);
	memcpy(role.request_id, msg->request_id, sizeof(role.request_id));
	memcpy(buf, &role, sizeof(role));
	memcpy(buf + sizeof(role), head + from, role.line_len);
	channel_send(&generation->router->supervisor, buf, sizeof(role) + role.line_len,
	    NULL, 0);
}

void
settle_tell_requests(const struct service *service, uint32_t query)
{
	struct generation *generation;
	const struct request *request;
	unsigned told = 0;
	uint32_t owner;

	TAILQ_FOREACH (generation, &service->router->generations, entry) {
		if (generation->service != service)
			continue;
		TAILQ_FOREACH (request, &generation->leases, entry) {
			owner = generation_board_owner(generation, request);
			if (owner >= generation->worker_count ||
			    generation->workers[owner].pid == 0 ||
			    request->tail_len == 0 || told++ >= TELL_MAX)
				continue;
			tell_request(request, owner, query);
		}
	}
}

static bool
has_unclaimed(struct generation *generation, uint64_t before_ns)
{
	struct request *request;

	TAILQ_FOREACH (request, &generation->leases, entry)
		if (request->leased_ns <= before_ns &&
		    generation_board_owner(generation, request) == UINT32_MAX)
			return true;
	return false;
}

void
settle_check(void *owner)
{
	struct generation *generation = owner;
	struct loop *loop = &generation->router->loop;

	if (has_unclaimed(generation, loop->now_ns - SETTLE_UNCLAIMED_NS) &&
	    generation_board_any_worker_is(generation, LEASE_WORKER_IDLE))
		kick(generation);
	if (generation->orphans)
		settle_orphans(generation);
	service_pump(generation->service);
	if (generation->orphans || has_unclaimed(generation, UINT64_MAX))
		loop_timer_set(loop, &generation->check_timer,
		    loop->now_ns + SETTLE_UNCLAIMED_NS);
}
