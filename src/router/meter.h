/* SPDX-License-Identifier: ISC */
/*
 * What the router counts for others to read (common/stats.h).  A request costs
 * a few stores; counters that the router has anyway are copied there before it
 * waits.  Without the memory everything is counted in vain, in a place of our
 * own.
 */
#ifndef ROUTER_METER_H
#define ROUTER_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/stats.h"

struct lease_done;
struct listener;
struct request;
struct router;
struct service;

struct meter {
	struct stats *stats; /* NULL: none */
	bool active;	     /* we are the router that writes */
	/* what the counters were when we began, since ours begin at zero */
	uint64_t before[STATS_COUNTERS];
	uint32_t by_state[STATS_CONNS]; /* see meter_moved */
	struct stats_service no_service;
	struct stats_listener no_listener;
};

/* Counts into the memory of fd, which is closed, from meter_begin on. */
void meter_open(struct router *router, int fd);
/* This is the router that serves now. */
void meter_begin(struct router *router);
/* Copies what is kept elsewhere; before every wait. */
void meter_publish(struct router *router);
void meter_close(struct router *router);

/* Where a service or listener is counted; STATS_NO_PLACE: nowhere. */
void meter_place_service(struct service *service, uint32_t index, uint32_t serial);
void meter_place_listener(struct listener *listener, uint32_t index);

/* A connection begins in a state, goes from one to another, ends; STATS_CONNS:
 * nowhere. */
static inline void
meter_moved(struct meter *meter, enum stats_connections from, enum stats_connections to)
{
	if (from != STATS_CONNS)
		meter->by_state[from]--;
	if (to != STATS_CONNS)
		meter->by_state[to]++;
}

/* A worker has answered (its first DONE, if it detaches). */
void meter_answered(const struct request *request, const struct lease_done *done);
/* The router answers for a service, or where there is none. */
void meter_refused(struct service *service, enum stats_refusal refusal);
void meter_unrouted(struct router *router, unsigned status);

#endif
