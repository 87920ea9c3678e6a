/* SPDX-License-Identifier: ISC */
/*
 * A source: the end of a pipe that lines are read from.  What has no end yet is
 * carried until it comes; when it grows too long it is split, and at the end of
 * the file it is a line as it is.
 */
#ifndef LOGGER_SOURCE_H
#define LOGGER_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/logger.h"
#include "common/loop.h"

struct logger;

struct source {
	TAILQ_ENTRY(source) entry;
	struct logger *logger;
	struct loop_io io;
	uint32_t id;
	enum logger_kind kind;
	uint32_t dest;
	uint32_t board; /* 0: none */
	uint32_t slot;
	pid_t pid;
	char name[LOGGER_NAME_MAX];
	char *carry; /* NULL: nothing */
	size_t carry_len;
	bool split; /* what comes next goes on with the piece before */
	/* when it was last found empty: what is read was written later */
	uint64_t empty_ns;
	uint64_t answered; /* requests of the worker, then */
};
TAILQ_HEAD(sources, source);

/* Begins to read fd, which becomes the source's. */
void source_new(struct logger *logger, const struct logger_source *msg, size_t len,
    int fd);
/* Reads until it is empty, but not for ever: its writer may be faster. */
void source_drain(struct source *source);
/* What is carried becomes a line. */
void source_flush(struct source *source);
void source_free(struct source *source);

#endif
