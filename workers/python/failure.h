/* SPDX-License-Identifier: ISC */
/* What went wrong: for the log, and for who has started this worker. */
#ifndef PYTHON_FAILURE_H
#define PYTHON_FAILURE_H

#include <poold.h>

/* Says why this worker cannot start: a line in the log, and the reason that the
 * supervisor gives where the start is reported. */
void failure_say(const char *fmt, ...) POOLD_PRINTF(1, 2);

/* The same with what Python says: the pending exception, which is cleared, has
 * its traceback in the log.  Returns an exit status: that of a SystemExit that
 * is no success, else EX_SOFTWARE. */
int failure_python(const char *what);

/* Logs the pending exception with its traceback, line by line with the request's
 * id (req NULL: none), and clears it. */
void failure_log(struct poold_request *req);

#endif
