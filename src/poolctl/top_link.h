/* SPDX-License-Identifier: ISC */
/* The connection of poolctl top, which waits for nothing and comes back. */
#ifndef POOLCTL_TOP_LINK_H
#define POOLCTL_TOP_LINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct top_link {
	const char *path;
	int fd; /* -1: not connected */
	char *in;
	size_t in_len, in_size;
	size_t looked; /* bytes of in that have no end of line */
};

void top_link_init(struct top_link *link, const char *path);
/* Returns whether there is a connection; errno says why not. */
bool top_link_open(struct top_link *link);
void top_link_close(struct top_link *link);
/* A line, with its end.  False: the connection is no more. */
bool top_link_send(struct top_link *link, const char *line);
/* Takes in what has come.  False: the connection is no more. */
bool top_link_read(struct top_link *link);
/* The next reply that is whole; NULL: none.  New reference.  *broken: it is no
 * JSON object. */
json_t *top_link_next(struct top_link *link, bool *broken);

#endif
