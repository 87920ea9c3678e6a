/* SPDX-License-Identifier: ISC */
/* Output of requests that must not wait for their client. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libpoold/internal.h"

#define OUT_MAX (256 * 1024) /* queued bytes beyond which a write waits */

static size_t
waiting(const struct out *out)
{
	return out->len - out->pos;
}

bool
out_is_empty(const struct poold_request *req)
{
	return waiting(&req->out) == 0 && req->out.file_left == 0;
}

static void
drop_file(struct out *out)
{
	if (out->file_left > 0)
		close(out->file);
	out->file = -1;
	out->file_left = 0;
}

void
out_reset(struct out *out)
{
	drop_file(out);
	out->pos = out->len = 0;
	if (out->size > BUFFER_KEEP_MAX) {
		free(out->buf);
		out->buf = NULL;
		out->size = 0;
	}
}

static int
reserve(struct out *out, size_t len)
{
	size_t size = out->size < 4096 ? 4096 : out->size;
	char *buf;

	if (out->pos > 0) {
		memmove(out->buf, out->buf + out->pos, waiting(out));
		out->len -= out->pos;
		out->pos = 0;
	}
	while (size - out->len < len)
		size *= 2;
	if (size <= out->size)
		return 0;
	if ((buf = realloc(out->buf, size)) == NULL)
		return -1; /* ENOMEM */
	out->buf = buf;
	out->size = size;
	return 0;
}

/* Queues all of iov. */
static int
append(struct out *out, const struct iovec *iov, int count, uint64_t *bytes)
{
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	if (reserve(out, len) == -1)
		return -1;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > 0)
			memcpy(out->buf + out->len, iov[i].iov_base, iov[i].iov_len);
		out->len += iov[i].iov_len;
	}
	*bytes += len;
	return 0;
}

/* Of what io_send and io_send_file say without waiting. */
static int
is_full(int result)
{
	return result == -1 && (errno == ETIMEDOUT || errno == EAGAIN);
}

int
poold_flush(struct poold_request *req)
{
	struct out *out = &req->out;
	struct iovec iov = { .iov_base = out->buf + out->pos, .iov_len = waiting(out) };
	uint64_t sent = 0;
	int result = 0;

	if (waiting(out) > 0) {
		result = io_send(req->fd, &iov, 1, 0, 0, &sent);
		out->pos += (size_t)sent;
	}
	if (result == 0 && out->file_left > 0) {
		sent = 0;
		result = io_send_file(req->fd, out->file, out->file_off, out->file_left,
		    0, &sent);
		out->file_off += (off_t)sent;
		if (out->file_left == sent)
			drop_file(out);
		else
			out->file_left -= sent;
	}
	if (is_full(result)) {
		errno = EAGAIN;
		return -1;
	}
	if (result == -1 && req->response.state != RESPONSE_NONE)
		req->response.state = RESPONSE_BROKEN;
	return result;
}

uint64_t
poold_queued(const struct poold_request *req)
{
	return waiting(&req->out) + req->out.file_left;
}

int
out_reserve(struct poold_request *req, size_t len)
{
	if (!req->nonblocking || out_is_empty(req) || poold_queued(req) + len <= OUT_MAX)
		return 0;
	if (poold_flush(req) == 0 || errno != EAGAIN)
		return 0; /* who writes will hear of it */
	if (poold_queued(req) + len <= OUT_MAX)
		return 0;
	errno = EAGAIN;
	return -1;
}

int
out_send(struct poold_request *req, struct iovec *iov, int count, int flags,
    uint64_t *bytes)
{
	int result;

	if (!req->nonblocking)
		return io_send(req->fd, iov, count, flags, response_timeout_ms(req),
		    bytes);
	if (!out_is_empty(req) && poold_flush(req) == -1 && errno != EAGAIN)
		return -1;
	if (out_is_empty(req)) {
		result = io_send(req->fd, iov, count, flags, 0, bytes);
		if (!is_full(result))
			return result;
	}
	return append(&req->out, iov, count, bytes);
}

int
out_send_file(struct poold_request *req, int file, off_t offset, uint64_t len,
    uint64_t *bytes)
{
	struct out *out = &req->out;
	uint64_t sent = 0;
	int result;

	if (out_is_empty(req)) {
		result = io_send_file(req->fd, file, offset, len, 0, &sent);
		*bytes += sent;
		if (!is_full(result))
			return result;
	}
	if ((out->file = fcntl(file, F_DUPFD_CLOEXEC, 0)) == -1)
		return -1;
	out->file_off = offset + (off_t)sent;
	out->file_left = len - sent;
	*bytes += out->file_left;
	return 0;
}
