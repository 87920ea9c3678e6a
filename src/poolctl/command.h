/* SPDX-License-Identifier: ISC */
/* The commands of poolctl that have files of their own, and what they share. */
#ifndef POOLCTL_COMMAND_H
#define POOLCTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>

#include "poolctl/client.h"

struct options {
	const char *path; /* of the socket */
	bool json;
	bool follow;
	double delay; /* seconds between two looks; 0: not given */
};

/* Sends a request, which it takes over, and gets its reply; or ends poolctl with
 * the reason.  New reference. */
json_t *command_ask(struct client *client, json_t *request);
/* Says on stderr what was wrong, if anything.  Returns the exit status. */
int command_failure(const json_t *reply);

#endif
