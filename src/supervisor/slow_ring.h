/* SPDX-License-Identifier: ISC */
/*
 * The last slow requests, for `poolctl slowlog`: what the slow log has, and what
 * it would have had where it is off.  The last SLOW_RING_KEPT are kept, in
 * memory alone: an upgrade forgets them.
 */
#ifndef SUPERVISOR_SLOW_RING_H
#define SUPERVISOR_SLOW_RING_H

#include <stdbool.h>
#include <stdint.h>

#define SLOW_RING_KEPT 128

struct json_t;
struct slow_entry;

struct slow_ring {
	struct json_t *kept[SLOW_RING_KEPT];
	uint64_t count; /* ever; the last one's id */
};

/* Keeps an entry in the place of the oldest. */
void slow_ring_keep(struct slow_ring *ring, const struct slow_entry *entry);
/* Those after the one with the id since (0: all), of one service (NULL: of all),
 * oldest first.  Queries of requests may hold secrets: without them unless
 * queries is set.  New reference. */
struct json_t *slow_ring_list(const struct slow_ring *ring, uint64_t since,
    const char *service, bool queries);
void slow_ring_free(struct slow_ring *ring);

#endif
