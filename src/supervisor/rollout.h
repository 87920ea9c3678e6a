/* SPDX-License-Identifier: ISC */
/*
 * The rollout of one service in a reload: the time between a new generation's
 * first request and the end of the old one.
 *
 * The new generation takes over in batches: all at once (reload = replace), or
 * reload_batch workers at a time while the old one serves with the others
 * (rolling).  Each batch must be ready and survive reload_grace before the next
 * one; the workers that it replaces leave only then.
 */
#ifndef SUPERVISOR_ROLLOUT_H
#define SUPERVISOR_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct config_service;
struct pool;
struct supervisor;

struct rollout {
	TAILQ_ENTRY(rollout) entry;
	struct pool *fresh; /* the new generation; NULL: the service is removed */
	struct pool *old;   /* what served; NULL: the service is new */
	uint32_t size;	    /* of the old one when it began */
	uint64_t proven_ns; /* when the batch will have survived; 0: not ready */
	bool done;
};
TAILQ_HEAD(rollouts, rollout);

/* How many workers the first batch of a service has, of those it would have. */
uint32_t rollout_first_batch(const struct config_service *config);

/* The new generation (already serving) takes over from the old one. */
struct rollout *rollout_begin(struct pool *fresh, struct pool *old);
/* Goes as far as it can now.  Returns when to come back (CLOCK_MONOTONIC), or 0:
 * when a worker got ready, or never (done). */
uint64_t rollout_step(struct rollout *rollout, uint64_t now_ns);
/* The old generation is as strong as it was; the caller makes it serve. */
void rollout_undo(struct rollout *rollout);
void rollout_free(struct rollout *rollout);

#endif
