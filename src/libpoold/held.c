/* SPDX-License-Identifier: ISC */
#include "libpoold/held.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "common/msg.h"
#include "libpoold/lease_check.h"
#include "libpoold/leased.h"

/* --- the beginning ----------------------------------------------------- */

/* The lease is over for the router, but this worker is busy until it says DONE
 * once more. */
static int
detach(struct poold_request *req)
{
	struct leased *l = req->lender;
	struct lease_done done = { .type = LEASE_DONE,
		.flags = LEASE_DONE_DETACHED,
		.serial = req->lease.serial,
		.slot = req->lease.slot,
		.status = (uint16_t)req->response.status,
		.bytes = req->response.bytes };

	if (req->lease.type != LEASE_LEASE)
		return 0;
	held_over(req); /* no time limit any more */
	if (l->detach != NULL)
		return l->detach(l, req, &done);
	return msg_send(LEASE_FD_DONE, &done, sizeof(done), 0);
}

/* The router may be of an earlier poold, and know nothing of spans. */
static void
take_trace(struct poold_request *req, const struct lease_msg *msg)
{
	memcpy(req->trace_id, msg->request_id, sizeof(req->trace_id));
	util_hex(msg->request_id, sizeof(msg->request_id), req->id);
	req->sampled = (msg->flags & LEASE_SAMPLED) != 0;
	if (LEASE_MSG_HAS(msg, span_id))
		memcpy(req->span_id, msg->span_id, sizeof(req->span_id));
	else
		util_random(req->span_id, sizeof(req->span_id));
	req->queued_ns = LEASE_MSG_HAS(msg, queued_ns) ? msg->queued_ns :
							 msg->accepted_ns;
	req->timing.shown = (msg->flags & LEASE_SERVER_TIMING) != 0;
}

/* Gets the head and makes the request of it; -1: the client left. */
static int
open_request(struct leased *l, struct poold_request *req, int fd)
{
	const struct lease_msg *msg = l->msg;
	const char *path = lease_check_path(msg);
	struct request_index index = { .method = msg->method,
		.target = msg->target,
		.query = msg->query,
		.host = msg->host,
		.fields = lease_check_fields(msg),
		.field_count = msg->field_count,
		.body_len = msg->body_len,
		.body_max = msg->body_max,
		.minor = msg->flags & LEASE_HTTP10 ? 0 : 1,
		.keep = (msg->flags & LEASE_KEEP) != 0,
		.expect = (msg->flags & LEASE_EXPECT) != 0 };

	req->in.pos = 0;
	req->in.len = msg->head_len;
	if (msg->flags & LEASE_REPLAY)
		memcpy(req->in.buf, path + msg->path_len, msg->head_len);
	else if (l->peek) {
		if (raw_peek(req, fd, msg->head_len) == -1)
			return -1;
	} else if (io_recv_exactly(fd, req->in.buf, msg->head_len, HEAD_TIMEOUT_MS) == -1)
		return -1;
	if (l->keep_heads && raw_keep(req, fd, msg, l->peek) == -1)
		return -1;
	request_open(req, fd, &index, msg->head_len);
	memcpy(req->path, path, msg->path_len);
	request_route(req, msg->path_len, msg->prefix_len);
	take_trace(req, msg);
	req->peer->client = msg->client;
	req->peer->local = msg->local;
	req->peer->local_known = true;
	req->arrived_ns = msg->accepted_ns;
	req->started_ns = req->lease.taken_ns;
	req->on_detach = detach;
	req->lender = l;
	return 0;
}

/* Tells the scoreboard who has the lease: first of all, since from here on the
 * request is lost with this process. */
static void
tell_owner(struct leased *l, struct poold_request *req)
{
	const struct lease_msg *msg = l->msg;
	struct lease_held *held = &req->lease;
	struct lease_slot *slot;

	*held = (struct lease_held){ .type = msg->type,
		.slot = msg->slot,
		.serial = msg->serial,
		.taken_ns = util_now_ns(),
		.has_phases = msg->type == LEASE_LEASE && LEASE_MSG_HAS(msg, span_id) };
	timing_reset(&req->timing);
	/* A CHECK has no slot. */
	if (msg->type != LEASE_LEASE || msg->slot >= l->board.slot_count)
		return;
	slot = (struct lease_slot *)((char *)l->map + l->board.slot_off +
	    (size_t)msg->slot * l->board.slot_size);
	atomic_store_explicit(&slot->taken_ns, held->taken_ns, memory_order_relaxed);
	atomic_store_explicit(&slot->answer, 0, memory_order_relaxed);
	held->answer = &slot->answer;
	atomic_store_explicit(&slot->owner, LEASE_OWNER(msg->serial, l->worker),
	    memory_order_release);
}

enum held_begun
held_begin(struct leased *l, struct poold_request *req, size_t len, int fd,
    bool truncated)
{
	const struct lease_msg *msg = l->msg;

	if (len < LEASE_MSG_MIN) {
		poold_log(NULL, "a lease of %zu bytes was dropped", len);
		return HELD_DROPPED;
	}
	tell_owner(l, req);
	if (l->owned != NULL)
		l->owned(l, req);
	if (fd == -1 || truncated)
		poold_log(NULL, "lease %llx came without its connection",
		    (unsigned long long)msg->serial);
	else if (!lease_check_valid(msg, len) ||
	    (msg->type == LEASE_LEASE && msg->slot >= l->board.slot_count))
		poold_log(NULL, "lease %llx was not understood",
		    (unsigned long long)msg->serial);
	else
		return open_request(l, req, fd) == -1 ? HELD_LEFT : HELD_OPEN;
	return HELD_REFUSED;
}

/* --- the end ----------------------------------------------------------- */

/* One more; the worker is the only writer, so no locked instruction. */
static void
counter_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

void
held_fill_done(const struct poold_request *req, struct lease_done *done)
{
	uint64_t us = (util_now_ns() - req->lease.taken_ns) / 1000;

	done->type = LEASE_DONE;
	done->serial = req->lease.serial;
	done->slot = req->lease.slot;
	/* At least 1: 0 would mean not told. */
	done->service_us = us == 0 ? 1 : us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void
held_count(struct leased *l, const struct poold_request *req,
    const struct lease_done *done)
{
	struct lease_worker *me = l->me;

	if (req->lease.type == LEASE_CHECK)
		return;
	counter_add(&me->requests, 1);
	counter_add(&me->bytes, done->bytes);
	if (done->status >= 500)
		counter_add(&me->errors, 1);
}

void
held_over(struct poold_request *req)
{
	_Atomic uint64_t *answer = req->lease.answer;

	if (answer != NULL)
		atomic_store_explicit(answer,
		    atomic_load_explicit(answer, memory_order_relaxed) |
			LEASE_ANSWER_OVER,
		    memory_order_release);
}

int
held_send_done(const struct poold_request *req, int sock, struct lease_done *done,
    int flags)
{
	char text[LEASE_PHASES_SIZE];
	struct iovec iov[2] = { { .iov_base = done, .iov_len = sizeof(*done) },
		{ .iov_base = text } };

	if (req->lease.has_phases && !(done->flags & LEASE_DONE_REFUSED))
		iov[1].iov_len = phases_format(&req->timing.phases, text);
	return msg_sendv(sock, iov, iov[1].iov_len > 0 ? 2 : 1, NULL, 0, flags);
}
