/* SPDX-License-Identifier: ISC */
/*
 * What processes use of memory and CPU, read from /proc: two files each, so it
 * is remembered for a second, and a round of looks takes a bounded time.  Where
 * there are more processes than that allows, figures are older.
 */
#ifndef SUPERVISOR_USAGE_H
#define SUPERVISOR_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct rusage;

struct usage {
	pid_t pid; /* of the process that it is about */
	uint64_t looked_ns;
	uint64_t memory; /* bytes, resident */
	uint64_t cpu_us; /* with its children that have ended */
};

/* A round of looks, for who shows many of them together. */
struct usage_clock {
	uint64_t now_ns;   /* 0: no round yet */
	uint64_t until_ns; /* no more looks after that */
	uint64_t fresh_ns; /* what was looked at within so long is good enough */
	unsigned skipped;  /* looks that there was no time for */
};

void usage_begin(struct usage_clock *clock);
/* What is known of the process, looked at in this round or not long ago. */
const struct usage *usage_look(struct usage_clock *clock, struct usage *usage, pid_t pid);

/* A process has ended and used so much: returns what counts, and forgets it. */
uint64_t usage_end(struct usage *usage, uint64_t cpu_us);
uint64_t usage_us(const struct rusage *used);

#endif
