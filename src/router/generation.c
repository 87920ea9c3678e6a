/* SPDX-License-Identifier: ISC */
#include "router/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/phases.h"
#include "common/util.h"
#include "router/connection.h"
#include "router/guard.h"
#include "router/listener.h"
#include "router/outlier.h"
#include "router/router.h"
#include "router/service.h"
#include "router/settle.h"

/* Leases beyond what workers can answer at once are sent ahead while requests
 * are short: as many as are answered within so long, so that a busy worker
 * finds its next one without waiting for us. */
#define PREFETCH_NS	 (MS_NS / 2)
#define PREFETCH_MAX	 16	     /* for each worker */
#define SHORT_SERVICE_NS (5 * MS_NS) /* one is sent ahead up to this */
#define DONE_BATCHES	 8	     /* of MSG_RECV_MAX messages, for one wake-up */

/* --- the scoreboard ---------------------------------------------------- */

static struct lease_slot *
slot_of(struct generation *generation, const struct request *request)
{
	return lease_slot_at(&generation->board, request->msg.slot);
}

/* Workers write this word: it is compared, never used as an index unchecked. */
uint32_t
generation_owner_of(struct generation *generation, const struct request *request)
{
	uint64_t owner = atomic_load_explicit(&slot_of(generation, request)->owner,
	    memory_order_acquire);

	if (!LEASE_OWNER_IS(owner, request->msg.serial))
		return UINT32_MAX;
	return LEASE_OWNER_WORKER(owner);
}

uint64_t
generation_taken_ns(const struct request *request)
{
	struct generation *generation = request->generation;
	uint64_t ns = atomic_load_explicit(&slot_of(generation, request)->taken_ns,
	    memory_order_relaxed);

	if (ns < request->leased_ns || ns > generation->router->loop.now_ns)
		return request->leased_ns;
	return ns;
}

uint64_t
generation_answer(const struct request *request)
{
	struct generation *generation = request->generation;

	/* without an owner the word may be that of an earlier lease */
	if (generation_owner_of(generation, request) == UINT32_MAX)
		return 0;
	return atomic_load_explicit(&slot_of(generation, request)->answer,
	    memory_order_acquire);
}

uint32_t
generation_worker_state(struct generation *generation, uint32_t worker)
{
	return atomic_load_explicit(&lease_worker_at(&generation->board, worker)->state,
	    memory_order_acquire);
}

bool
generation_any_worker_is(struct generation *generation, uint32_t state)
{
	for (uint32_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].pid != 0 &&
		    generation_worker_state(generation, i) == state)
			return true;
	return false;
}

/* --- leases under way -------------------------------------------------- */

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
generation_add_lease(struct generation *generation, struct request *request)
{
	request->generation = generation;
	generation->by_slot[request->msg.slot] = request;
	TAILQ_INSERT_TAIL(&generation->leases, request, entry);
	count_lease(generation, 1);
}

