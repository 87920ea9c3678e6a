/* SPDX-License-Identifier: ISC */
/*
 * The FastCGI application of a worker: one process that accepts from its
 * descriptor 0, and the one connection that we keep to it.
 *
 * The listening socket is a unix one whose name is gone before the application
 * starts: nobody else can connect to it, and no file is left behind.  We reach it
 * by a descriptor of its inode.  It outlives the process, so that a new one goes
 * on with it.
 */
#ifndef FASTCGI_APPLICATION_H
#define FASTCGI_APPLICATION_H

#include <stdbool.h>

#include "../common/child.h"

struct application {
	/* set by who uses it */
	char **argv;
	char **envp;
	const char *dir; /* to start in; NULL: ours */
	/* its own */
	int listen_fd; /* its descriptor 0 */
	int socket_fd; /* the socket's inode (O_PATH) */
	int fd;	       /* the connection; -1: none */
	bool used;     /* a request was answered on it */
	struct child child;
};

/* Makes the socket.  Returns 0, or an errno with *what (static): which step. */
int application_open(struct application *app, const char **what);

/*
 * Starts it and waits until it takes a connection.  Logs why it does not, and
 * returns an errno then: that of execve(2), or ECHILD when it ended.
 */
int application_start(struct application *app);

/* Between two requests: whether there is a connection, and it is still good. */
bool application_is_connected(const struct application *app);
/* Makes a new connection.  Returns 0 or an errno. */
int application_connect(struct application *app);
void application_disconnect(struct application *app);

/* Whether it has ended; waits for that at most so long. */
bool application_has_ended(struct application *app, int wait_ms);

/* Waits until it takes a new connection: what it did before is over.  False: it
 * has ended meanwhile, or stop() says true. */
bool application_wait_free(struct application *app, bool (*stop)(void));

/* Ends it: with SIGTERM, and a second later with SIGKILL. */
void application_stop(struct application *app);
void application_close(struct application *app);

#endif
