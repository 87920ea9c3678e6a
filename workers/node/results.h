/* SPDX-License-Identifier: ISC */
/* What Node says: messages of frames (frames.h). */
#ifndef NODE_RESULTS_H
#define NODE_RESULTS_H

#include <stddef.h>

#include "frames.h"

struct results {
	int fd;	   /* its owner closes it */
	char *buf; /* RESULTS_MAX bytes */
	/* Gets each frame, and the len bytes behind it. */
	void (*take)(void *arg, const struct frame_result *frame, const char *data,
	    size_t len);
	void *arg;
};

/* The last two as in the struct.  0, or -1: no memory. */
int results_init(struct results *results, int fd,
    void (
	*take)(void *arg, const struct frame_result *frame, const char *data, size_t len),
    void *arg);
void results_free(struct results *results);

/* Reads all that Node has said. */
void results_read(struct results *results);

#endif
