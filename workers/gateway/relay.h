/* SPDX-License-Identifier: ISC */
/* The response that a program writes, head first, on its way to the client. */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include <poold.h>

#include "output.h"

/* How long the body of a response is held back: a program that is done by then
 * is answered with one Content-Length, and the request can be repeated if the
 * worker dies meanwhile. */
#define RELAY_HELD_MS 20
#define RELAY_SIZE    (OUTPUT_HEAD_MAX + 64 * 1024)

enum relay_state {
	RELAY_HEAD,	/* the head is not complete */
	RELAY_HELD,	/* it is; the body is collected for a moment */
	RELAY_STREAM,	/* the response has begun */
	RELAY_REDIRECT, /* a local redirect: location */
	RELAY_OVER,	/* nothing more of the program is wanted */
};

/* Large: made once, and used again for each response. */
struct relay {
	struct poold_request *req;
	const char *name; /* of the program, for the log */
	bool raw;	  /* it writes HTTP by itself (nph-) */
	bool local;	  /* a Location may be a local redirect */
	enum relay_state state;
	int64_t held_until; /* ms of CLOCK_MONOTONIC; RELAY_HELD */
	int64_t to_send;    /* of a Content-Length that it gave; -1: none */
	size_t len, head_len;
	struct output_head head;
	char buf[RELAY_SIZE + 1];	/* what it wrote: head, then body */
	char location[OUTPUT_HEAD_MAX]; /* of a local redirect */
};

/* Begins anew.  name must live as long as the response. */
void relay_begin(struct relay *relay, struct poold_request *req, const char *name);

/* Takes what the program wrote.  May wait for the client. */
void relay_put(struct relay *relay, const char *buf, size_t len);

/* How long to wait for more, for poll(2); then relay_tick. */
int relay_timeout_ms(const struct relay *relay);
void relay_tick(struct relay *relay);

/* The output is complete.  why: what is wrong with the program's end, if the
 * response must not look complete; else NULL. */
void relay_finish(struct relay *relay, const char *why);

/* Answers 502 if that can still be done, and is over. */
void relay_fail(struct relay *relay, const char *why);
void relay_client_left(struct relay *relay);

/* Whether more of the program's output is wanted. */
bool relay_wants(const struct relay *relay);
/* Whether nothing was sent to the client yet. */
bool relay_is_silent(const struct relay *relay);

int64_t relay_now_ms(void);

#endif
