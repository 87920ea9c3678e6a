/* SPDX-License-Identifier: ISC */
/*
 * W3C Trace Context, level 1: who began the trace that a request belongs to,
 * and whether it is recorded.
 */
#ifndef COMMON_TRACE_H
#define COMMON_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/lease.h"

struct trace {
	uint8_t id[16];
	uint8_t parent[8]; /* the span that sent the request */
	bool sampled;	   /* whoever sent it records it */
};

/* Reads the value of a traceparent field.  Returns whether it is valid; *trace
 * is written only then. */
bool trace_parse(const char *value, size_t len, struct trace *trace);

/* The trace of a request with these fields, whose spans count from buf.  False
 * when it has no traceparent, a bad one, or more than one: a trace is begun
 * then. */
bool trace_find(const struct lease_field *fields, size_t field_count, const char *buf,
    struct trace *trace);

/* Writes a traceparent value of version 00. */
#define TRACE_TEXT_SIZE 56 /* NUL included */
void trace_format(char text[TRACE_TEXT_SIZE], const uint8_t id[16], const uint8_t span[8],
    bool sampled);

#endif
