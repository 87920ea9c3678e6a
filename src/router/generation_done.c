/* SPDX-License-Identifier: ISC */
#include "router/generation_done.h"

#include <string.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/phases.h"
#include "router/generation.h"
#include "router/generation_board.h"
#include "router/generation_lease.h"
#include "router/outlier.h"
#include "router/router.h"
#include "router/service.h"

#define DONE_BATCHES 8 /* of MSG_RECV_MAX messages, for one wake-up */

/* As it is received: with the text of the phases behind it, or a part of both. */
union done_buf {
	struct lease_done done;
	char bytes[sizeof(struct lease_done) + LEASE_PHASES_SIZE];
};

static void
ask_to_kill(struct generation *generation, pid_t pid, uint32_t why)
{
	struct role_kill kill = { .type = ROLE_KILL,
		.generation = generation->id,
		.pid = pid,
		.why = why };

	channel_send(&generation->router->supervisor, &kill, sizeof(kill), NULL, 0);
}

/* An answer to an earlier router is late, not wrong: once for each lease. */
static bool
is_late(struct generation *generation, const struct lease_done *done)
{
	uint16_t age = (uint16_t)(generation->router->epoch - LEASE_EPOCH(done->serial));

	return age > 0 && age <= INT16_MAX &&
	    ++generation->late_count <= generation->slot_count;
}

/* Notes that a process is reported; returns whether it was before.  Processes
 * that are no workers (their children, perhaps) share one note. */
static bool
was_reported(struct generation *generation, pid_t pid)
{
	pid_t *note = &generation->stranger;
	bool was;

	for (uint32_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].pid == pid)
			note = &generation->workers[i].reported;
	was = *note == pid;
	*note = pid;
	return was;
}

static void
forged(struct generation *generation, const struct lease_done *done, pid_t pid)
{
	struct router *router = generation->router;

	if (done->type == LEASE_DONE && is_late(generation, done))
		return;
	router->stats.forged++;
	if (was_reported(generation, pid))
		return; /* what it sent before it was killed */
	log_warn("service %s: process %d sent DONE for a lease that does not "
		 "exist (slot %u, serial %llx)",
	    generation->service->name, (int)pid, done->slot,
	    (unsigned long long)done->serial);
	ask_to_kill(generation, pid, ROLE_KILL_FORGED);
}

static void
update_mean(struct generation *generation, const struct request *request,
    const struct lease_done *done)
{
	uint64_t now_ns = generation->router->loop.now_ns;
	uint64_t taken_ns = generation_board_taken_ns(request);
	uint64_t took_ns = now_ns > taken_ns ? now_ns - taken_ns : 0;
	uint64_t told_ns = (uint64_t)done->service_us * 1000;

	/* ours has the time in it that DONE waited to be read */
	if (told_ns > 0 && told_ns < took_ns)
		took_ns = told_ns;

	generation->mean_ns = (generation->mean_ns * 7 + took_ns) / 8;
}

/* Bad phases are not worth a worker's life. */
static void
read_phases(struct request *request, const union done_buf *buf, size_t len)
{
	const char *text = buf->bytes + sizeof(buf->done);
	struct phases phases;

	if (len > sizeof(buf->done) &&
	    phases_parse(&phases, text, len - sizeof(buf->done)))
		request_keep_phases(request, &phases);
}

static void
handle_done(struct generation *generation, const union done_buf *buf, size_t len,
    pid_t sender)
{
	const struct lease_done *done = &buf->done;
	struct request *request;

	if (len < sizeof(*done) || done->type != LEASE_DONE ||
	    done->slot >= generation->slot_count ||
	    (request = generation->by_slot[done->slot]) == NULL ||
	    request->msg.serial != done->serial) {
		forged(generation, done, sender);
		return;
	}
	if (request->connection != NULL) {
		read_phases(request, buf, len);
		update_mean(generation, request, done);
		outlier_note(generation, request, done, sender);
	}
	if (done->status != 0)
		generation->answered_ns = generation->router->loop.now_ns;
	if ((done->flags & LEASE_DONE_DETACHED) && request->connection != NULL) {
		/* the worker is busy until it says DONE once more */
		service_detached(request, done, sender);
		return;
	}
	if (generation_lease_end(generation, request))
		service_done(request, done, sender);
}

/* Returns whether there may be more. */
static bool
receive_done(struct generation *generation)
{
	union done_buf batch[MSG_RECV_MAX];
	size_t lens[MSG_RECV_MAX];
	pid_t senders[MSG_RECV_MAX];
	int n;

	n = msg_recv_batch(generation->done.fd, batch, sizeof(batch[0]), MSG_RECV_MAX,
	    lens, senders);
	for (int i = 0; i < n; i++) {
		/* the supervisor closed the other end, and FORGET is near; an
		 * empty message has a sender */
		if (lens[i] == 0 && senders[i] == 0)
			return false;
		if (lens[i] < sizeof(batch[i].done)) /* it is shown in the log */
			memset(batch[i].bytes + lens[i], 0,
			    sizeof(batch[i].done) - lens[i]);
		handle_done(generation, &batch[i], lens[i], senders[i]);
	}
	return n == MSG_RECV_MAX;
}

void
generation_done_read(void *owner, uint32_t events)
{
	struct generation *generation = owner;

	(void)events;
	for (int i = 0; i < DONE_BATCHES; i++)
		if (!receive_done(generation))
			break;
	service_pump(generation->service);
}

/* Bounded: a worker that floods does not keep us here. */
void
generation_done_drain(struct generation *generation)
{
	for (uint32_t i = 0; i < 64 + generation->slot_count; i++)
		if (!receive_done(generation))
			break;
}
