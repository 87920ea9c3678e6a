/* SPDX-License-Identifier: ISC */
/*
 * What the router counts (common/stats.h), as the supervisor sees it: who has
 * which place, and what became of it in the last minute.  Looked at once a
 * second, so that figures of the last minute are of the last minute, whoever
 * asks and when.
 */
#ifndef SUPERVISOR_FIGURES_H
#define SUPERVISOR_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/stats.h"

struct listener;
struct service;
struct supervisor;

#define FIGURES_SECONDS	     60 /* of history */
#define FIGURES_MARKS	     12
#define FIGURES_MARK_SECONDS (FIGURES_SECONDS / FIGURES_MARKS)

/* What happened in one second.  Below 0: not known, or of no request. */
struct figures_second {
	float rate;
	float p50;
	float p99;
	int64_t errors;
	int64_t queued;
};

/* What was counted up to some moment. */
struct figures_mark {
	uint64_t at_ns;
	uint64_t ended;
	uint32_t durations[STATS_BUCKETS]; /* their lower halves: differences count */
};

struct figures_window {
	struct figures_mark last; /* a second ago */
	uint64_t errors;	  /* then */
	struct figures_mark marks[FIGURES_MARKS];
	unsigned marked;
	struct figures_second seconds[FIGURES_SECONDS];
	unsigned looked; /* ever; the next place is this one's rest */
};

/* Of a service. */
struct figures {
	uint32_t index;
	uint32_t serial;	       /* 0: it has no place */
	struct figures_window *window; /* NULL: not looked at yet */
};

/* Of the supervisor. */
struct figures_board {
	int fd;
	struct stats *stats; /* NULL: there is no memory for it */
	uint64_t started_ms; /* when poold was, since the epoch */
	struct loop_timer timer;
};

void figures_init(struct supervisor *supervisor);
/* Makes the memory, or goes on with what the state named; begins to look. */
void figures_open(struct supervisor *supervisor);
void figures_close(struct supervisor *supervisor);

/* Gives a service that is leased to a place, if there is one left. */
void figures_assign(struct supervisor *supervisor, struct service *service);
void figures_release(struct figures *figures);
/* The place of a listener: it is where it stands among them. */
uint32_t figures_listener_index(const struct supervisor *supervisor,
    const struct listener *listener);

/* What the router has counted; NULL: nothing (yet). */
const struct stats_service *figures_of(const struct supervisor *supervisor,
    const struct service *service);
const struct stats_listener *figures_of_listener(const struct supervisor *supervisor,
    const struct listener *listener);

/* Sums over a place: requests that came to an end, and those of them that were
 * answered with a status of 500 and above or broken off; what the router
 * answered itself. */
uint64_t figures_ended(const struct stats_service *place);
uint64_t figures_errors(const struct stats_service *place);
uint64_t figures_refused(const struct stats_service *place);

/* Of the last minute, or since the service is known.  Below 0: not known. */
struct figures_minute {
	double rate; /* requests a second */
	double p50;  /* seconds */
	double p99;
};
struct figures_minute figures_last_minute(const struct supervisor *supervisor,
    const struct service *service);
/* age 0 is the last whole second, FIGURES_SECONDS - 1 the first that is known. */
struct figures_second figures_second(const struct service *service, unsigned age);

#endif
