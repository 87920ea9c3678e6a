/* SPDX-License-Identifier: ISC */
/*
 * The rest of a response: what a slow client has not taken yet is left in a
 * memfd of the worker's own, DONE says where, and the router sends it.  The
 * worker is free for the next request meanwhile.
 */
#ifndef LIBPOOLD_REST_H
#define LIBPOOLD_REST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/lease.h"

struct poold_request;

/* How long a client may take nothing before the rest is put aside. */
#define REST_PATIENCE_MS 50

struct rest {
	int fd;		/* the memfd; -1: none, nothing is ever put aside */
	uint64_t quota; /* bytes that may lie there */
	uint64_t size;	/* of the file */
	struct lease_worker *me;
	/* What the router of this epoch still has; another one has none of it. */
	uint16_t epoch;
	uint64_t freed_base; /* rest_freed when the epoch began */
	uint64_t given;	     /* bytes of whole pages handed over since */
	uint64_t next;	     /* offset of the next region, a whole page */
	/* the region of the current response */
	bool open;
	uint64_t len;  /* bytes put there */
	uint64_t sent; /* of them, sent by ourselves after all */
};

/* A worker without a memfd has fd -1. */
void rest_init(struct rest *rest, int fd, uint64_t quota, struct lease_worker *me);
/* A new request, leased under this serial. */
void rest_begin(struct rest *rest, uint64_t serial);
/* The request is answered: fills in where its rest lies, if there is one.
 * broken: nobody wants it any more. */
void rest_finish(struct rest *rest, struct lease_done *done, bool broken);

/* Whether output of req may be put aside; whether some was, so that all that
 * follows must be too. */
bool rest_usable(const struct poold_request *req);
bool rest_is_open(const struct poold_request *req);

/* Puts parts (empty ones are skipped), or a part of a file, behind what is
 * there; while it is full, sends from its begin.  Return 0, or -1 with errno as
 * io_send.  *bytes grows by what was put or sent. */
int rest_put(struct poold_request *req, const struct iovec *iov, int count,
    uint64_t *bytes);
int rest_put_file(struct poold_request *req, int file, off_t offset, uint64_t len,
    uint64_t *bytes);

#endif
