/* SPDX-License-Identifier: ISC */
/* poold -D: into the background, but not before it is known whether it
 * serves. */
#ifndef SUPERVISOR_DAEMON_H
#define SUPERVISOR_DAEMON_H

/* Forks.  The child returns and goes on in a session of its own; the parent
 * waits for daemon_ready and exits with its status. */
void daemon_begin(void);
/* In the child: the status for the parent.  With 0 the terminal is let go. */
void daemon_ready(int status);

#endif
