/* SPDX-License-Identifier: ISC */
/*
 * A sink takes lines for a descriptor that may be slow (a pipe, a terminal)
 * and never blocks: what the descriptor does not take at once waits in a
 * bounded buffer; when that is full, whole lines are dropped and counted.
 *
 * A descriptor that is non-blocking is taken to be ours alone, as the pipes to
 * the logger are, and is written to with one call.
 */
#ifndef COMMON_SINK_H
#define COMMON_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_BUFFER (256 * 1024) /* bytes of lines that wait */

struct sink {
	int fd;	   /* -1: lines go nowhere */
	char *buf; /* SINK_BUFFER bytes, allocated with the first line */
	size_t len;
	bool own;	  /* the descriptor is non-blocking */
	uint64_t dropped; /* lines */
};

/* A sink for fd, which it owns if it is above 2. */
void sink_open(struct sink *sink, int fd);
/* Writes what the descriptor takes, drops the rest, closes. */
void sink_close(struct sink *sink);
/* Goes on with another descriptor, when a log was reopened. */
void sink_replace(struct sink *sink, int fd);

/* Adds a line (with its newline). */
void sink_add(struct sink *sink, const char *line, size_t len);
/* Writes what the descriptor takes without blocking.  Returns whether
 * something is left. */
bool sink_flush(struct sink *sink);

#endif
