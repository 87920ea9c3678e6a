/* SPDX-License-Identifier: ISC */
/*
 * A worker's own line to the supervisor (the service key control): one end of a
 * socket pair, on which it speaks the protocol of the control socket.  What it
 * may do there was fixed by the configuration that it was started from; nobody
 * is asked who he is.  It lives as long as the worker, upgrades included.
 */
#ifndef SUPERVISOR_CONTROL_LINE_H
#define SUPERVISOR_CONTROL_LINE_H

#include <stdbool.h>

struct config;
struct config_service;
struct control_client;
struct worker;

struct control_line {
	struct control_client *client; /* our end; NULL: none, or it was dropped */
	int number;		       /* of its descriptor in the worker; 0: none */
	/* What an upgrade leaves to the next version; else empty. */
	int fd;	       /* our end; -1: none */
	char *in;      /* what it said, and was not looked at */
	char *out;     /* what it has not read yet */
	char *request; /* that waits for its answer */
	bool follows;  /* events */
};

void control_line_init(struct control_line *line);
/* Frees what an upgrade left. */
void control_line_clear(struct control_line *line);

/* Says in the log when workers that may change something are in the reach of other
 * machines. */
void control_line_warn(const struct config *config, const struct config_service *service);

/* Before the worker is forked: *end is its end, the caller's to close, or -1 when
 * its service has none.  Returns false, with errno, when there should be one. */
bool control_line_open(struct worker *worker, int *end);
/* The worker has ended, or was never started. */
void control_line_close(struct worker *worker);

/* Notes for the state what is under way; control_line_clear when it is written. */
void control_line_save(struct worker *worker);
/* Goes on with what the state has noted. */
void control_line_adopt(struct worker *worker);

#endif
