/* SPDX-License-Identifier: ISC */
/*
 * The worker's side of the lease contract, for workers with one request at a
 * time (leased.c) and for those with several (leased_many.c).
 */
#ifndef LIBPOOLD_LEASED_H
#define LIBPOOLD_LEASED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/lease.h"
#include "libpoold/internal.h"

struct leased {
	struct serve *serve;
	void *map;		       /* the scoreboard */
	struct lease_scoreboard board; /* its header as it was checked */
	struct lease_worker *me;
	uint32_t worker; /* the index of me */
	int epoll;
	bool going;	       /* GO was received */
	bool stopping;	       /* STOP was received, or nobody is there to send one */
	bool queued;	       /* the queue is in the epoll set */
	bool is_many;	       /* several requests at a time */
	bool keep_heads;       /* for poold_head */
	bool peek;	       /* they stay in their sockets */
	struct lease_msg *msg; /* LEASE_MSG_MAX bytes */
	struct rest rest;
	/* The lease of req is ours; to say so in the worker's slot. */
	void (*owned)(struct leased *l, struct poold_request *req);
	/* Says DONE(detached); NULL: it is sent at once.  0, or -1 with errno. */
	int (*detach)(struct leased *l, struct poold_request *req,
	    struct lease_done *done);
};

/* Checks what the process was started with, says READY.  0, or an exit status;
 * leased_close in any case. */
int leased_open(struct leased *l);
void leased_close(struct leased *l);

int leased_watch(int epoll, int fd, uint32_t events); /* data.u64 is fd */
void leased_state_set(struct leased *l, enum lease_worker_state state);

enum leased_begun {
	LEASED_OPEN,	/* the request can be answered */
	LEASED_LEFT,	/* the client left */
	LEASED_REFUSED, /* to be answered so */
	LEASED_DROPPED, /* no lease at all */
};

/* Makes req of the message of len bytes in l->msg, whose connection is fd. */
enum leased_begun leased_begin(struct leased *l, struct poold_request *req, size_t len,
    int fd, bool truncated);

/* The end of a lease, in this order: the socket is closed, the DONE filled in
 * (all but flags, status and bytes), the request counted, the lease slot told,
 * the DONE sent. */
void leased_done_fill(const struct poold_request *req, struct lease_done *done);
void leased_count(struct leased *l, const struct poold_request *req,
    const struct lease_done *done);
void leased_over(struct poold_request *req);
/* flags: MSG_DONTWAIT or 0.  0, or -1 with errno. */
int leased_send_done(const struct poold_request *req, int sock, struct lease_done *done,
    int flags);

/* release.c: heads that stay in their sockets */
/* Looks at the head, len bytes; -1: the client left. */
int raw_peek(struct poold_request *req, int fd, size_t len);
/* Keeps a copy of what is in req->in; lent: and counts what was read so far. */
int raw_keep(struct poold_request *req, int fd, const struct lease_msg *msg, bool lent);

#endif
