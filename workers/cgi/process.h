/* SPDX-License-Identifier: ISC */
/*
 * The process of a CGI program.
 *
 * It stays in the process group of its worker, so whoever ends the worker by
 * its group, as poold does, ends it too.  The worker is the reaper of all its
 * descendants: what a program leaves behind in the group is found among the
 * worker's children.  What has put itself into a session or group of its own is
 * left alone, as a daemon wants to be.
 */
#ifndef CGI_PROCESS_H
#define CGI_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "site.h"

struct process {
	pid_t pid;
	int pidfd; /* readable once it has ended */
	int in;	   /* our ends of its standard streams, -1: closed.  in is -1 */
	int out;   /* from the start when body was given */
	int err;
	bool ended; /* status counts */
	int status; /* of waitpid */
};

/* To be called once, before all others: makes us the reaper. */
void process_prepare(void);

/*
 * Starts the program of script in its folder.  body is its standard input, -1 for
 * a pipe (in), and stays the caller's.  The pipes do not block.  Returns 0, or an
 * errno, with everything closed.
 */
int process_start(struct process *process, const struct script *script, char **envp,
    int body);

/* Waits at most so long for its end.  Returns ended. */
bool process_wait(struct process *process, int timeout_ms);

/* Closes what is open, and ends the program and what it left in our group: with
 * SIGTERM, and a second later with SIGKILL. */
void process_finish(struct process *process);

#endif
