/* SPDX-License-Identifier: ISC */
/*
 * Messages over SEQPACKET sockets.  The only file that sends and receives
 * descriptors (unix(7), cmsg(3)).
 */
#ifndef COMMON_MSG_H
#define COMMON_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define MSG_FDS_MAX 8 /* descriptors in one message */

/* A connected pair, close-on-exec, blocking.  Returns 0, or -1 with errno. */
int msg_pair(int sv[2]);

/*
 * Sends one message; SIGPIPE is never raised.  The descriptors stay the
 * caller's.  flags: MSG_DONTWAIT or 0.  Returns 0, or -1 with errno (EAGAIN:
 * the socket is full; ETOOMANYREFS: too many descriptors are under way; EPIPE:
 * the other end is gone).
 */
int msg_send(int sock, const void *buf, size_t len, int flags);
int msg_sendv(int sock, const struct iovec *iov, int iov_count, const int *fds,
    int fd_count, int flags);

/*
 * Receives one message of up to size bytes.  Descriptors in it are
 * close-on-exec and become the caller's; *truncated says that a part of the
 * message (bytes or descriptors) was lost.  Returns its length, 0 at end of
 * file, -1 with errno.
 */
struct msg_received {
	int fds[MSG_FDS_MAX];
	int fd_count;
	bool truncated;
};
ssize_t msg_recv(int sock, void *buf, size_t size, int flags,
    struct msg_received *received);

/* The same for messages with at most one descriptor: *fd is -1 without one;
 * more than one are closed. */
ssize_t msg_recv_fd(int sock, void *buf, size_t size, int flags, int *fd,
    bool *truncated);

/*
 * Receives up to count messages of the same size at once (recvmmsg(2)), each
 * with the process that sent it as the kernel names it (SO_PASSCRED must be
 * set).  lens[i] is the length of message i, bufs + i * size.  Descriptors
 * that come along are closed.  A length of 0 is an empty message or the end of
 * the file.  Never waits.  Returns how many, or -1 with errno.
 */
#define MSG_RECV_MAX 16
int msg_recv_batch(int sock, void *bufs, size_t size, int count, size_t *lens,
    pid_t *senders);

#endif
