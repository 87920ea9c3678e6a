/* SPDX-License-Identifier: ISC */
/*
 * A pool's strength: how many workers it should have (scale.h), and the starts
 * and stops (staff.h) that bring it there.
 */
#ifndef SUPERVISOR_STRENGTH_H
#define SUPERVISOR_STRENGTH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "supervisor/scale.h"
#include "supervisor/staff.h"

struct config_service;
struct pool;

#define STRENGTH_NO_CAP UINT32_MAX

struct strength {
	uint32_t target; /* what the load, or the configuration, asks for */
	uint32_t cap;	 /* no more than this, during a rollout */
	struct scale scale;
	struct scale_limits limits;
	struct loop_timer timer; /* the next look at load and age */
	uint64_t looked_ns;	 /* the last one */
	uint64_t load_cpu_ns;	 /* mode = inherit: when CPU time was read */
	uint32_t queued;	 /* leased: what the router said last */
	struct loop_io *knocks;	 /* mode = inherit, no worker: its listeners */
	int knock_count;
	bool reviewing; /* strength_review is under way */
	bool again;	/* and was asked for meanwhile */
	bool said_saturated;
	bool said_squeezed;
	uint32_t by_hand; /* as many are wanted, whatever the load; 0: not so */
};

/* Slots that a pool of this configuration needs: the most workers it may have,
 * and some whose successors are starting. */
uint32_t strength_slots(const struct config_service *config);

/* older: the generation that it takes over from; NULL: none.  With one, it begins
 * with at least one worker, to see that it can be started, with as many as the
 * load has made of the older one, and with its first batch (rollout.h). */
void strength_init(struct pool *pool, const struct pool *older);
/* After strength_init: a pool that an earlier version of poold left, with what it
 * wanted (target, by_hand); what it knew of the load is learnt anew. */
void strength_restore(struct pool *pool, const struct strength *saved);
/* It gets the load from now on: its workers may leave idle_timeout after this. */
void strength_serve(struct pool *pool);
/* No more looks; before the pool is freed, or when it retires. */
void strength_end(struct pool *pool);

struct staff_count strength_count(const struct pool *pool);
/* As many run as should, under the cap. */
bool strength_is_reached(const struct pool *pool);
/* Whether a slot that is about to be empty should get a new process. */
bool strength_needs_another(const struct pool *pool);

/* Starts what is missing, stops what is too much. */
void strength_review(struct pool *pool);
/* Changes the cap, and starts and stops accordingly. */
void strength_cap(struct pool *pool, uint32_t cap);
/* How many workers there may be by hand: twice as many as the configuration
 * says, or a few. */
uint32_t strength_most(const struct pool *pool);
/* As many as that, from 1 to strength_most, whatever the load; 0: what the
 * configuration says again.  May free the pool. */
void strength_by_hand(struct pool *pool, uint32_t workers);
/* The router says how many requests wait in its queue. */
void strength_report(struct pool *pool, uint32_t queued);
/* What waited is gone, or another generation's.  The next look acts on it. */
void strength_forget_queue(struct pool *pool);

#endif
