/* SPDX-License-Identifier: ISC */
/*
 * The logs: destinations, which the supervisor opens since it may be privileged,
 * and the pipes that lead to the logger, which writes there.  Whoever writes a
 * line writes it to a pipe.
 */
#ifndef SUPERVISOR_LOGS_H
#define SUPERVISOR_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/logger.h"
#include "common/sink.h"
#include "supervisor/access_logs.h"

struct config;
struct pool;
struct supervisor;

/* Where lines go: the logger has a thread for each. */
struct log_dest {
	TAILQ_ENTRY(log_dest) entry;
	uint32_t id;
	char *text; /* "stderr", "syslog", "syslog:PATH", or a path */
	int fd;	    /* -1: syslog, which the logger connects to */
};
TAILQ_HEAD(log_dests, log_dest);

/* A pipe: its end that is read, until its writers have gone, so that no writer
 * ever sees that a logger has died. */
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

/* The other end of a pipe for whole lines, by where they go. */
struct log_writer {
	TAILQ_ENTRY(log_writer) entry;
	char *text;
	int fd; /* non-blocking */
};
TAILQ_HEAD(log_writers, log_writer);

struct logs {
	char *log;	 /* as in the configuration in force */
	char *slow_log;	 /* or "off" */
	uint32_t format; /* enum logger_format */
	uint32_t level;	 /* enum logger_level */
	uint32_t log_dest;
	uint32_t next_id; /* of destinations and sources */
	struct log_dests dests;
	struct log_sources sources;
	struct log_writers writers;
	struct access_targets access; /* their descriptors are duplicates of writers' */
	struct sink slow; /* our own to write; its descriptor is such a duplicate */
	bool direct;	  /* our own messages do not go through the logger */
	uint64_t dropped; /* lines that did not even get to the logger */
};

/* Before the text of a destination: lines that go there become OTLP/JSON, and the
 * text may be any of common/endpoint.h. */
#define LOGS_SPANS "otlp:"
bool logs_is_spans(const char *text);

void logs_init(struct logs *logs);
/* Opens what config names; lines go there from now on.  Returns NULL; or why it
 * cannot be done (the caller frees it), and then nothing has changed. */
char *logs_open(struct supervisor *supervisor, const struct config *config);
/* The start went well: from here on our own messages go through the logger, and
 * not to stderr. */
void logs_started(struct supervisor *supervisor);
/* Opens the files anew (SIGUSR1), and those of another configuration, and tells
 * logger and router. */
void logs_reopen(struct supervisor *supervisor, const struct config *config);
/* Whether config says anything else about logs than what is so. */
bool logs_changed(const struct logs *logs, const struct config *config);
/* After an upgrade: goes on with what the state named; an older version named
 * nothing. */
void logs_adopt(struct supervisor *supervisor);
/* Has everything written that was logged so far, and ends the logger. */
void logs_close(struct supervisor *supervisor);

/*
 * The one place where a log of whole lines is opened to be written: *fd becomes
 * a descriptor, the caller's to close, for lines that end up in destination
 * ("stderr", "syslog", "syslog:PATH", or a path) as they are.  It is non-blocking,
 * and leads into the same pipe for the same destination.  Returns NULL; or why it
 * cannot be done (the caller frees it).
 */
char *logs_open_destination(struct supervisor *supervisor, const char *destination,
    int *fd);

/* What is known of a process whose stdout and stderr are to be a pipe. */
struct log_tag {
	enum logger_kind kind;
	const char *name;   /* service, or role */
	const char *output; /* "log", "off", or a path */
	uint32_t pool;	    /* 0: none */
	uint32_t slot;
};

/* Makes the pipe.  Returns the end to write to, which the caller closes when the
 * process has been started; -1 with errno.  *source is for one of the two
 * functions that follow; NULL: there is none (output = off). */
int logs_pipe(struct supervisor *supervisor, const struct log_tag *tag,
    struct log_source **source);
struct log_source *logs_source_find(struct logs *logs, uint32_t id);
void logs_process_started(struct supervisor *supervisor, struct log_source *source,
    pid_t pid);
void logs_process_failed(struct supervisor *supervisor, struct log_source *source);

/* From logger_link.c: nobody can write there any more; a part of a line. */
void logs_source_ended(struct supervisor *supervisor, uint32_t id);
void logs_partial(struct logs *logs, uint32_t id, const char *text, size_t len);
/* Nobody reads: workers must not wait for that. */
void logs_discard(struct supervisor *supervisor, bool is_dead);

/* Whether slow_log is anything but off; writes an entry there. */
bool logs_has_slow(const struct logs *logs);
void logs_slow(struct logs *logs, const char *text, size_t len);
/* Tries again to write what waits.  Returns whether something still does. */
bool logs_flush(struct logs *logs);
/* Lines that were dropped so far, wherever. */
uint64_t logs_dropped(const struct supervisor *supervisor);

#endif
