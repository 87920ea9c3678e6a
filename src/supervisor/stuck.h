/* SPDX-License-Identifier: ISC */
/*
 * A worker past request_timeout: it is looked at, asked for its own view of
 * itself (trace_signal), stopped, and looked at again; if it is still at the
 * same lease it is killed, else it goes on.  Without the stop it could finish,
 * and begin another request, between the look and the kill.
 */
#ifndef SUPERVISOR_STUCK_H
#define SUPERVISOR_STUCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/roles.h"
#include "supervisor/slow_log.h"

struct worker;

struct stuck {
	struct loop_timer timer; /* set: a worker is being looked at */
	uint32_t slot;
	uint64_t serial;
	uint64_t taken_ns;
	unsigned looks;
	bool tracing;	   /* it has its time to print its stack */
	const char *trace; /* as in struct slow_entry */
	/* what it was doing before anything was done to it; NULL: not yet */
	struct slow_look *look;
	char id[33];		      /* of the request, hex; "": not known */
	char line[ROLE_LINE_MAX + 1]; /* the request line */
};

void stuck_init(struct stuck *stuck, struct worker *worker);
/* The router says that worker has a lease for longer than request_timeout.
 * role->line is cut to ROLE_LINE_MAX bytes. */
void stuck_report(struct worker *worker, const struct role_stuck *role);
/* The same for slow_threshold: it is looked at, and that is all. */
void stuck_slow(struct worker *worker, const struct role_stuck *role);
/* The worker is gone. */
void stuck_clear(struct worker *worker);

#endif
