/* SPDX-License-Identifier: ISC */
/* What the two ways of serving have in common: see node.c and listening.c. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <stdbool.h>

#include "application.h"
#include "command.h"
#include "results.h"

#define WORDS_MAX 1024

struct node {
	struct command command;
	struct application application;
	struct results results;
	bool listens;	       /* the application does */
	char words[WORDS_MAX]; /* why it cannot start, by itself */
};

/* What both do with a frame. */
void node_take(struct node *node, const struct frame_result *frame, const char *data,
    size_t len);
/* Starts Node.  EX_OK, or what to exit with. */
int node_start(struct node *node);
/* It has ended before the application listened: says why, returns what to exit
 * with. */
int node_start_failed(struct node *node);

/* leased.c: answers leased requests; returns what to exit with. */
int node_serve_leased(struct node *node, int argc, char **argv);
/* listening.c: the application accepts from an inherited socket. */
int node_serve_listening(struct node *node);

#endif
