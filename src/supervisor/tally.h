/* SPDX-License-Identifier: ISC */
/* What a service has done since poold began, beyond what its present workers
 * have: their counters end with them. */
#ifndef SUPERVISOR_TALLY_H
#define SUPERVISOR_TALLY_H

#include <stdint.h>

struct service;
struct worker;

struct tally_counts {
	uint64_t requests; /* answered */
	uint64_t errors;   /* of them, with 500 and above */
	uint64_t bytes;	   /* of responses */
};

struct tally {
	struct tally_counts ended; /* of workers that are gone */
	uint64_t restarts;	   /* workers that ended without being asked */
	/* the rate, between two looks */
	uint64_t looked_ns; /* 0: never */
	uint64_t looked_requests;
	double rate; /* requests a second, between the last two; below 0: none */
};

/* A worker's counters are about to be lost. */
void tally_end(struct worker *worker);
/* Of a worker; of a service, all in all.  Zero where workers accept for
 * themselves. */
struct tally_counts tally_worker(const struct worker *worker);
struct tally_counts tally_service(const struct service *service);
/* Requests a second since the last look, which was at least a moment ago;
 * below 0: not known yet. */
double tally_rate(struct service *service, uint64_t requests);

#endif
