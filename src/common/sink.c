/* SPDX-License-Identifier: ISC */
#include "common/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
set_fd(struct sink *sink, int fd)
{
	int flags = fd != -1 ? fcntl(fd, F_GETFL) : -1;

	sink->fd = fd;
	sink->own = flags != -1 && (flags & O_NONBLOCK);
}

void
sink_open(struct sink *sink, int fd)
{
	memset(sink, 0, sizeof(*sink));
	set_fd(sink, fd);
}

void
sink_close(struct sink *sink)
{
	sink_flush(sink);
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	free(sink->buf);
	sink->buf = NULL;
	sink->len = 0;
	set_fd(sink, -1);
}

void
sink_replace(struct sink *sink, int fd)
{
	sink_flush(sink);
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	set_fd(sink, fd);
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
 * A descriptor that is shared with other processes is not ours to make
 * non-blocking.  A pipe that polls as writable takes PIPE_BUF bytes.
 */
static ssize_t
write_some(const struct sink *sink, const char *buf, size_t len)
{
	struct pollfd pfd = { .fd = sink->fd, .events = POLLOUT };

	if (sink->own)
		return write(sink->fd, buf, len);
	if (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLOUT)) {
		errno = pfd.revents & (POLLERR | POLLHUP) ? EPIPE : EAGAIN;
		return -1;
	}
	return write(sink->fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
}

static uint64_t
count_lines(const char *text, size_t len)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

bool
sink_flush(struct sink *sink)
{
	size_t done = 0;
	ssize_t n;

	while (done < sink->len) {
		n = write_some(sink, sink->buf + done, sink->len - done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno != EAGAIN) {
			/* full disk, reader gone: these lines are lost */
			sink->dropped += count_lines(sink->buf + done, sink->len - done);
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
