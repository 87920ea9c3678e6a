/* SPDX-License-Identifier: ISC */
/*
 * Where lines go: what the supervisor opens, since it may be privileged, and the
 * logger writes to.
 */
#ifndef SUPERVISOR_LOG_DEST_H
#define SUPERVISOR_LOG_DEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct logs;
struct supervisor;

/* The logger has a thread for each. */
struct log_dest {
	TAILQ_ENTRY(log_dest) entry;
	uint32_t id;
	char *text; /* "stderr", "syslog", "syslog:PATH", or a path */
	int fd;	    /* -1: syslog, which the logger connects to */
};
TAILQ_HEAD(log_dests, log_dest);

/* Before the text of a destination: lines that go there become OTLP/JSON, and the
 * text may be any of common/endpoint.h. */
#define LOG_DEST_SPANS "otlp:"
bool log_dest_is_spans(const char *text);

/* The destination of this text; NULL: it is not open. */
struct log_dest *log_dest_find(const struct logs *logs, const char *text);
/* The same, opened if need be, and the logger told.  NULL: it cannot be opened, and
 * *why says why (the caller frees it). */
struct log_dest *log_dest_open(struct supervisor *supervisor, const char *text,
    char **why);
/* Closes those that neither the log nor any source leads to. */
void log_dest_close_unused(struct supervisor *supervisor);
/* Closes it; the logger is not told. */
void log_dest_free(struct logs *logs, struct log_dest *dest);

/* Opens all files anew and tells the logger: all or none.  Returns NULL; or why not
 * (the caller frees it). */
char *log_dest_reopen(struct supervisor *supervisor);
/* Our own stderr is another one now. */
void log_dest_stderr_changed(struct supervisor *supervisor);

#endif
