/* SPDX-License-Identifier: ISC */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <poold.h>

#define PREFIX_MAX 192 /* of a line, in front of the head */

struct channel_line {
	STAILQ_ENTRY(channel_line) entry;
	int fd;	      /* goes with the first byte; -1: none, or it went */
	bool owns_fd; /* it is a copy */
	size_t pos, len;
	char text[];
};

static void
line_free(struct channel_line *line)
{
	if (line->owns_fd)
		close(line->fd);
	free(line);
}

void
channel_init(struct channel *channel, int fd)
{
	channel->fd = fd;
	STAILQ_INIT(&channel->lines);
}

void
channel_clear(struct channel *channel)
{
	struct channel_line *line;

	while ((line = STAILQ_FIRST(&channel->lines)) != NULL) {
		STAILQ_REMOVE_HEAD(&channel->lines, entry);
		line_free(line);
	}
}

bool
channel_is_empty(const struct channel *channel)
{
	return STAILQ_EMPTY(&channel->lines);
}

/* Sends what there is of one line.  0: all of it; -1 with errno. */
static int
line_send(const struct channel *channel, struct channel_line *line)
{
	union {
		struct cmsghdr header;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (line->fd != -1) {
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &line->fd, sizeof(int));
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
	}
	while (line->pos < line->len) {
		iov.iov_base = line->text + line->pos;
		iov.iov_len = line->len - line->pos;
		n = sendmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		line->pos += (size_t)n;
		if (line->owns_fd)
			close(line->fd);
		line->owns_fd = false;
		line->fd = -1;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

int
channel_flush(struct channel *channel)
{
	struct channel_line *line;

	while ((line = STAILQ_FIRST(&channel->lines)) != NULL) {
		if (line_send(channel, line) == -1)
			return errno == EAGAIN || errno == ETOOMANYREFS ? 0 : -1;
		STAILQ_REMOVE_HEAD(&channel->lines, entry);
		line_free(line);
	}
	return 0;
}

static struct channel_line *
line_new(size_t size)
{
	struct channel_line *line = malloc(sizeof(*line) + size);

	if (line != NULL) {
		line->fd = -1;
		line->owns_fd = false;
		line->pos = line->len = 0;
	}
	return line;
}

static int
line_add(struct channel *channel, struct channel_line *line)
{
	STAILQ_INSERT_TAIL(&channel->lines, line, entry);
	if (channel_flush(channel) == -1)
		return -1;
	line = STAILQ_LAST(&channel->lines, channel_line, entry);
	if (line == NULL || line->fd == -1 || line->owns_fd)
		return 0;
	/* it waits, and its lease may end before: a number that stays ours */
	line->fd = fcntl(line->fd, F_DUPFD_CLOEXEC, 0);
	line->owns_fd = line->fd != -1;
	if (line->owns_fd)
		return 0;
	STAILQ_REMOVE(&channel->lines, line, channel_line, entry);
	line_free(line);
	return -1;
}

/* Writes bytes as the inside of a JSON string, each one a character.  Returns how
 * many bytes that are, at most six times as many. */
static size_t
escape(char *out, const char *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char *start = out;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\r' || c == '\n') {
			*out++ = '\\';
			*out++ = c == '\r' ? 'r' : 'n';
		} else if (c == '"' || c == '\\') {
			*out++ = '\\';
			*out++ = (char)c;
		} else if (c < 0x20 || c >= 0x7f) {
			memcpy(out, "\\u00", 4);
			out[4] = hex[c >> 4];
			out[5] = hex[c & 15];
			out += 6;
		} else {
			*out++ = (char)c;
		}
	}
	return (size_t)(out - start);
}

int
channel_request(struct channel *channel, uint64_t id, int fd, const char *head,
    size_t len, int64_t body, bool keep, off_t answer)
{
	static const char end[] = "\"}}\n";
	struct channel_line *line = line_new(PREFIX_MAX + 6 * len + sizeof(end));

	if (line == NULL)
		return -1;
	line->len = (size_t)snprintf(line->text, PREFIX_MAX,
	    "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":{\"cmd\":"
	    "\"NODE_POOLD\",\"id\":%" PRIu64 ",\"body\":%" PRId64
	    ",\"keep\":%d,\"answer\":%" PRId64 ",\"head\":\"",
	    id, body, keep ? 1 : 0, (int64_t)answer);
	line->len += escape(line->text + line->len, head, len);
	memcpy(line->text + line->len, end, sizeof(end) - 1);
	line->len += sizeof(end) - 1;
	line->fd = fd;
	return line_add(channel, line);
}

int
channel_lend(struct channel *channel, uint64_t id, int fd)
{
	struct channel_line *line = line_new(PREFIX_MAX);

	if (line == NULL)
		return -1;
	line->len = (size_t)snprintf(line->text, PREFIX_MAX,
	    "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":{\"cmd\":"
	    "\"NODE_POOLD\",\"lent\":%" PRIu64 "}}\n",
	    id);
	line->fd = fd;
	return line_add(channel, line);
}

int
channel_gone(struct channel *channel, uint64_t id, bool reset)
{
	struct channel_line *line = line_new(PREFIX_MAX);

	if (line == NULL)
		return -1;
	line->len = (size_t)snprintf(line->text, PREFIX_MAX,
	    "{\"cmd\":\"NODE_POOLD\",\"gone\":%" PRIu64 ",\"reset\":%d}\n", id,
	    reset ? 1 : 0);
	return line_add(channel, line);
}

int
channel_drain(struct channel *channel)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(channel->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (memmem(buf, (size_t)n, "NODE_HANDLE_NACK", 16) != NULL) {
			poold_log(NULL,
			    "Node could not take a connection: too many "
			    "open files?");
			return -1;
		}
	return n == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}
