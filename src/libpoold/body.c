/* SPDX-License-Identifier: ISC */
/* The body of a request: streamed, whole, or drained. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "libpoold/internal.h"

void
body_open(struct poold_request *req, uint64_t body_len, uint64_t body_max, bool expect)
{
	struct body *b = &req->body;

	b->chunked = body_len == LEASE_BODY_CHUNKED;
	b->total = b->left = b->chunked ? 0 : body_len;
	b->allowed = body_max;
	b->refill_pos = req->in.pos;
	b->expect = expect && body_len > 0;
	if (b->chunked)
		http_chunked_init(&b->decoder);
}

void
body_reset(struct body *b)
{
	b->error = 0;
	b->have_whole = false;
	b->whole_len = 0;
	if (b->whole_size > BUFFER_KEEP_MAX) {
		free(b->whole);
		b->whole = NULL;
		b->whole_size = 0;
	}
}

bool
body_over(const struct body *b)
{
	return b->chunked ? b->decoder.done : b->left == 0;
}

bool
body_keeps(const struct poold_request *req)
{
	const struct body *b = &req->body;

	/* The reader of a chunked body may have taken bytes of the next
	 * request, which in leased mode is another's to answer. */
	if (b->error != 0 || (b->chunked && req->leased))
		return false;
	if (body_over(b))
		return true;
	/* Who was not told to continue may or may not send the body. */
	return !b->expect && !b->chunked && b->left <= DRAIN_MAX;
}

bool
body_drain(struct poold_request *req)
{
	struct body *b = &req->body;
	char scratch[16 * 1024];
	ssize_t n;
	size_t have = req->in.len - req->in.pos, size;

	if (b->chunked)
		return body_over(b);
	if (b->left > 0 && have > 0) {
		if (have > b->left)
			have = (size_t)b->left;
		req->in.pos += have;
		b->left -= have;
	}
	while (b->left > 0) {
		size = b->left < sizeof(scratch) ? (size_t)b->left : sizeof(scratch);
		n = io_recv(req->fd, scratch, size,
		    req->nonblocking ? 0 : DRAIN_TIMEOUT_MS);
		if (n <= 0)
			return false;
		b->left -= (uint64_t)n;
	}
	return true;
}

/* Sends 100 Continue once, unless the body is on its way or a final response
 * is (RFC 9110 section 10.1.1). */
