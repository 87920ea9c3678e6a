/* SPDX-License-Identifier: ISC */
/*
 * The descriptors that a worker is started with: those of the lease contract, or
 * listening sockets; what it writes to; a control line.  Some have another end,
 * which is the worker slot's.
 */
#ifndef SUPERVISOR_WORKER_FDS_H
#define SUPERVISOR_WORKER_FDS_H

#include <stdbool.h>

struct spawn;
struct worker;

/* The ends that are the process's alone. */
struct worker_ends {
	int control; /* -1: none */
	int line;
	int log;
};

/*
 * Opens what the process gets.  spawn is then filled but for its limits and its
 * environment; *ends are closed when the process has got them.  What the worker
 * writes goes through a pipe of its own.  False, with errno, leaves nothing open.
 */
bool worker_fds_open(struct worker *worker, struct spawn *spawn,
    struct worker_ends *ends);
void worker_fds_close_ends(const struct worker_ends *ends);

/* Closes our own ends: there is no process.  Keeps errno. */
void worker_fds_close(struct worker *worker);
/* Where it has left the rest of its responses. */
void worker_fds_close_rest(struct worker *worker);

#endif
