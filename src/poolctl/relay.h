/* SPDX-License-Identifier: ISC */
/*
 * The standard descriptors of poolctl run's command.  Files, pipes and sockets are
 * handed over as they are.  A terminal never is: whoever has it could go on reading
 * what is typed there when the command has ended.  The command gets a terminal of
 * its own instead, or a pipe, and what passes through it is relayed.
 */
#ifndef POOLCTL_RELAY_H
#define POOLCTL_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#define RELAYS_MAX 4

struct relay_way {
	int from, to;
	bool ours; /* to: is closed at the end of from */
	char buf[4096];
	size_t at, len;
};

struct relay {
	int fds[3];    /* for the command */
	bool terminal; /* it has one of its own, and ours is raw */
	int master;
	struct termios before; /* ours */
	struct relay_way ways[RELAYS_MAX];
	size_t count;
};

/* Returns false with errno. */
bool relay_open(struct relay *relay);
/* The command has its descriptors: ours of them are closed. */
void relay_begin(struct relay *relay);
/* Fills fds[RELAYS_MAX]; then, after poll, moves what can be moved. */
void relay_poll(struct relay *relay, struct pollfd *fds);
void relay_move(struct relay *relay, const struct pollfd *fds);
/* The size of our terminal has changed. */
void relay_resize(const struct relay *relay);
/* The command has ended: the rest of what it wrote; our terminal as it was. */
void relay_close(struct relay *relay);

#endif
