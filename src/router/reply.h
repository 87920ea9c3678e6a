/* SPDX-License-Identifier: ISC */
/*
 * The answers that the router gives itself: errors as application/problem+json
 * (RFC 9457), 204 for "OPTIONS *".
 */
#ifndef ROUTER_REPLY_H
#define ROUTER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_MAX 1024 /* bytes of a whole answer */

struct reply {
	unsigned status;
	unsigned retry_after_s; /* with 503; 0: soon */
	const char *detail;	/* static text for people, or NULL */
	const uint8_t *id;	/* of the request: 16 bytes */
	bool is_head;		/* leave the body out */
	bool keep;		/* the connection goes on */
	bool http10;		/* the client speaks 1.0 */
};

/* Writes an answer into buf[REPLY_MAX].  Returns its length. */
size_t reply_format(char *buf, const struct reply *reply);

#endif
