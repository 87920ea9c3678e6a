/* SPDX-License-Identifier: ISC */
/*
 * What is sent to Node through its IPC channel: lines of JSON, some of them with a
 * client's socket.  Nothing waits: what Node does not take is kept.  That is
 * bounded by the requests that this worker has at a time, one line of each and
 * another that its client left.
 */
#ifndef NODE_CHANNEL_H
#define NODE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct channel_line;

struct channel {
	int fd; /* its owner closes it */
	STAILQ_HEAD(channel_lines, channel_line)
	lines;
};

void channel_init(struct channel *channel, int fd);
void channel_clear(struct channel *channel);

/*
 * Sends a request: its number, its head, how long its body is (-1: chunked),
 * whether its connection may be kept, and where to say how long the answer is
 * (poold_answer_fd; 0: nowhere).  fd stays the caller's, who keeps it open until Node
 * has answered.  0, or -1 with errno.
 */
int channel_request(struct channel *channel, uint64_t id, int fd, const char *head,
    size_t len, int64_t body, bool keep, off_t answer);
/* Sends the socket of a request that Node has without. */
int channel_lend(struct channel *channel, uint64_t id, int fd);
/* Says that the client of a request left; reset: so that nothing can be sent. */
int channel_gone(struct channel *channel, uint64_t id, bool reset);

/* Sends what is kept.  0, or -1 with errno; what remains waits for POLLOUT. */
int channel_flush(struct channel *channel);
bool channel_is_empty(const struct channel *channel);

/* Reads what Node says there, which is for nobody.  0, or -1: it could not take
 * a descriptor, or has gone. */
int channel_drain(struct channel *channel);

#endif
