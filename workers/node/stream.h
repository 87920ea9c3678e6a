/* SPDX-License-Identifier: ISC */
/*
 * The frames that wait to be sent to Node.  Nothing waits for it: what it does not
 * take is kept.  That is bounded by the requests that this worker has at a time, one
 * frame of each and another that its client left.
 */
#ifndef NODE_STREAM_H
#define NODE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poold.h>

#define STREAM_BODY_MAX (64 * 1024) /* of a request in a frame */

struct stream {
	int fd; /* its owner closes it */
	char *buf;
	size_t pos, len, size; /* [pos, len) waits */
};

void stream_init(struct stream *stream, int fd);
void stream_free(struct stream *stream);

/* Adds a request, whose body is all there; 0, or -1 with errno. */
int stream_request(struct stream *stream, struct poold_request *req, uint64_t id);
/* Says that the client of a request left; reset: so that nothing can be sent. */
int stream_gone(struct stream *stream, uint64_t id, bool reset);

/* Sends what there is.  0, or -1 with errno; what remains waits for POLLOUT. */
int stream_flush(struct stream *stream);
bool stream_is_empty(const struct stream *stream);

#endif
