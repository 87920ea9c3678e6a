/* SPDX-License-Identifier: ISC */
#include "common/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union fds_buf {
	char buf[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
	struct cmsghdr align;
};

int
msg_pair(int sv[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv);
}

int
msg_send(int sock, const void *buf, size_t len, int flags)
{
	ssize_t n;

	do
		n = send(sock, buf, len, flags | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

int
msg_sendv(int sock, const struct iovec *iov, int iov_count, const int *fds, int fd_count,
    int flags)
{
	union fds_buf control;
	struct msghdr msg = { .msg_iov = (struct iovec *)iov,
		.msg_iovlen = (size_t)iov_count };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (fd_count > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
		memset(control.buf, 0, msg.msg_controllen);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * (size_t)fd_count);
	}
	do
		n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

static void
take_fds(struct msghdr *msg, struct msg_received *received)
{
	struct cmsghdr *cmsg;
	size_t count;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (received->fd_count < MSG_FDS_MAX)
				received->fds[received->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

ssize_t
msg_recv(int sock, void *buf, size_t size, int flags, struct msg_received *received)
{
	union fds_buf control;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	ssize_t n;

	received->fd_count = 0;
	received->truncated = false;
	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	received->truncated = (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
	take_fds(&msg, received);
	return n;
}

ssize_t
msg_recv_fd(int sock, void *buf, size_t size, int flags, int *fd, bool *truncated)
{
	struct msg_received received;
	ssize_t n = msg_recv(sock, buf, size, flags, &received);

	*fd = -1;
	*truncated = received.truncated;
	if (n != -1 && received.fd_count > 0)
		*fd = received.fds[0];
	for (int i = 1; i < received.fd_count; i++)
		close(received.fds[i]);
	return n;
}

static pid_t
sender_of(struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	struct ucred cred;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg))
		if (cmsg->cmsg_level == SOL_SOCKET &&
		    cmsg->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&cred, CMSG_DATA(cmsg), sizeof(cred));
			return cred.pid;
		}
	return 0;
}

int
msg_recv_batch(int sock, void *bufs, size_t size, int count, size_t *lens, pid_t *senders)
{
	union cred_buf {
		char buf[CMSG_SPACE(sizeof(struct ucred)) +
		    CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
		struct cmsghdr align;
	} controls[MSG_RECV_MAX];
	struct mmsghdr msgs[MSG_RECV_MAX];
	struct iovec iovs[MSG_RECV_MAX];
	struct msg_received unwanted;
	int n;

	if (count > MSG_RECV_MAX)
		count = MSG_RECV_MAX;
	memset(msgs, 0, sizeof(msgs[0]) * (size_t)count);
	for (int i = 0; i < count; i++) {
		iovs[i].iov_base = (char *)bufs + (size_t)i * size;
		iovs[i].iov_len = size;
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_control = controls[i].buf;
		msgs[i].msg_hdr.msg_controllen = sizeof(controls[i].buf);
	}
	do
		n = recvmmsg(sock, msgs, (unsigned)count, MSG_DONTWAIT | MSG_CMSG_CLOEXEC,
		    NULL);
	while (n == -1 && errno == EINTR);
	for (int i = 0; i < n; i++) {
		lens[i] = msgs[i].msg_len;
		senders[i] = sender_of(&msgs[i].msg_hdr);
		unwanted.fd_count = 0;
		take_fds(&msgs[i].msg_hdr, &unwanted);
		for (int j = 0; j < unwanted.fd_count; j++)
			close(unwanted.fds[j]);
	}
	return n;
}
