/* SPDX-License-Identifier: ISC */
/*
 * The slow log: one entry for each request that took longer than
 * slow_threshold, and for each worker that was killed for request_timeout: what
 * it was asked, and what it was doing.
 */
#ifndef SUPERVISOR_SLOW_LOG_H
#define SUPERVISOR_SLOW_LOG_H

#include <stdint.h>
#include <sys/types.h>

struct logs;

#define SLOW_STACK_MAX 4096 /* bytes */

/* What the kernel says that a process is doing: proc(5); "?" for what may not
 * be read. */
struct slow_look {
	char wchan[64];
	char syscall[192];
	char stack[SLOW_STACK_MAX]; /* lines; "" when it may not be read */
};

void slow_log_look(pid_t pid, struct slow_look *look);

#define SLOW_CALL_MAX 256
/* "nanosleep (35 0x7f ...)": the system call with its name, if that is one that
 * a process waits in.  Returns buf. */
const char *slow_log_call(const struct slow_look *look, char buf[SLOW_CALL_MAX]);

struct slow_entry {
	const char *what; /* its first word: "slow", "killed" */
	const char *service;
	uint32_t worker; /* its slot */
	pid_t pid;
	uint64_t taken_ns;   /* when it took the request */
	const char *request; /* the request line */
	const char *trace;   /* what became of trace_signal; NULL: it has none */
	const char *id;	     /* of the request, hex; "": not known */
	const struct slow_look *look;
};

/* How long the worker had been at it. */
double slow_log_seconds(const struct slow_entry *entry);
/* Writes an entry, unless slow_log is off. */
void slow_log_write(struct logs *logs, const struct slow_entry *entry);

#endif
