/* SPDX-License-Identifier: ISC */
/*
 * A worker past request_timeout: it is stopped, then looked at; if it is still
 * at the same lease it is killed, else it goes on.  Without the stop it could
 * finish, and begin another request, between the look and the kill.
 */
#ifndef SUPERVISOR_STUCK_H
#define SUPERVISOR_STUCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/roles.h"

struct worker;

struct stuck {
	struct loop_timer timer; /* set: a worker is being looked at */
	uint32_t slot;
	uint64_t serial;
	unsigned looks;
	char wchan[64]; /* what it was doing before it was stopped: proc(5) */
	char syscall[64];
	char line[ROLE_LINE_MAX + 1]; /* the request line */
};

void stuck_init(struct stuck *stuck, struct worker *worker);
/* The router says that worker has the lease of slot and serial for too long.
 * line is cut to ROLE_LINE_MAX bytes. */
void stuck_report(struct worker *worker, uint32_t slot, uint64_t serial, const char *line,
    uint32_t line_len);
/* The worker is gone. */
void stuck_clear(struct worker *worker);

#endif
