/* SPDX-License-Identifier: ISC */
/* One worker slot of a pool and the process in it. */
#ifndef SUPERVISOR_WORKER_H
#define SUPERVISOR_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/loop.h"
#include "common/roles.h"
#include "supervisor/control_line.h"
#include "supervisor/ending.h"
#include "supervisor/health.h"
#include "supervisor/life.h"
#include "supervisor/spawn.h"
#include "supervisor/stuck.h"
#include "supervisor/tally.h"
#include "supervisor/usage.h"

struct pool;

/* The request that a worker has, as the router said in its last answer. */
struct worker_request {
	uint32_t query; /* of that answer; 0: never */
	uint64_t serial;
	uint8_t id[16];
	char line[ROLE_REQUEST_MAX + 1]; /* method and path */
};

struct worker {
	struct pool *pool;
	uint32_t slot; /* in the scoreboard */
	enum worker_state state;
	pid_t pid;		/* 0: none */
	struct loop_io exit;	/* pidfd */
	struct loop_io control; /* our end of its fd 4 */
	int rest_fd;		/* memfd of its fd 7; -1: none */
	struct control_line line;
	uint32_t log_id;	 /* of its log_source, until it has a pid */
	struct loop_io failure;	 /* what went wrong before exec */
	struct loop_timer timer; /* of the state */
	uint64_t spawned_ns;
	uint64_t ready_ns;	  /* 0: was not */
	unsigned failures;	  /* deaths in a row while young: the back-off */
	unsigned barren;	  /* of them, those in a row that answered nothing */
	uint64_t barren_since_ns; /* when the first of these was started */
	struct stuck stuck;	  /* request_timeout */
	struct health health;
	bool awaits_fork;		    /* by its template */
	bool is_forking;		    /* the template was sent FORK; see there */
	bool refused;			    /* while template.c walks over the workers */
	bool timed_out;			    /* killed for request_timeout */
	bool asked_to_leave;		    /* its exit is no failure */
	bool leaving;			    /* it was told to stop: it counts no more */
	enum tally_reason reason;	    /* it is to be replaced */
	const char *killed_for;		    /* static text; NULL: we did not kill it */
	struct spawn_failure spawn_failure; /* step "": none */
	uint64_t requests_max;		    /* max_requests, with its jitter */
	uint64_t lifetime_ns;		    /* max_lifetime, with its jitter */
	uint64_t cpu_ticks;		    /* that cpu_pid had used; see load.c */
	pid_t cpu_pid;
	char said[ENDING_SAID_SIZE]; /* STATUS= of sd_notify(3); "": nothing */
	struct usage usage;
	struct worker_request request;
	char last_exit[96]; /* of the process before; "": there was none */
	uint64_t last_exit_ns;
};

/* Puts an event through the table and does what it says. */
void worker_event(struct worker *worker, enum worker_event event);

/* Sends a signal to the process, if there is one. */
void worker_signal(struct worker *worker, int sig);

/*
 * Kills what the process started and left in its group: the process that it is
 * the leader of (setsid).  Only before the leader is reaped, since until then
 * nothing else can have its pid, nor a group of that number.
 */
void worker_kill_group(const struct worker *worker);

/* Reads and closes what tells why it could not become what it should, if that is
 * still open. */
void worker_read_failure(struct worker *worker);

/* Tells the router, if it leases to this worker: type as of struct role_worker. */
void worker_tell_router(struct worker *worker, uint32_t type);

/* Sets the timer of its state. */
void worker_set_timer(struct worker *worker, uint64_t after_ns);

struct loop *worker_loop(const struct worker *worker);
/* The name of its service. */
const char *worker_service(const struct worker *worker);

/* What the worker says of itself, untrusted. */
void worker_says(struct worker *worker, const char *text);

/* Whether it was told GO and nothing since. */
static inline bool
worker_is_going(const struct worker *worker)
{
	return worker->state == WORKER_RUNNING || worker->state == WORKER_OUTGOING;
}

void worker_init(struct worker *worker, struct pool *pool, uint32_t slot);

#endif
