/* SPDX-License-Identifier: ISC */
#include "router/meter.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "router/generation.h"
#include "router/generation_board.h"
#include "router/listener.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"

#define BYTES_MAX (1ULL << 48) /* of a response; a worker may say anything */

/* --- what the router has anyway ---------------------------------------- */

/* clang-format off */
#define OWN(counter, member) [counter] = offsetof(struct router, member)
/* clang-format on */
static const size_t own[STATS_COUNTERS] = {
	OWN(STATS_ACCEPTED, stats.accepted),
	OWN(STATS_TURNED_AWAY, stats.turned_away),
	OWN(STATS_EVICTED, stats.evicted),
	OWN(STATS_LEASES, stats.leases),
	OWN(STATS_KICKS, stats.kicks),
	OWN(STATS_FORGED, stats.forged),
	OWN(STATS_SLOW_CLIENTS, stats.slow_clients),
	OWN(STATS_SLOW_REQUESTS, stats.slow_requests),
	OWN(STATS_TIMEOUTS, stats.timeouts),
	OWN(STATS_RESTS, stats.rests),
	OWN(STATS_OUT_OF_STEP, stats.out_of_step),
	OWN(STATS_WAKEUPS, loop.wakeups),
};

static uint64_t
own_count(const struct router *router, unsigned counter)
{
	uint64_t count;

	if (counter == STATS_LOG_DROPPED)
		return log_dropped();
	if (counter == STATS_ACCESS_DROPPED)
		return access_log_dropped(&router->access_log);
	memcpy(&count, (const char *)router + own[counter], sizeof(count));
	return count;
}

void
meter_publish(struct router *router)
{
	struct meter *meter = &router->meter;
	struct stats *stats = meter->stats;

	if (stats == NULL || !meter->active)
		return;
	meter->by_state[STATS_CONN_DETACHED] = router->detached;
	for (unsigned i = 0; i < STATS_CONNS; i++)
		stats_set(&stats->connections[i], meter->by_state[i]);
	for (unsigned i = 0; i < STATS_COUNTERS; i++)
		stats_set(&stats->counters[i], meter->before[i] + own_count(router, i));
}

/* --- places ------------------------------------------------------------ */

static void
clear_service(struct stats_service *place)
{
	_Atomic uint64_t *words = &place->serial;

	/* the serial first: half of it is to be nobody's */
	for (size_t i = 0; i < sizeof(*place) / sizeof(*words); i++)
		stats_set(&words[i], 0);
}

static void
show_gauges(const struct service *service)
{
	stats_set(&service->place->queued, service->queued);
	stats_set(&service->place->in_flight, service->in_flight);
}

void
meter_place_service(struct service *service, uint32_t index, uint32_t serial)
{
	struct router *router = service->router;
	struct stats *stats = router->meter.stats;
	struct stats_service *place;
	struct service *other;

	if (stats == NULL || index >= STATS_SERVICES || serial == 0) {
		service->place = &router->meter.no_service;
		return;
	}
	place = &stats->services[index];
	TAILQ_FOREACH (other, &router->services, entry)
		if (other->place == place && other != service)
			other->place = &router->meter.no_service; /* it is gone */
	if (stats_get(&place->serial) != serial) {
		clear_service(place);
		atomic_store_explicit(&place->serial, serial, memory_order_release);
	}
	service->place = place;
	if (router->meter.active)
		show_gauges(service);
}

void
meter_place_listener(struct listener *listener, uint32_t index)
{
	struct router *router = listener->router;
	struct stats *stats = router->meter.stats;
	struct stats_listener *place;
	struct listener *other;

	listener->place = &router->meter.no_listener;
	if (stats == NULL || index >= STATS_LISTENERS)
		return;
	place = &stats->listeners[index];
	TAILQ_FOREACH (other, &router->listeners, entry)
		if (other->place == place && other != listener)
			other->place = &router->meter.no_listener;
	if (stats_get(&place->serial) != listener->id) {
		stats_set(&place->serial, 0);
		stats_set(&place->accepted, 0);
		atomic_store_explicit(&place->serial, listener->id, memory_order_release);
	}
	listener->place = place;
}

/* --- begin and end ----------------------------------------------------- */

void
meter_open(struct router *router, int fd)
{
	router->meter.stats = stats_map(fd);
	close(fd);
	if (!router->taking)
		meter_begin(router);
}

void
meter_begin(struct router *router)
{
	struct meter *meter = &router->meter;
	struct service *service;

	meter->active = true;
	if (meter->stats == NULL)
		return;
	for (unsigned i = 0; i < STATS_COUNTERS; i++)
		meter->before[i] = stats_get(&meter->stats->counters[i]) -
		    own_count(router, i);
	TAILQ_FOREACH (service, &router->services, entry)
		show_gauges(service);
}

void
meter_close(struct router *router)
{
	meter_publish(router);
	stats_unmap(router->meter.stats);
	router->meter.stats = NULL;
}

/* --- events ------------------------------------------------------------ */

void
meter_answered(const struct request *request, const struct lease_done *done)
{
	struct stats_service *place = request->service->place;
	uint64_t now_ns = util_now_ns(), accepted_ns = request->msg.accepted_ns;
	uint64_t taken_ns = generation_board_taken_ns(request);
	unsigned class = done->status / 100u;

	stats_add(&place->classes[class < STATS_CLASSES ? class : 0], 1);
	if (done->bytes < BYTES_MAX)
		stats_add(&place->bytes, done->bytes);
	stats_note(&place->duration, now_ns > accepted_ns ? now_ns - accepted_ns : 0);
	stats_note(&place->queue, taken_ns > accepted_ns ? taken_ns - accepted_ns : 0);
}

void
meter_refused(struct service *service, enum stats_refusal refusal)
{
	stats_add(&service->place->refused[refusal], 1);
}

void
meter_unrouted(struct router *router, unsigned status)
{
	if (router->meter.stats != NULL)
		stats_add(&router->meter.stats->refused[stats_status_of(status)], 1);
}
