/* SPDX-License-Identifier: ISC */
/* What the workers' main functions have in common. */
#ifndef WORKERS_PROGRAM_H
#define WORKERS_PROGRAM_H

#include <poold.h>

/*
 * Says on stderr what is wrong with the command line, and where help is.
 * Returns EX_USAGE, for main to return.
 */
int program_usage_error(const char *fmt, ...) POOLD_PRINTF(1, 2);

/*
 * Serves with what getopt_long left of argv: nothing, or an address.  Returns
 * the exit status.
 */
int program_serve(int argc, char **argv, poold_handler handler, void *arg);

#endif
