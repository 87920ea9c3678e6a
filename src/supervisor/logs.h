/* SPDX-License-Identifier: ISC */
/*
 * The logs, as the configuration wants them: destinations (log_dest.h) and the pipes
 * that lead there (log_source.h).  Whoever writes a line writes it to a pipe.
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
#include "supervisor/log_dest.h"
#include "supervisor/log_source.h"

struct config;
struct pool;
struct supervisor;

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

/* Whether slow_log is anything but off; writes an entry there. */
bool logs_has_slow(const struct logs *logs);
void logs_slow(struct logs *logs, const char *text, size_t len);
/* Tries again to write what waits.  Returns whether something still does. */
bool logs_flush(struct logs *logs);
/* Lines that were dropped so far, wherever. */
uint64_t logs_dropped(const struct supervisor *supervisor);

#endif
