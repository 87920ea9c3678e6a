/* SPDX-License-Identifier: ISC */
/* Leases of a generation, from a free slot until they are over. */
#ifndef ROUTER_GENERATION_LEASE_H
#define ROUTER_GENERATION_LEASE_H

#include <stdbool.h>

#include "common/util.h"

/* One lease is sent ahead while requests take less than this, on the average. */
#define GENERATION_LEASE_SHORT_NS (5 * MS_NS)

struct generation;
struct request;

/* Whether one more lease may be sent now. */
bool generation_lease_has_room(const struct generation *generation);
/*
 * Sends the request's connection into the queue.  Returns 0; or -1, and then
 * the request is the caller's as before: errno EAGAIN for a full queue (try
 * again when a lease ends), EPIPE for a queue that was shut down.
 */
int generation_lease_send(struct generation *generation, struct request *request);

/* For generation_take.c: the lease of msg.slot is under way. */
void generation_lease_add(struct generation *generation, struct request *request);

/* The lease is over, and its slot free.  Returns whether a client waits for the rest;
 * else the request is freed: it was adopted, or detached before. */
bool generation_lease_end(struct generation *generation, struct request *request);
/* The lease is over without DONE, and so is the request, or it is leased again.
 * taken: by a worker that died; else it came back from the queue. */
void generation_lease_lost(struct generation *generation, struct request *request,
    bool taken, bool timed_out);

#endif
