/* SPDX-License-Identifier: ISC */
/*
 * One end of the connection between supervisor and router: whole messages with
 * descriptors, in order, never blocking.  What the socket does not take waits
 * here.
 */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

#include <stddef.h>
#include <sys/queue.h>

#include "common/loop.h"
#include "common/msg.h"

#define CHANNEL_MSG_MAX 65536 /* bytes of a message */

struct channel_msg;
TAILQ_HEAD(channel_msgs, channel_msg);

struct channel {
	struct loop *loop;
	struct loop_io io;
	struct channel_msgs out;
	/* A message with its descriptors, which are the callee's. */
	void (*on_msg)(void *owner, const void *buf, size_t len, const int *fds,
	    int fd_count);
	/* The other end is gone.  The channel is still to be closed. */
	void (*on_end)(void *owner);
	void *owner;
	bool paused;
};

/* Begins to receive on sock, which the channel owns from then on.  The
 * callbacks and the owner are set by the caller before. */
int channel_open(struct channel *channel, struct loop *loop, int sock);
/* Closes sock and what waits to be sent.  A closed one may be closed again. */
void channel_close(struct channel *channel);

/* Nothing is received until it is resumed; what comes waits in the socket. */
void channel_pause(struct channel *channel);
void channel_resume(struct channel *channel);

/* Sends what waits, as far as the socket takes it.  Returns whether something
 * still waits. */
bool channel_flush(struct channel *channel);

/* Sends a message, now or as soon as possible.  The descriptors stay the
 * caller's: those of a message that waits are duplicated.  On a closed channel
 * this does nothing: whoever opens it anew tells everything anew. */
void channel_send(struct channel *channel, const void *buf, size_t len, const int *fds,
    int fd_count);

#endif
