/* SPDX-License-Identifier: ISC */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "frames.h"

#define SIZE_MIN  (64 * 1024)
#define SIZE_KEEP (1024 * 1024) /* a larger buffer is not kept when it is empty */

void
stream_init(struct stream *stream, int fd)
{
	memset(stream, 0, sizeof(*stream));
	stream->fd = fd;
}

void
stream_free(struct stream *stream)
{
	free(stream->buf);
	stream->buf = NULL;
	stream->pos = stream->len = stream->size = 0;
}

bool
stream_is_empty(const struct stream *stream)
{
	return stream->pos == stream->len;
}

/* Room for len more bytes, at the end of what there is; NULL: no memory. */
static char *
reserve(struct stream *stream, size_t len)
{
	size_t size = stream->size == 0 ? SIZE_MIN : stream->size;
	char *buf;

	if (stream->pos > 0) {
		memmove(stream->buf, stream->buf + stream->pos,
		    stream->len - stream->pos);
		stream->len -= stream->pos;
		stream->pos = 0;
	}
	while (size - stream->len < len)
		size *= 2;
	if (size > stream->size) {
		if ((buf = realloc(stream->buf, size)) == NULL)
			return NULL;
		stream->buf = buf;
		stream->size = size;
	}
	return stream->buf + stream->len;
}

/* A number that no other connection has had, or will have, since the machine's
 * start; 0: the kernel does not tell. */
static uint64_t
cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == -1)
		return 0;
	return cookie;
}

static char *
append(char *out, const void *bytes, size_t len)
{
	if (len > 0)
		memcpy(out, bytes, len);
	return out + len;
}

static void
frame_fill(struct frame_request *frame, const struct poold_request *req, uint64_t id)
{
	off_t answer;

	frame->type = REQUEST_WHOLE;
	frame_number_set(frame->id, id);
	frame_number_set(frame->cookie, cookie_of(poold_client_fd(req)));
	frame->flags = poold_may_keep(req) ? REQUEST_KEEP : 0;
	frame->client_port = (uint32_t)poold_client_port(req);
	frame->local_port = (uint32_t)poold_local_port(req);
	if (poold_answer_fd(req, &answer) != -1)
		frame_number_set(frame->answer, (uint64_t)answer);
}

int
stream_request(struct stream *stream, struct poold_request *req, uint64_t id)
{
	const char *client = poold_client_address(req), *local = poold_local_address(req);
	struct frame_request frame = { 0 };
	size_t head_len, body_len = 0;
	const char *head = poold_head(req, &head_len, NULL), *body = "";
	char *start, *out;

	if (head == NULL ||
	    (poold_body_length(req) > 0 &&
		(body = poold_body(req, STREAM_BODY_MAX, &body_len)) == NULL))
		return -1;
	frame_fill(&frame, req, id);
	frame.client_len = (uint32_t)strlen(client);
	frame.local_len = (uint32_t)strlen(local);
	frame.head_len = (uint32_t)head_len;
	frame.body_len = (uint32_t)body_len;
	frame.len = (uint32_t)FRAME_ALIGN(
	    sizeof(frame) + frame.client_len + frame.local_len + head_len + body_len);
	if ((start = reserve(stream, frame.len)) == NULL)
		return -1;
	out = append(start, &frame, sizeof(frame));
	out = append(out, client, frame.client_len);
	out = append(out, local, frame.local_len);
	out = append(out, head, head_len);
	out = append(out, body, body_len);
	memset(out, 0, frame.len - (size_t)(out - start));
	stream->len += frame.len;
	return 0;
}

int
stream_gone(struct stream *stream, uint64_t id, bool reset)
{
	struct frame_request frame = { .len = sizeof(frame),
		.type = REQUEST_GONE,
		.flags = reset ? REQUEST_RESET : 0 };
	char *out = reserve(stream, sizeof(frame));

	if (out == NULL)
		return -1;
	frame_number_set(frame.id, id);
	(void)append(out, &frame, sizeof(frame));
	stream->len += sizeof(frame);
	return 0;
}

int
stream_flush(struct stream *stream)
{
	ssize_t n;

	while (!stream_is_empty(stream)) {
		n = send(stream->fd, stream->buf + stream->pos, stream->len - stream->pos,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno != EINTR)
			return errno == EAGAIN ? 0 : -1;
		if (n > 0)
			stream->pos += (size_t)n;
	}
	stream->pos = stream->len = 0;
	if (stream->size > SIZE_KEEP)
		stream_free(stream);
	return 0;
}
