/* SPDX-License-Identifier: ISC */
/* The log files: opened by the supervisor, which may be privileged, and given
 * to the router and the workers as descriptors. */
#ifndef SUPERVISOR_LOGS_H
#define SUPERVISOR_LOGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/sink.h"
#include "supervisor/access_logs.h"

struct config;
struct supervisor;

struct logs {
	char *log; /* path, or "stderr" */
	struct access_targets access;
	char *slow_log;	  /* path, "stderr" or "off" */
	struct sink slow; /* our own to write */
};

/* Opens what config names and logs there from now on.  Returns NULL; or why it
 * cannot be done (the caller frees it), and then nothing has changed. */
char *logs_open(struct logs *logs, const struct config *config);
/* Opens the files anew (SIGUSR1), or those of another configuration, and tells
 * the router. */
void logs_reopen(struct supervisor *supervisor, const struct config *config);
/* After an upgrade: opens access logs of config that were not handed over. */
void logs_adopt(struct logs *logs, const struct config *config);
void logs_close(struct logs *logs);
/* The one place where a log is opened to be written: *fd is a descriptor for
 * lines, standard error's if text names that.  Returns NULL; or why it cannot
 * be done (the caller frees it). */
char *logs_open_destination(const char *text, int *fd);
/* Whether slow_log is anything but off; writes an entry there. */
bool logs_has_slow(const struct logs *logs);
void logs_slow(struct logs *logs, const char *text, size_t len);
/* Tries again to write what waits.  Returns whether something still does. */
bool logs_flush(struct logs *logs);

#endif
