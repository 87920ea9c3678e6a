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
/* The next line, in the same way. */
json_t *command_hear(struct client *client);
/* Says on stderr what was wrong, if anything.  Returns the exit status. */
int command_failure(const json_t *reply);
/* Sends a request, which it takes over, and shows its reply: as JSON if options say
 * so, else what failed, or, when it went well, by show, which may be NULL.  Returns the
 * exit status. */
int command_exchange(struct client *client, const struct options *options,
    json_t *request, void (*show)(const json_t *reply));
/* The same for a request whose reply is followed by lines, up to one that has "end" in
 * it, or until the connection ends (*ended: which); show is for each of them. */
int command_follow(struct client *client, const struct options *options, json_t *request,
    void (*show)(const json_t *line), bool *ended);

/* A command (args: the service, then its words) as the service would run it.
 * Returns its exit status, or as poolctl(1) says. */
int run_run(struct client *client, const struct options *options, char **args);
/* What USR2 does, and what became of it.  Returns the exit status. */
int upgrade_run(struct client *client, const struct options *options);
/* A request, which it takes over, that ends with a reload; shows its steps.
 * Returns the exit status. */
int reload_run(struct client *client, json_t *request);

#endif
