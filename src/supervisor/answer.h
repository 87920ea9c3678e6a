/* SPDX-License-Identifier: ISC */
/*
 * A response to a health check, taken apart as it is read: status and body.
 * It comes from a worker, so it may be anything; nothing here does I/O.
 */
#ifndef SUPERVISOR_ANSWER_H
#define SUPERVISOR_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/http.h"

#define ANSWER_MAX (64 * 1024) /* bytes that are read of a response */

enum answer_state {
	ANSWER_HEAD,	/* its head is not whole */
	ANSWER_LENGTH,	/* in a body of known length */
	ANSWER_CHUNKED, /* in a chunked body */
	ANSWER_CLOSE,	/* in a body that ends with the connection */
	ANSWER_WHOLE,	/* nothing more is expected */
	ANSWER_BROKEN,	/* this is no HTTP */
};

struct answer {
	enum answer_state state;
	unsigned status; /* 0: not known yet */
	char *buf;	 /* grows up to ANSWER_MAX; NULL: nothing was read */
	size_t size;	 /* of buf */
	size_t len;	 /* bytes in it; a chunked body lies there decoded */
	size_t total;	 /* bytes that were read */
	size_t head_off; /* of the head being read: behind interim ones */
	size_t body_off;
	uint64_t left; /* of a body of known length */
	struct http_chunked chunked;
};

/* Empty, with no buffer.  Freeing leaves it so. */
void answer_init(struct answer *answer);
void answer_free(struct answer *answer);

/* Room for more bytes, at least one: where, and how many in *room.  NULL when
 * ANSWER_MAX bytes were read, or there is no memory. */
char *answer_room(struct answer *answer, size_t *room);

/* n bytes were put there.  Returns whether more are wanted. */
bool answer_add(struct answer *answer, size_t n);

/* The body, as far as it was read: not terminated. */
const char *answer_body(const struct answer *answer, size_t *len);

#endif
