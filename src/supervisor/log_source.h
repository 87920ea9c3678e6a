/* SPDX-License-Identifier: ISC */
/*
 * The pipes that lead to the logger.  The supervisor keeps the end that is read
 * until the writers have gone, so that no writer ever sees that a logger has died.
 */
#ifndef SUPERVISOR_LOG_SOURCE_H
#define SUPERVISOR_LOG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/logger.h"

struct logs;
struct supervisor;

struct log_source {
	TAILQ_ENTRY(log_source) entry;
	uint32_t id;
	uint32_t kind; /* enum logger_kind */
	uint32_t dest; /* 0: where the log goes */
	int fd;
	uint32_t pool; /* 0: no worker's */
	uint32_t slot;
	int pid;     /* 0: not started yet */
	char *name;  /* service, or role */
	char *carry; /* of a line, that the logger before has read; NULL: nothing */
	uint32_t carry_len;
};
TAILQ_HEAD(log_sources, log_source);

/* What is known of a process whose stdout and stderr are to be a pipe. */
struct log_tag {
	enum logger_kind kind;
	const char *name;   /* service, or role */
	const char *output; /* "log", "off", or a path */
	uint32_t pool;	    /* 0: none */
	uint32_t slot;
};

/* Makes a pipe to dest.  Returns the end to write to, which is the caller's; -1
 * with errno.  The logger is not told yet. */
int log_source_open(struct logs *logs, enum logger_kind kind, const char *name,
    uint32_t dest, struct log_source **source);
/* Closes it: nobody writes there. */
void log_source_free(struct logs *logs, struct log_source *source);

/* Makes the pipe of a process.  Returns the end to write to, which the caller closes
 * when the process has been started; -1 with errno.  *source is for one of the two
 * functions that follow; NULL: there is none (output = off). */
int log_source_pipe(struct supervisor *supervisor, const struct log_tag *tag,
    struct log_source **source);
void log_source_started(struct supervisor *supervisor, struct log_source *source,
    pid_t pid);
void log_source_failed(struct supervisor *supervisor, struct log_source *source);
struct log_source *log_source_find(struct logs *logs, uint32_t id);

/* From logger_link.c: nobody can write there any more; a part of a line. */
void log_source_ended(struct supervisor *supervisor, uint32_t id);
void log_source_partial(struct logs *logs, uint32_t id, const char *text, size_t len);
/* Nobody reads: workers must not wait for that. */
void log_source_discard(struct supervisor *supervisor, bool is_dead);

#endif
