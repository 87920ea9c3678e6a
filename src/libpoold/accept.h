/* SPDX-License-Identifier: ISC */
/*
 * A worker that accepts for itself, with one request at a time (accept.c) or
 * several (accept_many.c); its connections are in connection.c.
 */
#ifndef LIBPOOLD_ACCEPT_H
#define LIBPOOLD_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "libpoold/connection.h"
#include "libpoold/internal.h"

#define ACCEPT_LAST	512  /* when told to stop: what the backlog holds */
#define STOP_TIMEOUT_MS 1000 /* for what is half done when told to stop */

struct acceptor {
	struct serve *serve;
	struct listeners *listeners;
	struct poold_request *req; /* whose buffer is read into */
	int epoll;
	/* By state.  Each has one timeout, so the first is the next due. */
	struct connection_list lists[CONNECTION_STATES];
	size_t count;
	bool watching;		 /* the listeners are in the epoll set */
	uint64_t pause_until_ns; /* while they are not */
	uint64_t now_ns;	 /* of the current turn of the loop */
	uint64_t requests;
	uint64_t status_ns; /* when the service manager was last told */
	/* of accept_many.c; NULL: one request at a time */
	struct poold_worker *worker;
	/* Takes the request in req, which is c's, out of it. */
	void (*deliver)(struct acceptor *a, struct connection *c);
	/* c has something to read: whether it can be now, into req. */
	bool (*prepare)(struct acceptor *a, struct connection *c);
};

/* Begins to listen; 0, or an exit status. */
int acceptor_open(struct acceptor *a);
/* One turn of the loop.  Returns the number of events, -1 with errno. */
int acceptor_turn(struct acceptor *a, int timeout_ms);
/* Accepts up to burst connections. */
void acceptor_accept(struct acceptor *a, int listener, int burst);
/* Title and status; returns as title_idle does. */
int acceptor_report(struct acceptor *a);
/* How long to wait for events, at most; -1: for ever. */
int acceptor_timeout_ms(const struct acceptor *a, int title_ms);
/* untouched_only: those that have sent no part of a head. */
void acceptor_close_list(struct acceptor *a, enum connection_state state,
    bool untouched_only);
/* Accepts from its listeners from now on; -1: logged, and to be tried again after
 * pause_until_ns. */
int acceptor_watch(struct acceptor *a);
void acceptor_unwatch(struct acceptor *a);

#endif
