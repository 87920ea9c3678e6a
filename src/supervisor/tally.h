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

/* Why a worker had to be replaced; those that a reload, a stop or a smaller load
 * asked to leave are none of them. */
enum tally_reason {
	TALLY_NONE,
	TALLY_EXIT,	     /* it exited of itself */
	TALLY_SIGNAL,	     /* a signal that was not ours */
	TALLY_TIMEOUT,	     /* request_timeout */
	TALLY_START_TIMEOUT, /* it was not ready in time */
	TALLY_HEALTH,
	TALLY_OUTLIER, /* outlier_failures */
	TALLY_MAX_REQUESTS,
	TALLY_MAX_LIFETIME,
	TALLY_MAX_MEMORY,
	TALLY_CONTRACT, /* it broke the lease contract */
	TALLY_REASONS,
};

struct tally {
	struct tally_counts ended; /* of workers that are gone */
	uint64_t ended_cpu_us;
	uint64_t restarts; /* workers that ended without being asked */
	uint64_t replaced[TALLY_REASONS];
	uint64_t checks_failed; /* health checks */
};

/* A worker has ended, by exit or a signal; its counters are about to be lost.
 * cpu_us: what it and its children used. */
void tally_end(struct worker *worker, enum tally_reason how, uint64_t cpu_us);
/* Of a worker; of a service, all in all.  Zero where workers accept for
 * themselves. */
struct tally_counts tally_worker(const struct worker *worker);
struct tally_counts tally_service(const struct service *service);
/* For labels: "exit". */
const char *tally_reason_name(enum tally_reason reason);

#endif
