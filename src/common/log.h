/* SPDX-License-Identifier: ISC */
/*
 * The log of supervisor and router: one line a message,
 * "2026-01-31T12:00:00.123Z LEVEL ROLE[PID]: text", to stderr or an O_APPEND
 * file.  The only global state of the program.  Never blocks (see sink.h).
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* Begins to log as role (a static string) to descriptor fd, which the log then
 * owns if it is above 2.  Debug lines are dropped unless the environment has
 * POOLD_DEBUG. */
void log_open(const char *role, int fd);
/* Goes on with another descriptor. */
void log_replace(int fd);
/* Writes what can be written and ends the log; for the end of the process. */
void log_close(void);
/* The descriptor in use; for the children that inherit it. */
int log_fd(void);
/* Lines that were lost: the disk was full, or nobody read the pipe. */
uint64_t log_dropped(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Tries again to write lines that wait.  Returns whether some still do. */
bool log_flush(void);

#endif
