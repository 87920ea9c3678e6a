/* SPDX-License-Identifier: ISC */
/*
 * The response: composed in bounded buffers, sent with as few system calls as
 * possible.  The head waits for the first bytes of the body.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libpoold/internal.h"

#define SMALL_FILE (16 * 1024)

void
response_reset(struct response *r)
{
	/* Not the buffers. */
	r->state = RESPONSE_NONE;
	r->status = 0;
	r->sized = r->chunked = r->bodyless = r->head_pending = false;
	r->left = r->bytes = r->interim = 0;
	r->own = 0;
	r->head_len = r->fields_len = 0;
}

int
response_timeout_ms(const struct poold_request *req)
{
	return req->leased ? LEASED_WRITE_TIMEOUT_MS : WRITE_TIMEOUT_MS;
}

/* A token (RFC 9110 section 5.6.2). */
static bool
name_valid(const char *name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";
	char c;

	if (*name == '\0')
		return false;
	for (; (c = *name) != '\0'; name++)
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && strchr(others, c) == NULL)
			return false;
	return true;
}

/* Nothing that could end a field and begin another. */
static bool
value_valid(const char *value)
{
	unsigned char c;

	for (; (c = (unsigned char)*value) != '\0'; value++)
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	return true;
}

static int
field_append(struct response *r, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);
	size_t room = sizeof(r->fields) - r->fields_len - 2; /* CRLF behind all */
	char *p = r->fields + r->fields_len;

	if (name_len > room || value_len > room || name_len + value_len + 4 > room) {
		errno = EMSGSIZE;
		return -1;
	}
	memcpy(p, name, name_len);
	p += name_len;
	memcpy(p, ": ", 2);
	memcpy(p + 2, value, value_len);
	memcpy(p + 2 + value_len, "\r\n", 2);
	r->fields_len += name_len + value_len + 4;
	return 0;
}

int
poold_set_header(struct poold_request *req, const char *name, const char *value)
{
	static const char *const ours[] = { "Content-Length", "Transfer-Encoding",
		"Connection", "Date" };
	struct response *r = &req->response;
	size_t i;

	if (r->state != RESPONSE_NONE) {
		errno = EALREADY;
		return -1;
	}
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcasecmp(name, ours[i]) == 0)
			name = "";
	if (!name_valid(name) || !value_valid(value)) {
		errno = EINVAL;
		return -1;
	}
	if (field_append(r, name, value) == -1)
		return -1;
	if (strcasecmp(name, "Content-Type") == 0)
		r->own |= RESPONSE_OWN_TYPE;
	else if (strcasecmp(name, "X-Request-Id") == 0)
		r->own |= RESPONSE_OWN_ID;
	return 0;
}

/* The fixed part of a head fits by its limits: RESPONSE_FIXED_MAX is larger
 * than the longest of each line together. */
static void
put(struct response *r, const char *text)
{
	size_t len = strlen(text);

	assert(len <= sizeof(r->head) - r->head_len);
	memcpy(r->head + r->head_len, text, len);
	r->head_len += len;
}

/* The digits of n in base 10 or 16, at the end of buf. */
#define DIGITS_SIZE 21
static const char *
digits(uint64_t n, unsigned base, char buf[DIGITS_SIZE])
{
	size_t i = DIGITS_SIZE - 1;

	buf[i] = '\0';
	do
		buf[--i] = "0123456789abcdef"[n % base];
	while ((n /= base) > 0);
	return buf + i;
}

static void
head_compose(struct poold_request *req)
{
	struct response *r = &req->response;
	char buf[DIGITS_SIZE];

	put(r, "HTTP/1.1 ");
	put(r, digits((unsigned)r->status, 10, buf));
	put(r, " ");
	put(r, http_reason((unsigned)r->status));
	put(r, "\r\nDate: ");
	put(r, date_now(req));
	if (r->chunked)
		put(r, "\r\nTransfer-Encoding: chunked");
	else if (r->sized && r->status != 204 && r->status != 304) {
		put(r, "\r\nContent-Length: ");
		put(r, digits(r->left, 10, buf));
	}
	if (!req->keep)
		put(r, "\r\nConnection: close");
	else if (req->minor == 0)
		put(r, "\r\nConnection: keep-alive");
	if (!(r->own & RESPONSE_OWN_ID)) {
		put(r, "\r\nX-Request-Id: ");
		put(r, req->id);
	}
	put(r, "\r\n");
	memcpy(r->fields + r->fields_len, "\r\n", 2);
	r->fields_len += 2;
}

/* Tells the router how long the whole response will be: if this process dies
 * between its last byte and DONE, the client's connection can live on. */
static void
announce(struct poold_request *req)
{
	const struct response *r = &req->response;
	uint64_t bytes = r->interim + r->head_len + r->fields_len + r->left;

	if (req->lease.answer != NULL && (r->sized || r->bodyless))
		atomic_store_explicit(req->lease.answer,
		    LEASE_ANSWER(bytes, req->keep, r->status), memory_order_release);
}

