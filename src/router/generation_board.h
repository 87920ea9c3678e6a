/* SPDX-License-Identifier: ISC */
/*
 * The scoreboard of a generation: what the router says of leases, and what workers
 * say.  All of it may be written by any worker at any time, so what is read here is
 * compared and bounded, and never believed further.
 */
#ifndef ROUTER_GENERATION_BOARD_H
#define ROUTER_GENERATION_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/lease.h"

struct generation;
struct request;

/* Maps fd, which stays the caller's, and says how many workers and slots there are.
 * False: the file is not as long as its layout says, or errno. */
bool generation_board_map(struct generation *generation,
    const struct lease_scoreboard *layout, int fd);

/* Puts a request that is about to be leased into its slot. */
void generation_board_fill(struct generation *generation, const struct request *request);
void generation_board_set(struct generation *generation, uint32_t slot,
    enum lease_slot_state state);

/* The worker that received the lease; UINT32_MAX: nobody, as far as is known.  Not
 * to be used as an index unchecked. */
uint32_t generation_board_owner(struct generation *generation,
    const struct request *request);
/* When a worker took the lease, CLOCK_MONOTONIC: what the worker says, as far
 * as it can be true; else when it was sent. */
uint64_t generation_board_taken_ns(const struct request *request);
/* What the worker said the whole answer would be (LEASE_ANSWER); 0: nothing. */
uint64_t generation_board_answer(const struct request *request);
/* What a worker says of itself (enum lease_worker_state); whether any does. */
uint32_t generation_board_worker_state(struct generation *generation, uint32_t worker);
bool generation_board_any_worker_is(struct generation *generation, uint32_t state);

#endif