/* The lease is over; the request still knows its generation. */
static void
remove_lease(struct generation *generation, struct request *request)
{
	uint32_t slot = request->msg.slot;

	TAILQ_REMOVE(&generation->leases, request, entry);
	count_lease(generation, -1);
	generation->by_slot[slot] = NULL;
	atomic_store_explicit(&lease_slot_at(&generation->board, slot)->state,
	    LEASE_SLOT_FREE, memory_order_release);
	generation->free_slots[generation->free_count++] = slot;
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

void
generation_end_lost(struct generation *generation, struct request *request, bool taken,
    bool timed_out)
{
	remove_lease(generation, request);
	if (request->connection == NULL) {
		end_detached(generation, request);
		request_free(request);
	} else
		service_lost(request, taken, timed_out);
}

static uint32_t
prefetch(const struct generation *generation)
{
	uint64_t count;

	if (generation->mean_ns >= SHORT_SERVICE_NS)
		return 0;
	count = 1 + PREFETCH_NS / (generation->mean_ns + 1);
	return count < PREFETCH_MAX ? (uint32_t)count : PREFETCH_MAX;
}

bool
generation_has_room(const struct generation *generation)
{
	uint32_t limit = generation->ready * generation->settings.concurrency;

	if (generation->sending_over || generation->ready == 0 ||
	    generation->free_count == 0)
		return false;
	return generation->lease_count < limit + generation->ready * prefetch(generation);
}

static void
fill_slot(struct generation *generation, struct request *request)
{
	struct lease_slot *slot = slot_of(generation, request);
	uint64_t id[2];

	atomic_store_explicit(&slot->serial, request->msg.serial, memory_order_relaxed);
	/* whoever reads the id looks whether the serial is still the same */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&slot->sequence, request->msg.sequence,
	    memory_order_relaxed);
	atomic_store_explicit(&slot->deadline_ns, 0, memory_order_relaxed);
	if (generation->board.layout.slot_size >= sizeof(*slot)) {
		memcpy(id, request->msg.request_id, sizeof(id));
		atomic_store_explicit(&slot->request_id[0], id[0], memory_order_relaxed);
		atomic_store_explicit(&slot->request_id[1], id[1], memory_order_relaxed);
	}
	atomic_store_explicit(&slot->state, LEASE_SLOT_FILLED, memory_order_release);
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
generation_lease(struct generation *generation, struct request *request)
{
	struct router *router = generation->router;
	struct lease_msg *msg = &request->msg;

	msg->slot = take_slot(generation);
	msg->serial = LEASE_SERIAL(router->epoch, ++router->counter);
	msg->sequence = generation->sequence + 1;
	msg->leased_ns = util_now_ns();
	fill_slot(generation, request);
	if (send_lease(generation, request) == -1) {
		atomic_store_explicit(&slot_of(generation, request)->state,
		    LEASE_SLOT_FREE, memory_order_release);
		generation->free_slots[generation->free_count++] = msg->slot;
		if (errno != EAGAIN && errno != ETOOMANYREFS)
			log_warn("service %s: cannot lease: %s", request->service->name,
			    strerror(errno));
		else if (!loop_timer_is_set(&generation->check_timer))
			loop_timer_set(&router->loop, &generation->check_timer,
			    router->loop.now_ns + SETTLE_UNCLAIMED_NS);
		return -1;
	}
	atomic_store_explicit(&slot_of(generation, request)->state, LEASE_SLOT_SENT,
	    memory_order_release);
	generation->sequence++;
	request->leased_ns = msg->leased_ns;
	router->stats.leases++;
	generation_add_lease(generation, request);
	connection_leased(request->connection);
	if (!loop_timer_is_set(&generation->check_timer))
		loop_timer_set(&router->loop, &generation->check_timer,
		    router->loop.now_ns + SETTLE_UNCLAIMED_NS);
	return 0;
}

/* --- DONE -------------------------------------------------------------- */

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
	uint64_t taken_ns = generation_taken_ns(request);
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
	remove_lease(generation, request);
	if (request->connection == NULL) { /* adopted, or detached before */
		end_detached(generation, request);
		request_free(request);
		return;
	}
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

static void
on_done(void *owner, uint32_t events)
{
	struct generation *generation = owner;

	(void)events;
	for (int i = 0; i < DONE_BATCHES; i++)
		if (!receive_done(generation))
			break;
	service_pump(generation->service);
}

/* Everything that workers said before they died.  Bounded: a worker that
 * floods does not keep us here. */
static void
drain_done(struct generation *generation)
{
	for (uint32_t i = 0; i < 64 + generation->slot_count; i++)
		if (!receive_done(generation))
			break;
}

/* --- workers ----------------------------------------------------------- */

void
generation_worker_ready(struct generation *generation, uint32_t worker, pid_t pid,
    int rest_fd)
{
	struct worker_view *view;

	if (worker >= generation->worker_count) {
		if (rest_fd != -1)
			close(rest_fd);
		return;
	}
	view = &generation->workers[worker];
	if (rest_fd != -1) {
		rest_file_orphan(view->rest);
		view->rest = rest_file_new(rest_fd,
		    lease_worker_at(&generation->board, worker));
	}
	if (!view->ready)
		generation->ready++;
	view->pid = pid;
	view->failures = 0;
	view->ready = true;
	guard_ready(generation);
	service_pump(generation->service);
}

struct rest_file *
generation_rest_of(struct generation *generation, pid_t pid)
{
	for (uint32_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].pid == pid && pid != 0)
			return generation->workers[i].rest;
	return NULL;
}

void
generation_worker_leaving(struct generation *generation, uint32_t worker)
{
	if (worker >= generation->worker_count || !generation->workers[worker].ready)
		return;
	generation->workers[worker].ready = false;
	generation->ready--;
}

void
generation_worker_gone(struct generation *generation, uint32_t worker, bool timed_out)
{
	if (worker >= generation->worker_count)
		return;
	generation_worker_leaving(generation, worker);
	drain_done(generation); /* while its pid and its memfd are known */
	generation->workers[worker].reported = 0; /* its number may come back */
	generation->workers[worker].pid = 0;
	rest_file_orphan(generation->workers[worker].rest);
	generation->workers[worker].rest = NULL;
	settle_worker(generation, worker, timed_out);
	service_pump(generation->service);
}

