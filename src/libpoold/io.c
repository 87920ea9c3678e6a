/* SPDX-License-Identifier: ISC */
/*
 * Blocking input and output with deadlines.
 *
 * A leased descriptor shares its file status flags with the router, so no flag
 * is changed for long: MSG_DONTWAIT tries first, poll(2) waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "libpoold/internal.h"

int
io_wait(int fd, short events, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	uint64_t end_ns = timeout_ms < 0 ? 0 :
					   util_now_ns() + (uint64_t)timeout_ms * MS_NS;
	uint64_t now_ns;
	int n;

	while ((n = poll(&pfd, 1, timeout_ms)) == -1) {
		if (errno != EINTR)
			return -1;
		if (timeout_ms < 0)
			continue;
		now_ns = util_now_ns();
		timeout_ms = now_ns < end_ns ? (int)((end_ns - now_ns) / MS_NS) : 0;
	}
	if (n == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return 0;
}

ssize_t
io_recv(int fd, void *buf, size_t size, int timeout_ms)
{
	ssize_t n;

	while ((n = recv(fd, buf, size, MSG_DONTWAIT)) == -1) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || io_wait(fd, POLLIN | POLLRDHUP, timeout_ms) == -1)
			return -1;
	}
	return n;
}

int
io_recv_exactly(int fd, void *buf, size_t size, int timeout_ms)
{
	uint64_t end_ns = 0, now_ns;
	size_t done = 0;
	ssize_t n;
	int left_ms = timeout_ms;

	for (;;) {
		n = io_recv(fd, (char *)buf + done, size - done, left_ms);
		if (n == 0)
			errno = ECONNRESET;
		if (n <= 0)
			return -1;
		done += (size_t)n;
		if (done == size)
			return 0;
		/* Only a head that comes in pieces is worth a look at the clock. */
		now_ns = util_now_ns();
		if (end_ns == 0)
			end_ns = now_ns + (uint64_t)timeout_ms * MS_NS;
		left_ms = now_ns < end_ns ? (int)((end_ns - now_ns) / MS_NS) : 0;
	}
}

/* Drops the first done bytes of iov, whose parts become empty; returns the first
 * part left. */
static int
iov_advance(struct iovec *iov, int count, size_t done)
{
	int i;

	for (i = 0; i < count && done >= iov[i].iov_len; i++) {
		done -= iov[i].iov_len;
		iov[i].iov_len = 0;
	}
	if (i < count) {
		iov[i].iov_base = (char *)iov[i].iov_base + done;
		iov[i].iov_len -= done;
	}
	return i;
}

int
io_send(int fd, struct iovec *iov, int count, int flags, int timeout_ms, uint64_t *bytes)
{
	struct msghdr msg = { 0 };
	ssize_t n;
	int first = 0;

	while (first < count) {
		msg.msg_iov = iov + first;
		msg.msg_iovlen = (size_t)(count - first);
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
		if (n == -1) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN || io_wait(fd, POLLOUT, timeout_ms) == -1)
				return -1;
			continue;
		}
		*bytes += (uint64_t)n;
		first += iov_advance(iov + first, count - first, (size_t)n);
	}
	return 0;
}

/* sendfile(2) has no MSG_DONTWAIT: the flag is set for the while.  The router
 * does not care; the next worker finds the socket as this one did. */
static int
set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1 && !(flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return flags;
}

static void
restore_flags(int fd, int flags)
{
	if (flags != -1 && !(flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, flags);
}

static int
send_file(int fd, int file, off_t offset, uint64_t len, int timeout_ms, uint64_t *bytes)
{
	const uint64_t step_max = 1 << 30;
	ssize_t n;

	while (len > 0) {
		n = sendfile(fd, file, &offset, len < step_max ? len : step_max);
		if (n == -1) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN || io_wait(fd, POLLOUT, timeout_ms) == -1)
				return -1;
			continue;
		}
		if (n == 0) {
			errno = EIO;
			return -1;
		}
		*bytes += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int
io_send_file(int fd, int file, off_t offset, uint64_t len, int timeout_ms,
    uint64_t *bytes)
{
	int flags = set_nonblocking(fd);
	int result = send_file(fd, file, offset, len, timeout_ms, bytes);
	int error = errno;

	restore_flags(fd, flags);
	errno = error;
	return result;
}
