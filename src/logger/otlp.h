/* SPDX-License-Identifier: ISC */
/*
 * Spans for a collector: the router's lines about requests that are recorded
 * (ACCESS_SPAN_FORMAT) become ExportTraceServiceRequest messages of OTLP/JSON (OpenTelemetry
 * protocol 1.x), many requests in one.
 *
 * A request is one span of kind SERVER; the time in the queue, with the worker,
 * and in each phase that the worker named are its children.
 */
#ifndef LOGGER_OTLP_H
#define LOGGER_OTLP_H

#include <stdbool.h>
#include <stddef.h>

#define OTLP_REQUESTS_MAX 256 /* of clients, in one message */

struct json_t;

struct otlp {
	struct json_t *spans; /* that wait; NULL: none */
	size_t count;	      /* of requests among them */
};

/* Adds the spans of a line, len bytes without its end.  Returns false for what
 * is no such line; nothing is added then. */
bool otlp_add(struct otlp *otlp, const char *line, size_t len);

/* The message of what was added, as text of one line without its end, which the
 * caller frees; none waits then.  NULL when nothing was added, or for want of
 * memory. */
char *otlp_take(struct otlp *otlp);

#endif
