/* SPDX-License-Identifier: ISC */
/* The command line of poold-node, and the one of Node that it makes of it. */
#ifndef NODE_COMMAND_H
#define NODE_COMMAND_H

#include <stddef.h>

struct command {
	const char *app; /* of argv */
	char **argv;	 /* of Node */
	char *preload;	 /* the path of poold-node.js */
};

/* Reads the command line.  EX_OK, or what to exit with.  command_free in any case. */
int command_read(struct command *command, int argc, char **argv);
void command_free(struct command *command);

#endif
