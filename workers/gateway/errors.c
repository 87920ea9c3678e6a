/* SPDX-License-Identifier: ISC */
#include "errors.h"

#include <string.h>

void
errors_begin(struct errors *errors, struct poold_request *req, const char *name)
{
	errors->req = req;
	errors->name = name;
	errors->len = errors->total = 0;
}

static void
line_log(struct errors *errors)
{
	size_t before = errors->total;

	errors->total += errors->len;
	if (errors->total <= ERRORS_MAX)
		poold_log(errors->req, "%.*s", (int)errors->len, errors->line);
	else if (before <= ERRORS_MAX)
		poold_log(errors->req, "%s: it says more than is logged", errors->name);
	errors->len = 0;
}

void
errors_put(struct errors *errors, const char *buf, size_t len)
{
	const char *end;
	size_t part;

	for (; len > 0; buf += part, len -= part) {
		part = sizeof(errors->line) - errors->len;
		if (part > len)
			part = len;
		end = memchr(buf, '\n', part);
		if (end != NULL)
			part = (size_t)(end - buf);
		memcpy(errors->line + errors->len, buf, part);
		errors->len += part;
		if (end != NULL || errors->len == sizeof(errors->line))
			line_log(errors);
		part += end != NULL; /* the end of the line */
	}
}

void
errors_end(struct errors *errors)
{
	if (errors->len > 0)
		line_log(errors);
}
