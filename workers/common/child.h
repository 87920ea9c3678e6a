/* SPDX-License-Identifier: ISC */
/*
 * The program that a worker runs beside itself, and answers requests by.  It stays in
 * the worker's process group, so whoever ends the worker by its group ends it too; and
 * it is killed when the worker dies.
 */
#ifndef WORKERS_CHILD_H
#define WORKERS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
	pid_t pid;  /* -1: it does not run */
	int pidfd;  /* readable when it has ended; -1: it does not run */
	int status; /* of waitpid, of the one that ended last */
};

/* None runs yet. */
void child_init(struct child *child);

/*
 * Starts one, where none runs.  become is called in the new process, whose signals are
 * at their defaults: it executes the program, and returns only when that failed, with
 * errno.  *failure_fd, which is close-on-exec, tells of it: become closes all
 * descriptors but this one, and says there if it has moved it.
 * Returns 0, or an errno: become's too.
 */
int child_start(struct child *child, void (*become)(const void *arg, int *failure_fd),
    const void *arg);

/* Whether it has ended; waits for that at most so long, or until a signal comes; -1:
 * until it has. */
bool child_has_ended(struct child *child, int wait_ms);
/* Whether it ended otherwise than by exit(0). */
bool child_failed(const struct child *child);
/* How it ended: "was killed by signal 9", "ended with exit status 3". */
void child_end_text(const struct child *child, char *text, size_t size);

/* Sends it a signal, if it still runs. */
void child_signal(const struct child *child, int sig);
/* Kills it, if it still runs. */
void child_kill(struct child *child);

#endif
