/* SPDX-License-Identifier: ISC */
#include "router/generation_board.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "router/generation.h"
#include "router/router.h"

bool
generation_board_map(struct generation *generation, const struct lease_scoreboard *layout,
    int fd)
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

static struct lease_slot *
slot_of(struct generation *generation, const struct request *request)
{
	return lease_slot_at(&generation->board, request->msg.slot);
}

uint32_t
generation_board_owner(struct generation *generation, const struct request *request)
{
	uint64_t owner = atomic_load_explicit(&slot_of(generation, request)->owner,
	    memory_order_acquire);

	if (!LEASE_OWNER_IS(owner, request->msg.serial))
		return UINT32_MAX;
	return LEASE_OWNER_WORKER(owner);
}

uint64_t
generation_board_taken_ns(const struct request *request)
{
	struct generation *generation = request->generation;
	uint64_t ns = atomic_load_explicit(&slot_of(generation, request)->taken_ns,
	    memory_order_relaxed);

	if (ns < request->leased_ns || ns > generation->router->loop.now_ns)
		return request->leased_ns;
	return ns;
}

uint64_t
generation_board_answer(const struct request *request)
{
	struct generation *generation = request->generation;

	/* without an owner the word may be that of an earlier lease */
	if (generation_board_owner(generation, request) == UINT32_MAX)
		return 0;
	return atomic_load_explicit(&slot_of(generation, request)->answer,
	    memory_order_acquire);
}

uint32_t
generation_board_worker_state(struct generation *generation, uint32_t worker)
{
	return atomic_load_explicit(&lease_worker_at(&generation->board, worker)->state,
	    memory_order_acquire);
}

bool
generation_board_any_worker_is(struct generation *generation, uint32_t state)
{
	for (uint32_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].pid != 0 &&
		    generation_board_worker_state(generation, i) == state)
			return true;
	return false;
}

void
generation_board_fill(struct generation *generation, const struct request *request)
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

void
generation_board_set(struct generation *generation, uint32_t slot,
    enum lease_slot_state state)
{
	atomic_store_explicit(&lease_slot_at(&generation->board, slot)->state, state,
	    memory_order_release);
}
