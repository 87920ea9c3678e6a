/* SPDX-License-Identifier: ISC */
/*
 * A connection that a worker accepted itself, and what it may do from one request to
 * the next.
 */
#ifndef LIBPOOLD_CONNECTION_H
#define LIBPOOLD_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/lease.h"
#include "libpoold/internal.h"

struct acceptor;

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

/* Makes one of fd, which it takes over: without memory it is closed. */
void connection_open(struct acceptor *a, int fd, const struct sockaddr_storage *ss);
/* Frees it, its descriptor and its request, if it has one. */
void connection_close(struct acceptor *a, struct connection *c);
/* Into another state, with the whole of that one's timeout before it. */
void connection_move(struct acceptor *a, struct connection *c,
    enum connection_state state);
/* Its request is answered: false when it lingers now or is closed, true when it
 * is kept. */
bool connection_over(struct acceptor *a, struct connection *c, struct poold_request *req);
/* Answers all requests in the input buffer of a->req, in order; c may be gone
 * afterwards. */
void connection_serve(struct acceptor *a, struct connection *c);
/* There is something to read, or its end; c may be gone afterwards. */
void connection_readable(struct acceptor *a, struct connection *c);

#endif
