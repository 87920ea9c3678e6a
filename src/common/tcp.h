/* SPDX-License-Identifier: ISC */
/*
 * What the kernel says about a connection: how much was written to it and how
 * much was read from it, by whatever process (tcp(7), TCP_INFO).  It decides
 * what may be done for a client whose worker died.
 */
#ifndef COMMON_TCP_H
#define COMMON_TCP_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_sample {
	uint64_t written;  /* bytes ever given to the socket */
	uint64_t consumed; /* bytes ever taken from it */
};

/* Both return false when the kernel cannot tell (a unix socket, an error). */

/* At the lease: TCP_INFO first, so that the difference to the second sample
 * can only overstate what the worker did. */
bool tcp_sample_before(int fd, struct tcp_sample *sample);
/* After the worker was reaped: the receive queue first, for the same reason. */
bool tcp_sample_after(int fd, struct tcp_sample *sample);

/* What the client did, for client_timeout. */
struct tcp_progress {
	uint64_t acked;	   /* bytes of ours that it acknowledged, ever */
	uint64_t received; /* bytes that came from it, ever */
	uint64_t unacked;  /* bytes written that it has not acknowledged */
	bool ended;	   /* it will send nothing more */
};
bool tcp_progress_read(int fd, struct tcp_progress *progress);

#endif
