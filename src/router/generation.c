/* SPDX-License-Identifier: ISC */
#include "router/generation.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "router/generation_board.h"
#include "router/generation_done.h"
#include "router/generation_lease.h"
#include "router/guard.h"
#include "router/rest.h"
#include "router/router.h"
#include "router/service.h"
#include "router/settle.h"

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
	generation_done_drain(generation); /* while its pid and its memfd are known */
	generation->workers[worker].reported = 0; /* its number may come back */
	generation->workers[worker].pid = 0;
	rest_file_orphan(generation->workers[worker].rest);
	generation->workers[worker].rest = NULL;
	settle_worker(generation, worker, timed_out);
	service_pump(generation->service);
}

/* --- life -------------------------------------------------------------- */

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
		.fn = generation_done_read,
		.owner = generation };
	generation->check_timer.fn = settle_check;
	generation->check_timer.owner = generation;
	generation->mean_ns = GENERATION_LEASE_SHORT_NS;
	TAILQ_INIT(&generation->leases);
	if (!generation_board_map(generation, &role->layout, fds[2])) {
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

	generation_done_drain(generation);
	if (service->generation == generation)
		service->generation = NULL;
	if (service->sharer == generation)
		service->sharer = NULL;
	while ((request = TAILQ_FIRST(&generation->leases)) != NULL) {
		/* in the queue still: nobody took it */
		generation_lease_lost(generation, request, false, false);
	}
	TAILQ_REMOVE(&generation->router->generations, generation, entry);
	generation_free(generation);
	if (service->generation == NULL && !service->routed)
		service_give_up(service);
	else
		service_pump(service);
}
