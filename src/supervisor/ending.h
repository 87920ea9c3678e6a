/* SPDX-License-Identifier: ISC */
/* How a process of a pool has ended, and why it was never ready, in words. */
#ifndef SUPERVISOR_ENDING_H
#define SUPERVISOR_ENDING_H

#include <signal.h>
#include <stddef.h>

#include "supervisor/spawn.h"

struct pool;

#define ENDING_SAID_SIZE 512 /* of what a process says of itself */

/* "exited with status 1". */
void ending_describe(const siginfo_t *info, char *text, size_t size);

/*
 * Why a process of the pool never became ready: what went wrong before exec
 * (step "": nothing), or what it said.  ": WHY", which the caller frees, or NULL
 * when it cannot be told.
 */
char *ending_explain(const struct pool *pool, const struct spawn_failure *failure,
    const char *said, const siginfo_t *info);

/* Keeps what a process says of itself, which is not to be trusted. */
void ending_keep(char said[ENDING_SAID_SIZE], const char *text);

#endif
