/* SPDX-License-Identifier: ISC */
/* The thread of a destination that is syslog's: one datagram a line. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/util.h"
#include "logger/dest.h"

#define AGAIN_NS (1000 * MS_NS) /* between two tries to connect */

/* A daemon that does not take messages holds us up for a second each, so that
 * the queue fills and lines are dropped. */
static int
open_socket(const struct dest *dest)
{
	struct timeval patience = { .tv_sec = 1 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;

	if (fd == -1)
		return -1;
	strlcpy(addr.sun_path, dest->name, sizeof(addr.sun_path));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static bool
connect_if_due(struct dest *dest)
{
	uint64_t now_ns = util_now_ns();

	if (dest->fd != -1)
		return true;
	if (dest->connected_ns != 0 && now_ns - dest->connected_ns < AGAIN_NS) {
		errno = ENOTCONN;
		return false;
	}
	dest->connected_ns = now_ns;
	dest->fd = open_socket(dest);
	return dest->fd != -1;
}

/* A daemon that was started anew has another socket at the same path. */
static bool
send_one(struct dest *dest, const char *text, size_t len)
{
	for (int tries = 0; tries < 2; tries++) {
		if (!connect_if_due(dest))
			return false;
		if (send(dest->fd, text, len, MSG_NOSIGNAL) != -1)
			return true;
		if (errno == EAGAIN || errno == EMSGSIZE || errno == ENOBUFS)
			return false;
		close(dest->fd);
		dest->fd = -1;
		dest->connected_ns = tries == 0 ? 0 : dest->connected_ns;
	}
	return false;
}

uint64_t
dest_syslog_send(struct dest *dest, int *error)
{
	const char *at = dest->out.text, *end = at + dest->out.len, *newline;
	uint64_t dropped = 0;

	*error = 0;
	for (; at < end && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL;
	     at = newline + 1)
		if (!send_one(dest, at, (size_t)(newline - at))) {
			dropped++;
			*error = errno;
		}
	return dropped;
}
