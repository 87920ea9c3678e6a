/* SPDX-License-Identifier: ISC */
/* The end of a worker's process, and what comes after it. */
#ifndef SUPERVISOR_WORKER_END_H
#define SUPERVISOR_WORKER_END_H

struct worker;

/* It has ended: reaps it with all that is left of its group, and tells how it died
 * to the log, to the router and to whoever waits for it. */
void worker_end_bury(struct worker *worker);

/* Nothing is left of it.  The first death is answered at once, the next ones with
 * doubling pauses; the slot stays empty where no worker is wanted. */
void worker_end_replace(struct worker *worker);

/* None could be started: waits before the next attempt.  It may be the end of the
 * pool. */
void worker_end_wait(struct worker *worker);

#endif
