/* SPDX-License-Identifier: ISC */
/* What a program says about its errors, as lines of the log. */
#ifndef GATEWAY_ERRORS_H
#define GATEWAY_ERRORS_H

#include <poold.h>

#define ERRORS_LINE_MAX 1024	    /* longer ones are cut in two */
#define ERRORS_MAX	(64 * 1024) /* logged of one request */

struct errors {
	struct poold_request *req;
	const char *name; /* of the program */
	char line[ERRORS_LINE_MAX];
	size_t len, total;
};

/* Begins anew.  name must live as long. */
void errors_begin(struct errors *errors, struct poold_request *req, const char *name);

/* Logs the lines in what it said, with the request id; keeps the rest. */
void errors_put(struct errors *errors, const char *buf, size_t len);

/* Logs what is left. */
void errors_end(struct errors *errors);

#endif