/* --- life -------------------------------------------------------------- */

static bool
map_board(struct generation *generation, const struct lease_scoreboard *layout, int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) == -1 || (uint64_t)st.st_size < layout->size)
		return false;
	map = mmap(NULL, layout->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return false;
	generation->board.map = map;
	generation->board.layout = *layout;
	generation->worker_count = layout->worker_count;
	generation->slot_count = layout->slot_count;
	return true;
}

static void
alloc_tables(struct generation *generation)
{
	generation->workers = util_alloc(
	    generation->worker_count * sizeof(*generation->workers));
	generation->by_slot = util_alloc(
	    generation->slot_count * sizeof(*generation->by_slot));
	generation->free_slots = util_alloc(
	    generation->slot_count * sizeof(*generation->free_slots));
}

static void
generation_free(struct generation *generation)
{
	loop_timer_clear(&generation->router->loop, &generation->check_timer);
	loop_io_remove(&generation->router->loop, &generation->done);
	close(generation->done.fd);
	close(generation->queue_fd);
	/* connections may still send from the files, but the board goes */
	for (uint32_t i = 0; i < generation->worker_count; i++)
		rest_file_orphan(generation->workers[i].rest);
	munmap(generation->board.map, generation->board.layout.size);
	free(generation->workers);
	free(generation->by_slot);
	free(generation->free_slots);
	free(generation);
}

struct generation *
generation_new(struct router *router, const struct role_generation *role, const int *fds)
{
	struct generation *generation = util_alloc(sizeof(*generation));
	int on = 1;

	generation->router = router;
	generation->id = role->id;
	generation->queue_fd = fds[0];
	generation->done = (struct loop_io){ .fd = fds[1],
		.fn = on_done,
		.owner = generation };
	generation->check_timer.fn = settle_check;
	generation->check_timer.owner = generation;
	generation->mean_ns = SHORT_SERVICE_NS;
	TAILQ_INIT(&generation->leases);
	if (!map_board(generation, &role->layout, fds[2])) {
		log_error("service %s: bad scoreboard", role->service);
		for (int i = 0; i < 3; i++)
			close(fds[i]);
		free(generation);
		return NULL;
	}
	close(fds[2]);
	generation->service = service_get(router, role->service);
	generation->settings = role->settings;
	meter_place_service(generation->service, role->stats_index, role->stats_serial);
	alloc_tables(generation);
	setsockopt(generation->done.fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	TAILQ_INSERT_TAIL(&router->generations, generation, entry);
	if (!router->taking)
		generation_activate(generation);
	return generation;
}

struct generation *
generation_find(struct router *router, uint32_t id)
{
	struct generation *generation;

	TAILQ_FOREACH (generation, &router->generations, entry)
		if (generation->id == id)
			return generation;
	return NULL;
}

void
generation_retire(struct generation *generation)
{
	struct service *service = generation->service;
	struct role_id role = { .type = ROLE_RETIRED, .id = generation->id };

	generation->retiring = true;
	if (service->sharer == generation)
		service->sharer = NULL;
	if (generation->sending_over)
		return;
	if (service->generation == generation) {
		if (service->queued > 0)
			return; /* withdrawing the last one comes back here */
		service->generation = NULL;
	}
	generation->sending_over = true;
	channel_send(&generation->router->supervisor, &role, sizeof(role), NULL, 0);
}

void
generations_free(struct router *router)
{
	struct generation *generation;
	struct request *request, *next;

	while ((generation = TAILQ_FIRST(&router->generations)) != NULL) {
		TAILQ_FOREACH_SAFE (request, &generation->leases, entry, next)
			request_free(request);
		TAILQ_REMOVE(&router->generations, generation, entry);
		generation_free(generation);
	}
}

void
generation_forget(struct generation *generation)
{
	struct service *service = generation->service;
	struct request *request;

	drain_done(generation);
	if (service->generation == generation)
		service->generation = NULL;
	if (service->sharer == generation)
		service->sharer = NULL;
	while ((request = TAILQ_FIRST(&generation->leases)) != NULL) {
		/* in the queue still: nobody took it */
		generation_end_lost(generation, request, false, false);
	}
	TAILQ_REMOVE(&generation->router->generations, generation, entry);
	generation_free(generation);
	if (service->generation == NULL && !service->routed)
		service_give_up(service);
	else
		service_pump(service);
}
