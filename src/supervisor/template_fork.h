/* SPDX-License-Identifier: ISC */
/*
 * Who is forked by a template, and when: one worker at a time, the others wait for
 * their turn.  Each function may be the end of the pool where a worker's failure
 * is, unless the pool is held.
 */
#ifndef SUPERVISOR_TEMPLATE_FORK_H
#define SUPERVISOR_TEMPLATE_FORK_H

#include <stdbool.h>

struct lease_forked;
struct spawn;
struct template;
struct worker;

/* The worker does not want a process any more.  False: it is being forked just now,
 * and what template_ask has promised still holds. */
bool template_fork_withdraw(struct worker *worker);
/* From worker_start.c: sends FORK with the worker's descriptors, which stay the
 * caller's. */
void template_fork_send(struct worker *worker, const struct spawn *spawn);

/* From template.c: */

/* Asks for the next worker, unless one is being forked or the template is not
 * ready. */
void template_fork_next(struct template *template);
bool template_fork_is_awaited(const struct template *template);
/* What it said to the last FORK, which is not to be trusted.  False: it broke the
 * contract. */
bool template_fork_answered(struct template *template, const struct lease_forked *forked);
/* The worker that was being forked has failed. */
void template_fork_fail(struct template *template);
/* Those who wait have failed, for the reason in template->why.  Who asks anew
 * meanwhile is not meant. */
void template_fork_fail_waiting(struct template *template);

#endif
