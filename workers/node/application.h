/* SPDX-License-Identifier: ISC */
/*
 * The Node process of a worker.  Two sockets lead to it: its IPC channel, as if we
 * were a Node process that has forked it, and one on which poold-node.js tells us
 * things.  It is killed when the worker dies.
 */
#ifndef NODE_APPLICATION_H
#define NODE_APPLICATION_H

#include <stdbool.h>
#include <sys/types.h>

/* Its end of the sockets. */
#define APPLICATION_CHANNEL_FD 3
#define APPLICATION_RESULTS_FD 4

struct application {
	char **argv;	/* NULL at its end */
	int channel_fd; /* stream, non-blocking; -1: none */
	int results_fd; /* one message at a time, non-blocking; -1: none */
	pid_t pid;	/* -1: it does not run */
	int pidfd;
	int status; /* of waitpid, of the one that ended */
};

/* Starts it.  0, or an errno: that of execve(2) too. */
int application_start(struct application *app);

/* Whether it has ended; waits for that at most so long (-1: for ever). */
bool application_has_ended(struct application *app, int wait_ms);
/* How, in words for the log. */
void application_end_text(const struct application *app, char *text, size_t size);

/* Sends it a signal, if it still runs. */
void application_signal(const struct application *app, int sig);

/* Kills it if it still runs, and closes the sockets. */
void application_close(struct application *app);

#endif