static int
response_broken(struct response *r)
{
	r->state = RESPONSE_BROKEN;
	if (errno != EPIPE && errno != EIO)
		errno = ECONNRESET;
	return -1;
}

/* Where the time went, when the client may know.  Never worth a response: where
 * there is no room it is left out. */
static void
tell_timing(struct poold_request *req)
{
	char text[TIMING_TEXT_SIZE];

	timing_end(&req->timing);
	if (!req->timing.shown)
		return;
	timing_format(req, text);
	(void)field_append(&req->response, "Server-Timing", text);
}

/* Begins a response; length -1: unknown. */
static int
response_begin(struct poold_request *req, int status, const char *type, int64_t length)
{
	struct response *r = &req->response;

	if (r->state != RESPONSE_NONE) {
		errno = EALREADY;
		return -1;
	}
	if (status < 200 || status > 599 || length < -1 ||
	    (type != NULL && !value_valid(type))) {
		errno = EINVAL;
		return -1;
	}
	if (type != NULL && !(r->own & RESPONSE_OWN_TYPE) &&
	    field_append(r, "Content-Type", type) == -1)
		return -1;
	if (request_take_head(req) == -1)
		return response_broken(r);
	tell_timing(req);
	r->state = RESPONSE_BEGUN;
	r->status = status;
	r->bodyless = req->is_head || status == 204 || status == 304;
	r->sized = length >= 0;
	r->left = r->sized ? (uint64_t)length : 0;
	r->chunked = !r->sized && !r->bodyless && req->minor >= 1;
	/* Without a length and chunks, the end of file ends the body. */
	if (!r->sized && !r->chunked && !r->bodyless)
		req->keep = false;
	req->keep = req->keep && body_keeps(req);
	head_compose(req);
	r->head_pending = true;
	if (r->bodyless)
		r->left = 0;
	announce(req);
	return 0;
}

/* Sends parts; when the client takes nothing for a moment, what is left of them
 * is put aside, and all that follows. */
static int
response_out(struct poold_request *req, struct iovec *iov, int count, int flags)
{
	struct response *r = &req->response;
	bool usable = rest_usable(req);
	int timeout_ms = usable ? REST_PATIENCE_MS : response_timeout_ms(req);

	if (req->nonblocking)
		return out_send(req, iov, count, flags, &r->bytes) == 0 ?
		    0 :
		    response_broken(r);
	if (rest_is_open(req)) {
		if (rest_put(req, iov, count, &r->bytes) == -1)
			return response_broken(r);
		return 0;
	}
	if (io_send(req->fd, iov, count, flags, timeout_ms, &r->bytes) == 0 ||
	    (usable && errno == ETIMEDOUT && rest_put(req, iov, count, &r->bytes) == 0))
		return 0;
	return response_broken(r);
}

/* The same for a part of a file. */
static int
response_out_file(struct poold_request *req, int file, off_t offset, uint64_t len)
{
	struct response *r = &req->response;
	bool usable = rest_usable(req);
	int timeout_ms = usable ? REST_PATIENCE_MS : response_timeout_ms(req);
	uint64_t before = r->bytes, sent;

	if (req->nonblocking)
		return out_send_file(req, file, offset, len, &r->bytes) == 0 ?
		    0 :
		    response_broken(r);
	if (!rest_is_open(req)) {
		if (io_send_file(req->fd, file, offset, len, timeout_ms, &r->bytes) == 0)
			return 0;
		if (!usable || errno != ETIMEDOUT)
			return response_broken(r);
		sent = r->bytes - before;
		offset += (off_t)sent;
		len -= sent;
	}
	if (rest_put_file(req, file, offset, len, &r->bytes) == -1)
		return response_broken(r);
	return 0;
}

/*
 * Sends the head if it still waits, then the parts of the body in iov behind
 * its first two places, which are kept free for the head.
 */
static int
response_send(struct poold_request *req, struct iovec *iov, int count, int flags)
{
	struct response *r = &req->response;

	if (r->head_pending) {
		iov[0].iov_base = r->head;
		iov[0].iov_len = r->head_len;
		iov[1].iov_base = r->fields;
		iov[1].iov_len = r->fields_len;
		r->head_pending = false;
	} else {
		iov += 2;
		count -= 2;
	}
	return response_out(req, iov, count, flags);
}

static void
part_set(struct iovec *part, const void *buf, size_t len)
{
	part->iov_base = (void *)(uintptr_t)buf; /* sendmsg only reads it */
	part->iov_len = len;
}

int
poold_respond(struct poold_request *req, int status, const char *type, const void *body,
    size_t len)
{
	struct response *r = &req->response;
	struct iovec iov[3];

	if (response_begin(req, status, type, (int64_t)len) == -1)
		return -1;
	part_set(&iov[2], body, len);
	if (response_send(req, iov, r->bodyless || len == 0 ? 2 : 3, 0) == -1)
		return -1;
	r->left = 0;
	r->state = RESPONSE_DONE;
	return 0;
}

/* One read and one send cost less than a send and a sendfile.  Returns whether
 * the file is as long as was said. */
