/* SPDX-License-Identifier: ISC */
/*
 * The template of a pool (the service key preload): a process that has loaded
 * what all workers of the generation share, and from which they are forked.
 * They are the supervisor's own children from birth (CLONE_PARENT), so all that
 * is done about a worker is the same as without one.  TEMPLATES in
 * poold-lease(7) is the protocol.
 *
 * It forks for one worker at a time: what it is asked for has an end in time,
 * and few descriptors are under way to it.  Workers that wait for their turn are
 * STARTING and have no process yet.
 */
#ifndef SUPERVISOR_TEMPLATE_H
#define SUPERVISOR_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/channel.h"
#include "common/loop.h"
#include "supervisor/ending.h"
#include "supervisor/life.h"
#include "supervisor/spawn.h"
#include "supervisor/usage.h"

struct pool;
struct worker;

struct template
{
	struct pool *pool;
	enum template_state state;
	pid_t pid;		 /* 0: none */
	struct loop_io exit;	 /* pidfd */
	struct loop_io failure;	 /* what went wrong before exec */
	struct channel channel;	 /* to its fd 4 */
	struct loop_timer timer; /* of the state; READY: of a FORK */
	struct worker *forking;	 /* for whom it was sent FORK; NULL: nobody */
	uint32_t serial;	 /* of that FORK */
	unsigned failures;	 /* ends in a row while young: the back-off */
	uint64_t spawned_ns;
	uint64_t ready_ns;	/* 0: was not */
	bool was_ready;		/* this one or one before it */
	const char *killed_for; /* static text; NULL: we did not kill it */
	struct spawn_failure spawn_failure;
	char said[ENDING_SAID_SIZE];	  /* STATUS= of sd_notify(3) */
	char why[ENDING_SAID_SIZE + 128]; /* workers could not be forked */
	struct usage usage;
};

void template_init(struct template *template, struct pool *pool);
/* Whether the workers of the pool are forked from one. */
bool template_is_wanted(const struct pool *pool);

/* Puts an event through the table and does what it says.  TEMPLATE_ON_STOP and
 * TEMPLATE_ON_EXIT may be the end of the pool. */
void template_event(struct template *template, enum template_event event);

/* The worker, whose state is STARTING, wants a process.  Either worker_start_forked
 * will be called, or it gets WORKER_ON_FAILED. */
void template_ask(struct worker *worker);

/* Whether a child that nobody knows may be a worker that was just born. */
bool template_is_forking(const struct template *template);
/* What the state has noted of it; then goes on with that. */
void template_restore(struct template *template, const struct template *saved);
void template_adopt(struct template *template);

#endif
