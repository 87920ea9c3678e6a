/* SPDX-License-Identifier: ISC */
/* What starts a worker: a process of its own, or one that its pool's template
 * forks. */
#ifndef SUPERVISOR_WORKER_START_H
#define SUPERVISOR_WORKER_START_H

#include <stdbool.h>
#include <sys/types.h>

struct worker;

/* Starts one in a slot that has no process; it gets WORKER_ON_FAILED when that
 * cannot be done.  With a template it waits for its turn. */
void worker_start(struct worker *worker);

/*
 * From template.c.  Sends FORK for it; false, with errno: that cannot be.  The
 * process was born, and the pidfd becomes the worker's.  It was not, or will not
 * be: WORKER_ON_FAILED.
 */
bool worker_start_fork(struct worker *worker);
void worker_start_forked(struct worker *worker, pid_t pid, int pidfd);
void worker_start_refused(struct worker *worker);

#endif
