/* SPDX-License-Identifier: ISC */
#include "common/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
sink_open(struct sink *sink, int fd)
{
	memset(sink, 0, sizeof(*sink));
	sink->fd = fd;
}

void
sink_close(struct sink *sink)
{
	sink_flush(sink);
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	free(sink->buf);
	sink_open(sink, -1);
}

void
sink_replace(struct sink *sink, int fd)
{
	sink_flush(sink);
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	sink->fd = fd;
}

void
sink_add(struct sink *sink, const char *line, size_t len)
{
	if (sink->fd == -1)
		return;
	if (sink->buf == NULL && (sink->buf = malloc(SINK_BUFFER)) == NULL) {
		sink->dropped++;
		return;
	}
	if (len > SINK_BUFFER - sink->len)
		sink_flush(sink);
	if (len > SINK_BUFFER - sink->len) {
		sink->dropped++;
		return;
	}
	memcpy(sink->buf + sink->len, line, len);
	sink->len += len;
}

/*
 * The descriptor may be shared with other processes, so it is not ours to make
 * non-blocking.  A pipe that polls as writable takes PIPE_BUF bytes.
 */
static ssize_t
write_some(int fd, const char *buf, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLOUT)) {
		errno = pfd.revents & (POLLERR | POLLHUP) ? EPIPE : EAGAIN;
		return -1;
	}
	return write(fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
}

bool
sink_flush(struct sink *sink)
{
	size_t done = 0;
	ssize_t n;

	while (done < sink->len) {
		n = write_some(sink->fd, sink->buf + done, sink->len - done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno != EAGAIN) {
			/* full disk, reader gone: these lines are lost */
			sink->dropped++;
			done = sink->len;
		}
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done > 0)
		memmove(sink->buf, sink->buf + done, sink->len - done);
	sink->len -= done;
	return sink->len > 0;
}
