/* SPDX-License-Identifier: ISC */
/*
 * The lease that a request is of, from the message that brings it to its DONE: the
 * same for workers with one request at a time and with several.
 */
#ifndef LIBPOOLD_HELD_H
#define LIBPOOLD_HELD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/lease.h"
#include "libpoold/internal.h"

struct leased;

enum held_begun {
	HELD_OPEN,    /* the request can be answered */
	HELD_LEFT,    /* the client left */
	HELD_REFUSED, /* to be answered so */
	HELD_DROPPED, /* no lease at all: nobody waits for a DONE */
};

/* Makes req of the message of len bytes in l->msg, whose connection is fd (-1: it
 * came without), the caller's still.  truncated: so was the message. */
enum held_begun held_begin(struct leased *l, struct poold_request *req, size_t len,
    int fd, bool truncated);

/* The end of a lease, in this order: the socket is closed, the DONE filled in, the
 * request counted, the lease slot told, the DONE sent. */

/* All of done but flags, status and bytes. */
void held_fill_done(const struct poold_request *req, struct lease_done *done);
/* Counts the request in the scoreboard, unless no client asked. */
void held_count(struct leased *l, const struct poold_request *req,
    const struct lease_done *done);
/* From here on a look at the lease slot says that the request is over, though the
 * router has not heard of it yet. */
void held_over(struct poold_request *req);
/* Sends DONE on sock, with the phases behind it if whoever sent the lease knows
 * them.  flags: MSG_DONTWAIT or 0.  0, or -1 with errno. */
int held_send_done(const struct poold_request *req, int sock, struct lease_done *done,
    int flags);

#endif
