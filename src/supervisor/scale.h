/* SPDX-License-Identifier: ISC */
/*
 * How many workers a pool should have, from what is known of its load.  Pure:
 * no clock, no system calls; see strength.c for who measures and who acts.
 *
 * Growth answers what waits: as soon as it has waited for SCALE_SUSTAIN_NS, or
 * at once when nobody is there to serve it; by no more than doubling at a time.
 * Shrinking needs the whole of idle_timeout without a moment in which the
 * workers to go were needed.  A pool that had to grow again soon after it
 * shrank waits longer the next time, so that no rhythm of load makes it flap.
 */
#ifndef SUPERVISOR_SCALE_H
#define SUPERVISOR_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#define SCALE_SUSTAIN_NS UINT64_C(100000000) /* 100 ms */
#define SCALE_BUCKETS	 8

struct scale_limits {
	uint32_t min;
	uint32_t max;	      /* >= min, >= 1 */
	uint32_t spare;	      /* idle ones beyond those that are busy */
	uint32_t concurrency; /* requests of one worker at a time, >= 1 */
	uint32_t spawn_rate;  /* starts a second, >= 1 */
	uint64_t idle_ns;     /* idle_timeout, > 0 */
};

/* What is known at one moment. */
struct scale_load {
	uint64_t now_ns; /* never goes back */
	uint32_t busy;	 /* workers that have a request */
	uint32_t ready;	 /* workers that take requests, busy ones included */
	uint32_t coming; /* started, not ready yet */
	uint32_t queued; /* requests that no worker has */
	bool pressure;	 /* memory is short: no growth */
};

struct scale {
	uint32_t target;
	uint64_t queued_since_ns;	/* 0: nothing waits */
	uint64_t grown_ns;		/* the last growth */
	uint64_t shrunk_ns;		/* the last shrinking; 0: none */
	uint64_t hold_ns;		/* idle_timeout, or longer after flapping */
	uint64_t tokens_ns;		/* when spawn_rate was last counted */
	double tokens;			/* starts that spawn_rate allows now */
	uint64_t bucket_ns;		/* begin of the newest bucket */
	uint32_t needed[SCALE_BUCKETS]; /* most in each eighth of hold_ns */
	bool saturated;			/* more is needed than max allows */
	bool squeezed;			/* more is needed than memory allows */
};

/* target is where it begins, between min and max. */
void scale_init(struct scale *scale, const struct scale_limits *limits, uint32_t target,
    uint64_t now_ns);

/* Takes note of the load; returns the new target, between min and max. */
uint32_t scale_step(struct scale *scale, const struct scale_limits *limits,
    const struct scale_load *load);

#endif
