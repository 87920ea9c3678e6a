/* SPDX-License-Identifier: ISC */
/* Starting a role: this very program, executed anew, so that it inherits nothing
 * of our memory. */
#ifndef SUPERVISOR_ROLE_PROCESS_H
#define SUPERVISOR_ROLE_PROCESS_H

#include <sys/types.h>

struct supervisor;

/*
 * Starts role ("router", "logger": static text) as the user that the router runs
 * as; sock becomes its end of the channel and stays the caller's too.  What it
 * writes to stderr goes to the logger as its own words.  pidfd and failure_fd as
 * of spawn_process.  Returns its pid; or 0, and the log says why.
 */
pid_t role_process_start(struct supervisor *supervisor, const char *role, int sock,
    int *pidfd, int *failure_fd);

#endif
