/* SPDX-License-Identifier: ISC */
/* The connection to the control socket of a poold: see poolctl(1). */
#ifndef POOLCTL_CLIENT_H
#define POOLCTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct client {
	const char *path;
	FILE *stream; /* to read from */
	int fd;
	char *line; /* the last one, without its end */
	size_t size;
};

/* Connects, which takes 10 s at most.  Returns 0, or an exit status of sysexits(3) with
 * the reason said on stderr. */
int client_open(struct client *client, const char *path);
/* The same without a word: false with errno, EAGAIN when poold lets nobody in. */
bool client_try(struct client *client, const char *path);
void client_close(struct client *client);

/* Sends a request, which it takes over.  False: the reason was said. */
bool client_send(struct client *client, json_t *request);
/* The next line: a new reference, its text in client->line.  NULL at the end, or
 * when it is no JSON object. */
json_t *client_receive(struct client *client);

#endif
