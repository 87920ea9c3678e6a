/* SPDX-License-Identifier: ISC */
/*
 * The circuit breaker of a service, as one state x event table.  Pure: it is
 * told the time; what follows from a change is the business of guard.c.
 *
 *	CLOSED     requests pass; their ends are counted over a window
 *	OPEN       too many failed: none passes until its time is over
 *	DOWN       open too, but for want of workers: none passes until one is ready
 *	HALF_OPEN  a few are tried
 *
 * A request that passes gets the number of the breaker's round.  What it says at
 * its end counts only in the same round, so that requests from before a change
 * do not decide what comes after it.
 */
#ifndef ROUTER_BREAKER_H
#define ROUTER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/roles.h"

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,
	BREAKER_DOWN,
	BREAKER_HALF_OPEN,
	BREAKER_STATES,
};

enum breaker_event {
	BREAKER_ON_SUCCESS, /* a request of this round ended well */
	BREAKER_ON_FAILURE, /* one failed by the service's fault */
	BREAKER_ON_TRIP,    /* too many of the window failed */
	BREAKER_ON_PASS,    /* enough trials ended well */
	BREAKER_ON_TROUBLE, /* no worker is ready, and starting some fails */
	BREAKER_ON_READY,   /* a worker is ready */
	BREAKER_ON_TIME,    /* until_ns is over */
	BREAKER_ON_RESET,   /* another generation serves from now on */
	BREAKER_EVENTS,
};

enum breaker_action {
	BREAKER_DO_NOTHING,
	BREAKER_DO_COUNT,  /* in the window */
	BREAKER_DO_CREDIT, /* to the trials */
	BREAKER_DO_OPEN,
	BREAKER_DO_REOPEN, /* for twice as long as the last time */
	BREAKER_DO_SINK,   /* note when a worker is started next */
	BREAKER_DO_TRY,
	BREAKER_DO_RENEW, /* trials that do not end make room for others */
	BREAKER_DO_CLOSE,
	BREAKER_ACTIONS,
};

struct breaker_step {
	unsigned char next;   /* enum breaker_state */
	unsigned char action; /* enum breaker_action */
};

extern const struct breaker_step breaker_life[BREAKER_STATES][BREAKER_EVENTS];

/* How requests ended in a tenth of the window. */
struct breaker_bucket {
	uint64_t number; /* of the tenth, since the clock's beginning */
	uint32_t successes;
	uint32_t failures;
};
#define BREAKER_BUCKETS 10

struct breaker {
	enum breaker_state state;
	uint32_t round;	    /* never 0 after breaker_init */
	uint32_t in_flight; /* HALF_OPEN, and left of it: trials of this round */
	uint32_t successes; /* HALF_OPEN: trials that ended well */
	uint64_t open_ns;   /* how long it is open, the last or the next time */
	uint64_t until_ns;  /* OPEN: its end; DOWN: when a worker is started next;
			      * HALF_OPEN: when trials are renewed */
	uint32_t failed;    /* of the window, when it tripped */
	uint32_t ended;	    /* all of the window, then */
	struct breaker_bucket buckets[BREAKER_BUCKETS];
};

enum breaker_outcome {
	BREAKER_SUCCEEDED,
	BREAKER_FAILED,
	BREAKER_SAID_NOTHING, /* its client left, say */
};

void breaker_init(struct breaker *breaker);

/* Whether a request would not pass now. */
bool breaker_refuses(const struct breaker *breaker,
    const struct breaker_settings *settings);
/* Lets a request pass, which must then come to breaker_end.  Returns the round,
 * or 0: it is refused. */
uint32_t breaker_admit(struct breaker *breaker, const struct breaker_settings *settings);
/* A request that was let pass in round has ended. */
void breaker_end(struct breaker *breaker, const struct breaker_settings *settings,
    uint32_t round, enum breaker_outcome outcome, uint64_t now_ns);
/* An event from outside: TROUBLE, READY, TIME or RESET.  start_ns: with TROUBLE,
 * when the supervisor starts a worker next. */
void breaker_event(struct breaker *breaker, const struct breaker_settings *settings,
    enum breaker_event event, uint64_t now_ns, uint64_t start_ns);

/* When TIME is due; 0: never. */
uint64_t breaker_deadline_ns(const struct breaker *breaker);
/* Whole seconds after which a client should come again, at least 1. */
uint32_t breaker_retry_after_s(const struct breaker *breaker, uint64_t now_ns);

#endif
