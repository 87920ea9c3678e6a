/* SPDX-License-Identifier: ISC */
/*
 * The worker's line to the supervisor (POOLD_CONTROL_FD): requests are sent at
 * once, replies come in the same order.  Never waits.
 */
#ifndef ADMIN_LINE_H
#define ADMIN_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

/* Gets one line of the reply, without its end; last: no more of them come.
 * text NULL: there will be no reply, since the line is dead. */
typedef void (*line_fn)(void *arg, const char *text, size_t len, bool last);

struct line_ask;

struct line {
	int fd; /* -1: dead */
	char *in;
	size_t in_len, in_size;
	char *out; /* not sent yet */
	size_t out_len;
	TAILQ_HEAD(line_asks, line_ask)
	asks;
};

/* Takes the descriptor of the environment.  Returns false when there is none. */
bool line_open(struct line *line);
void line_close(struct line *line);

/* Asks, and takes over request (NULL fails).  several: the reply is one line and
 * then more, up to {"end":true}.  Returns false when the line is dead; fn is then
 * not called. */
bool line_ask(struct line *line, json_t *request, bool several, line_fn fn, void *arg);

/* For poll(2). */
short line_events(const struct line *line);
void line_io(struct line *line, short revents);

#endif
