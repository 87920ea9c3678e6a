/* SPDX-License-Identifier: ISC */
/*
 * A worker that accepts for itself, with one request at a time (accept.c) or
 * several (accept_many.c).
 */
#ifndef LIBPOOLD_ACCEPT_H
#define LIBPOOLD_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/lease.h"
#include "libpoold/internal.h"

#define ACCEPT_LAST	512  /* when told to stop: what the backlog holds */
#define STOP_TIMEOUT_MS 1000 /* for what is half done when told to stop */

enum connection_state {
	CONNECTION_HEAD,   /* is new, or sends a head */
	CONNECTION_IDLE,   /* between two requests */
	CONNECTION_LINGER, /* answered for the last time: input is discarded */
	/* of accept_many.c; none but the last is in the epoll set */
	CONNECTION_PARKED, /* may have sent something, but there is no room */
	CONNECTION_READY,  /* its request waits for poold_worker_next */
	CONNECTION_BUSY,   /* the program has its request */
	CONNECTION_OUTPUT, /* its request is finished but for its output */
	CONNECTION_STATES,
};

struct connection {
	int fd;
	enum connection_state state;
	uint64_t deadline_ns;
	struct lease_addr client;
	char *saved; /* the beginning of a head, or NULL */
	size_t saved_len;
	size_t discarded;	   /* bytes, while lingering */
	bool client_keeps;	   /* by the head of its last request */
	struct poold_request *req; /* READY, BUSY and OUTPUT; else NULL */
	TAILQ_ENTRY(connection) link;
};

TAILQ_HEAD(connection_list, connection);

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
int listeners_watch(struct acceptor *a); /* -1: logged */
void listeners_unwatch(struct acceptor *a);

void connection_move(struct acceptor *a, struct connection *c,
    enum connection_state state);
void connection_close(struct acceptor *a, struct connection *c);
/* Its request is answered: false when it lingers now or is closed, true when it
 * is kept. */
bool connection_over(struct acceptor *a, struct connection *c, struct poold_request *req);
/* Serves what is in the input buffer of a->req. */
void connection_serve(struct acceptor *a, struct connection *c);

#endif
