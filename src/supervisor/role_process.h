/* SPDX-License-Identifier: ISC */
/*
 * The process of a role, and the channel to it: this very program, executed anew,
 * so that it inherits nothing of our memory.  One that dies is replaced: for the
 * first time at once, then after pauses.
 */
#ifndef SUPERVISOR_ROLE_PROCESS_H
#define SUPERVISOR_ROLE_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/channel.h"
#include "common/loop.h"

struct supervisor;

struct role_process {
	struct supervisor *supervisor;
	const char *role; /* "router", "logger": static text */
	struct channel channel;
	pid_t pid;		/* 0: none runs */
	struct loop_io exit;	/* pidfd */
	struct loop_io failure; /* what went wrong before exec */
	struct loop_timer restart_timer;
	uint64_t started_ns;
	unsigned failures; /* deaths in a row while young */
	/* The owner's to set.  A process was started, and knows nothing yet; it says
	 * something; it has ended and was reaped. */
	void (*on_start)(void *owner);
	void (*on_msg)(void *owner, const void *buf, size_t len);
	void (*on_exit)(void *owner, pid_t pid, const siginfo_t *info);
	void *owner;
};

void role_process_init(struct role_process *process, struct supervisor *supervisor,
    const char *role);

/*
 * Starts one, as the user that the router runs as; what it writes to stderr goes to
 * the logger as its own words.  When that cannot be done the log says why, and it
 * is tried again later.
 */
void role_process_start(struct role_process *process);

/* From on_exit, when nobody wanted its end: logs it, with what follows from it, and
 * starts another, now or later. */
void role_process_replace(struct role_process *process, pid_t pid, const siginfo_t *info,
    const char *what_follows);

/* Goes on with one that an earlier version of poold left; the channel is ours from
 * then on.  False, and the channel is closed: it is gone. */
bool role_process_adopt(struct role_process *process, pid_t pid, int channel);

void role_process_kill(const struct role_process *process);

/* Closes what leads to it and fills info, which was zero, if it has ended. */
void role_process_reap(struct role_process *process, siginfo_t *info);

#endif
