/* SPDX-License-Identifier: ISC */
/*
 * Which slot of a pool is to start or stop next, so that it gets the strength
 * it should have.  Pure: strength.c says what there is and does what this says.
 *
 * A worker that is to leave does not count, so its successor is started first;
 * it is told to stop when enough others run.
 */
#ifndef SUPERVISOR_STAFF_H
#define SUPERVISOR_STAFF_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/life.h"

struct staff_slot {
	enum worker_state state;
	bool leaving; /* it was told to stop, and will not be missed */
	bool busy;    /* it has a request: rather another one stops */
};

struct staff_count {
	uint32_t coming;   /* they will run, without our doing more */
	uint32_t going;	   /* they run, and are to stay */
	uint32_t outgoing; /* they run until others do */
};

struct staff_count staff_count(const struct staff_slot *slots, uint32_t size);

enum staff_deed { STAFF_NOTHING, STAFF_START, STAFF_STOP };

struct staff_step {
	enum staff_deed deed;
	uint32_t slot;
};

/* The next step towards wanted workers; STAFF_NOTHING when there is none, or
 * none before something else happens. */
struct staff_step staff_next(const struct staff_slot *slots, uint32_t size,
    uint32_t wanted);

#endif
