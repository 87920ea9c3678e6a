/* SPDX-License-Identifier: ISC */
/*
 * The log of supervisor and router: one line a message,
 * "2026-01-31T12:00:00.123Z LEVEL ROLE[PID]: text", to stderr or a pipe to the
 * logger, which reads it again.  The only global state of the program.  Never blocks (see sink.h).
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Begins to log as role (a static string) to descriptor fd, which the log then
 * owns if it is above 2. */
void log_open(const char *role, int fd);
/* Goes on with another descriptor. */
void log_replace(int fd);
/* Writes what can be written and ends the log; for the end of the process. */
void log_close(void);
/* Messages above this level are dropped; LOG_LEVEL_INFO at first.  With
 * POOLD_DEBUG in the environment none are. */
void log_set_level(enum log_level level);
/* Whether errors are written to stderr as well. */
void log_copy_errors(bool on);
/* Lines that the descriptor did not take. */
uint64_t log_dropped(void);
/* The descriptor in use; for the children that inherit it. */
int log_fd(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Tries again to write lines that wait.  Returns whether some still do. */
bool log_flush(void);

#endif
