/* SPDX-License-Identifier: ISC */
/*
 * SIGUSR2: another version of poold goes on in our place, in the same process,
 * with our listeners, workers, queues and connections.
 *
 * The program that we were started from, as it is now, first shows in a dry run
 * that it can start and can read our state.  Then it is executed in place: the
 * descriptors stay open, children stay ours, signals stay blocked and pending.
 * It starts a router of its own, to which the old one hands over.
 */
#ifndef SUPERVISOR_UPGRADE_H
#define SUPERVISOR_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/loop.h"

struct supervisor;

#define UPGRADE_WORDS_MAX 1024 /* bytes of what a dry run says */

struct upgrade {
	pid_t pid; /* of the dry run; 0: none */
	struct loop_io exit;
	int failure_fd; /* what went wrong before exec */
	int words_fd;	/* what it says */
	struct loop_timer timer;
	bool timed_out;
	bool wanted;	     /* as soon as nothing is in the way */
	bool stale;	     /* there was a reload since the dry run began */
	struct stat program; /* what the dry run executed */
};

void upgrade_init(struct supervisor *supervisor);
/* SIGUSR2. */
void upgrade_ask(struct supervisor *supervisor);
/* Something that may have been in the way is over. */
void upgrade_check(struct supervisor *supervisor);
/* poold stops. */
void upgrade_cancel(struct supervisor *supervisor);

/* The absolute path of the program that we were started as, which an upgrade
 * executes: name is argv[0].  The caller frees it. */
char *upgrade_program(const char *name);

#endif
