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

#endif
