/* SPDX-License-Identifier: ISC */
/* What a generation has from earlier routers: leases that one that died left in
 * the scoreboard, or all that one of another version hands over. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "router/generation.h"
#include "router/generation_lease.h"
#include "router/rest.h"
#include "router/router.h"
#include "router/service.h"
#include "router/settle.h"

/* Slots in use belong to leases that an earlier router sent: they are counted
 * until the worker says DONE or dies, and have no connection any more. */
static void
adopt_leases(struct generation *generation)
{
	struct request *request;

	for (uint32_t i = generation->slot_count; i-- > 0;) {
		struct lease_slot *slot = lease_slot_at(&generation->board, i);
		uint64_t sequence = atomic_load(&slot->sequence);

		if (sequence > generation->sequence)
			generation->sequence = sequence;
		if (generation->by_slot[i] != NULL)
			continue; /* handed over */
		if (atomic_load(&slot->state) == LEASE_SLOT_FREE) {
			generation->free_slots[generation->free_count++] = i;
			continue;
		}
		request = request_adopted(i, atomic_load(&slot->serial), sequence);
		request->service = generation->service;
		generation_lease_add(generation, request);
		generation->router->stats.adopted++;
		/* one that was filled but never sent has no owner and never
		 * will */
		generation->orphans = true;
	}
	if (generation->lease_count > 0)
		loop_timer_set(&generation->router->loop, &generation->check_timer,
		    generation->router->loop.now_ns + SETTLE_UNCLAIMED_NS);
}

void
generation_activate(struct generation *generation)
{
	adopt_leases(generation);
	if (loop_io_add(&generation->router->loop, &generation->done, EPOLLIN) == -1)
		log_error("service %s: %s", generation->service->name, strerror(errno));
}

bool
generation_take_lease(struct generation *generation, struct request *request)
{
	uint32_t slot = request->msg.slot;

	if (slot >= generation->slot_count || generation->by_slot[slot] != NULL)
		return false;
	generation_lease_add(generation, request);
	return true;
}

void
generation_worker_was(struct generation *generation, uint32_t worker, pid_t pid,
    int rest_fd)
{
	struct worker_view *view;

	if (worker >= generation->worker_count || generation->workers[worker].pid != 0) {
		if (rest_fd != -1)
			close(rest_fd);
		return;
	}
	view = &generation->workers[worker];
	view->pid = pid;
	if (rest_fd != -1)
		view->rest = rest_file_new(rest_fd,
		    lease_worker_at(&generation->board, worker));
}