static bool
read_small_file(char buf[SMALL_FILE], int fd, off_t offset, size_t len)
{
	size_t done = 0;
	ssize_t n;

	for (; done < len; done += (size_t)n) {
		n = pread(fd, buf + done, len - done, offset + (off_t)done);
		if (n <= 0)
			return false;
	}
	return true;
}

int
poold_respond_file(struct poold_request *req, int status, const char *type, int fd,
    off_t offset, uint64_t len)
{
	struct response *r = &req->response;
	struct iovec iov[2];
	char small[SMALL_FILE];
	bool body;

	if (len > INT64_MAX || offset < 0) {
		errno = EINVAL;
		return -1;
	}
	if (len <= SMALL_FILE && read_small_file(small, fd, offset, (size_t)len))
		return poold_respond(req, status, type, small, (size_t)len);
	if (response_begin(req, status, type, (int64_t)len) == -1)
		return -1;
	body = len > 0 && !r->bodyless;
	if (response_send(req, iov, 2, body ? MSG_MORE : 0) == -1)
		return -1;
	if (body && response_out_file(req, fd, offset, len) == -1)
		return -1;
	r->left = 0;
	r->state = RESPONSE_DONE;
	return 0;
}

int
poold_start(struct poold_request *req, int status, const char *type, int64_t length)
{
	return response_begin(req, status, type, length);
}

int
poold_start_raw(struct poold_request *req, int status)
{
	struct response *r = &req->response;

	if (r->state != RESPONSE_NONE) {
		errno = EALREADY;
		return -1;
	}
	if (status < 200 || status > 599) {
		errno = EINVAL;
		return -1;
	}
	if (request_take_head(req) == -1)
		return response_broken(r);
	r->state = RESPONSE_BEGUN;
	r->status = status;
	/* Where it ends is known to who wrote it alone. */
	req->keep = false;
	return 0;
}

int
poold_respond_raw(struct poold_request *req, int status, const void *data, size_t len,
    bool keep)
{
	struct response *r = &req->response;
	struct iovec iov;

	if (r->state != RESPONSE_NONE) {
		errno = EALREADY;
		return -1;
	}
	if (status < 100 || status > 999) {
		errno = EINVAL;
		return -1;
	}
	if (request_take_head(req) == -1)
		return response_broken(r);
	r->state = RESPONSE_BEGUN;
	r->status = status;
	r->sized = true;
	r->left = len;
	req->keep = req->keep && keep && body_keeps(req);
	announce(req);
	part_set(&iov, data, len);
	if (response_out(req, &iov, 1, 0) == -1)
		return -1;
	r->left = 0;
	r->state = RESPONSE_DONE;
	return 0;
}

/* Whether poold_start came before and nothing went wrong since. */
static int
response_check(const struct response *r)
{
	if (r->state == RESPONSE_BEGUN)
		return 0;
	errno = r->state == RESPONSE_BROKEN ? EPIPE :
	    r->state == RESPONSE_DONE	    ? EALREADY :
					      EINVAL;
	return -1;
}

/* What the two ends say to each other is their own. */
static int
upgraded_write(struct poold_request *req, const void *buf, size_t len)
{
	struct response *r = &req->response;
	struct iovec iov;

	part_set(&iov, buf, len);
	if (len == 0)
		return 0;
	if (out_reserve(req, len) == -1)
		return -1;
	return out_send(req, &iov, 1, 0, &r->bytes) == 0 ? 0 : response_broken(r);
}

int
poold_write(struct poold_request *req, const void *buf, size_t len)
{
	struct response *r = &req->response;
	struct iovec iov[5];
	char size[DIGITS_SIZE], line[DIGITS_SIZE + 2];
	int count = 2;

	if (req->upgraded && r->state == RESPONSE_DONE)
		return upgraded_write(req, buf, len);
	if (response_check(r) == -1)
		return -1;
	if (r->sized && !r->bodyless && len > r->left) {
		errno = EINVAL;
		return -1;
	}
	if (r->bodyless || len == 0)
		return r->head_pending ? response_send(req, iov, 2, 0) : 0;
	if (out_reserve(req, len) == -1)
		return -1;
	if (r->chunked) {
		strlcpy(line, digits(len, 16, size), sizeof(line));
		strlcat(line, "\r\n", sizeof(line));
		part_set(&iov[count++], line, strlen(line));
	}
	part_set(&iov[count++], buf, len);
	if (r->chunked)
		part_set(&iov[count++], "\r\n", 2);
	if (r->sized)
		r->left -= len;
	return response_send(req, iov, count, 0);
}

int
poold_end(struct poold_request *req)
{
	struct response *r = &req->response;
	struct iovec iov[3];
	int count = 2;

	if (response_check(r) == -1)
		return -1;
	if (r->left > 0) {
		r->state = RESPONSE_BROKEN;
		errno = EINVAL;
		return -1;
	}
	if (r->chunked)
		part_set(&iov[count++], "0\r\n\r\n", 5);
	if ((r->head_pending || r->chunked) && response_send(req, iov, count, 0) == -1)
		return -1;
	r->state = RESPONSE_DONE;
	return 0;
}
