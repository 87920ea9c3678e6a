/* SPDX-License-Identifier: ISC */
/*
 * Workers that do no good: what the router's circuit breakers hear of them, and
 * what they decide.  Starting workers again, with back-off, is not their
 * business.
 */
#ifndef SUPERVISOR_TROUBLE_H
#define SUPERVISOR_TROUBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/roles.h"

struct pool;
struct supervisor;
struct worker;

/* A process has ended; young: its death counts for the back-off. */
void trouble_note_end(struct worker *worker, bool young);
/* A process could not be forked. */
void trouble_note_failure(struct worker *worker);
/* Some slot waits for its next start: tells the router if there is no hope for
 * any of the pool. */
void trouble_tell(struct pool *pool);

/* The router says that a breaker is in another state. */
void trouble_on_breaker(struct supervisor *supervisor, const struct role_breaker *role);
/* A new router begins with all of them closed. */
void trouble_forget_breakers(struct supervisor *supervisor);

#endif
