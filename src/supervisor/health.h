/* SPDX-License-Identifier: ISC */
/*
 * The health of a worker, or of a service whose workers accept for themselves:
 * when it is checked, and what follows from it.  The keys health_* of
 * poold.ini(5).
 */
#ifndef SUPERVISOR_HEALTH_H
#define SUPERVISOR_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/check.h"
#include "supervisor/expect.h"

struct pool;
struct worker;

struct health {
	struct pool *pool;
	struct worker *worker; /* NULL: of the service as a whole */
	struct check check;
	struct loop_timer timer;   /* the next check, or the watchdog's */
	uint64_t began_ns;	   /* the last check */
	unsigned passed;	   /* checks in a row, before GO */
	unsigned failed;	   /* checks in a row, since then */
	bool abort;		   /* the watchdog's verdict: SIGABRT */
	uint64_t first_serial;	   /* of the first CHECK to this process */
	uint64_t last_serial;	   /* of the last one */
	uint64_t unwell_ns;	   /* a service's workers that were ready before
				  * are to be recycled; 0: none */
	char got[EXPECT_GOT_SIZE]; /* by the last check that failed; "": none */
};

/* worker NULL: the pool's own. */
void health_init(struct health *health, struct pool *pool, struct worker *worker);
/* No check and no timer from here on. */
void health_clear(struct health *health);

/* A worker was started. */
void health_spawned(struct worker *worker);
/* It is ready: WORKER_ON_PASSED follows, now or when it has passed its first
 * checks. */
void health_first(struct worker *worker);
/* It was told GO. */
void health_running(struct worker *worker);
/* All workers of a pool are ready. */
void health_serving(struct pool *pool);

/* Whether a check has a connection to the service. */
bool health_is_connected(const struct health *health);

/* DONE came on the control descriptor.  False: for a CHECK that never was. */
bool health_done(struct worker *worker, const struct lease_done *done);
/* WATCHDOG=1 and WATCHDOG=trigger. */
void health_watchdog(struct worker *worker);
void health_trigger(struct worker *worker);

/* Why it did not pass its first checks: ": its last health check got ...", or
 * "".  The caller frees it. */
char *health_explain(const struct worker *worker);

#endif
