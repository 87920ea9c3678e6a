/* SPDX-License-Identifier: ISC */
/*
 * The Node process of a worker.  Of a leased one three sockets lead to it: its IPC
 * channel, as if we were a Node process that has forked it; requests, one frame after
 * the other; and one on which poold-node.js tells us things.  Of one that listens
 * there is only the last one.
 */
#ifndef NODE_APPLICATION_H
#define NODE_APPLICATION_H

#include <stdbool.h>

#include "../common/child.h"

#define APPLICATION_FD_FIRST	  3
#define APPLICATION_LISTENERS_MAX 16
#define APPLICATION_FDS_MAX	  (APPLICATION_LISTENERS_MAX + 1)

struct application {
	char **argv; /* NULL at its end */
	bool is_leased;
	int listeners;	/* else: so many sockets, from APPLICATION_FD_FIRST on */
	int channel_fd; /* stream, non-blocking; -1: none */
	int stream_fd;	/* stream, non-blocking; -1: none */
	int results_fd; /* messages, non-blocking; -1: none */
	struct child child;
};

void application_init(struct application *app);
/* Starts it.  0, or an errno: that of execve(2) too. */
int application_start(struct application *app);

/* Kills it if it still runs, and closes the sockets. */
void application_close(struct application *app);

#endif
