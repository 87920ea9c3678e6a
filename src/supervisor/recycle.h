/* SPDX-License-Identifier: ISC */
/*
 * Recycling: a worker that has answered max_requests, lived for max_lifetime or
 * holds more than max_memory leaves when its successor is ready, so the pool is
 * never below strength for it.
 */
#ifndef SUPERVISOR_RECYCLE_H
#define SUPERVISOR_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/tally.h"

struct pool;
struct worker;

/* Whether the pool's configuration asks for it. */
bool recycle_is_wanted(const struct pool *pool);
/* The worker begins to serve: chooses its own limits, with jitter, so that
 * workers that began together do not leave together. */
void recycle_begin(struct worker *worker);
/* Asks those that are over a limit to leave, as many at a time as there are
 * slots for successors. */
void recycle_look(struct pool *pool, uint64_t now_ns);
/* Asks one to leave; why is for the log ("it ..."). */
void recycle_worker(struct worker *worker, enum tally_reason reason, const char *why);

#endif