static void
body_continue(struct poold_request *req)
{
	static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	uint64_t *bytes = &req->response.interim;
	char byte;

	if (!req->body.expect || req->response.state != RESPONSE_NONE)
		return;
	req->body.expect = false;
	if (req->in.pos < req->in.len ||
	    recv(req->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return;
	/* A client that is gone is noticed by the read that follows. */
	(void)out_send(req, &iov, 1, 0, bytes);
}

/* Reads from the socket; the end of file is an error within a body. */
static ssize_t
body_recv(struct poold_request *req, void *buf, size_t size)
{
	ssize_t n;

	n = io_recv(req->fd, buf, size, req->nonblocking ? 0 : BODY_TIMEOUT_MS);
	if (n == -1 && req->nonblocking && errno == ETIMEDOUT) {
		errno = EAGAIN;
		return -1;
	}
	if (n <= 0) {
		req->body.error = ECONNRESET;
		return -1;
	}
	return n;
}

static ssize_t
body_read_sized(struct poold_request *req, void *buf, size_t size)
{
	struct input *in = &req->in;
	ssize_t n;

	if (size > req->body.left)
		size = (size_t)req->body.left;
	if (in->pos < in->len) {
		if (size > in->len - in->pos)
			size = in->len - in->pos;
		memcpy(buf, in->buf + in->pos, size);
		in->pos += size;
		n = (ssize_t)size;
	} else if ((n = body_recv(req, buf, size)) == -1)
		return -1;
	req->body.left -= (uint64_t)n;
	return n;
}

static ssize_t
body_read_chunked(struct poold_request *req, char *buf, size_t size)
{
	struct http_chunked *decoder = &req->body.decoder;
	struct input *in = &req->in;
	size_t used;
	ssize_t n;

	while (!decoder->done) {
		if (in->pos == in->len) {
			/* Begin again behind the head. */
			in->pos = in->len = req->body.refill_pos;
			n = body_recv(req, in->buf + in->len, INPUT_SIZE - in->len);
			if (n == -1)
				return -1;
			in->len += (size_t)n;
		}
		n = http_chunked_decode(decoder, in->buf + in->pos, in->len - in->pos,
		    &used, buf, size);
		if (n == -1) {
			req->body.error = EBADMSG;
			return -1;
		}
		in->pos += used;
		if ((uint64_t)n > req->body.allowed) {
			req->body.error = EMSGSIZE;
			return -1;
		}
		req->body.allowed -= (uint64_t)n;
		if (n > 0)
			return n;
	}
	return 0;
}

ssize_t
poold_read(struct poold_request *req, void *buf, size_t size)
{
	struct body *b = &req->body;
	ssize_t n;

	if (b->error == 0 && (size == 0 || body_over(b)))
		return 0;
	if (b->error == 0 && request_take_head(req) == -1)
		b->error = ECONNRESET;
	if (b->error == 0) {
		body_continue(req);
		n = b->chunked ? body_read_chunked(req, buf, size) :
				 body_read_sized(req, buf, size);
		if (n >= 0)
			return n;
		if (b->error == 0)
			return -1; /* EAGAIN */
	}
	errno = b->error;
	return -1;
}

bool
poold_readable(struct poold_request *req)
{
	const struct body *b = &req->body;
	char byte;

	/* Reading tells a client that waits for it to go on. */
	if (b->error != 0 || body_over(b) || req->in.pos < req->in.len ||
	    request_take_head(req) == -1 ||
	    (b->expect && req->response.state == RESPONSE_NONE))
		return true;
	return recv(req->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -1 ||
	    (errno != EAGAIN && errno != EINTR);
}

int64_t
poold_body_length(const struct poold_request *req)
{
	return req->body.chunked ? -1 : (int64_t)req->body.total;
}

/* Room for size bytes and a NUL. */
static int
body_reserve(struct body *b, size_t size)
{
	char *whole;

	if (size < b->whole_size)
		return 0;
	if ((whole = realloc(b->whole, size + 1)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	b->whole = whole;
	b->whole_size = size + 1;
	return 0;
}

/* Makes the buffer larger, but never for more than max + 1 bytes: the one too
 * many is how a chunked body over max is noticed. */
static int
body_grow(struct body *b, size_t max)
{
	size_t size = b->whole_size < 4096 ? 4096 : 2 * b->whole_size;

	return body_reserve(b, size < max + 1 ? size : max + 1);
}

/* Reads what is left of the body into b->whole. */
static int
body_collect(struct poold_request *req, size_t max)
{
	struct body *b = &req->body;
	ssize_t n;

	if (b->error == 0 && b->left > max)
		b->error = EMSGSIZE;
	if (b->error != 0) {
		errno = b->error;
		return -1;
	}
	if (body_reserve(b, (size_t)b->left) == -1)
		return -1;
	while (!body_over(b)) {
		if (b->whole_len + 1 == b->whole_size && body_grow(b, max) == -1)
			return -1;
		n = poold_read(req, b->whole + b->whole_len,
		    b->whole_size - 1 - b->whole_len);
		if (n == -1)
			return -1;
		b->whole_len += (size_t)n;
		if (b->whole_len > max) {
			b->error = errno = EMSGSIZE;
			return -1;
		}
	}
	b->whole[b->whole_len] = '\0';
	b->have_whole = true;
	return 0;
}

const void *
poold_body(struct poold_request *req, size_t max, size_t *len)
{
	struct body *b = &req->body;

	if (max > SIZE_MAX / 4)
		max = SIZE_MAX / 4;
	*len = 0;
	if (!b->have_whole && body_collect(req, max) == -1)
		return NULL;
	if (b->whole_len > max) {
		errno = EMSGSIZE;
		return NULL;
	}
	*len = b->whole_len;
	return b->whole;
}
