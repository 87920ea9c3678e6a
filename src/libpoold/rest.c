/* SPDX-License-Identifier: ISC */
#include "libpoold/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "libpoold/internal.h"

#define PAGE	    4096u /* regions begin on a whole page of any machine's */
#define DRAIN_STEP  (64 * 1024)
#define DIRECT_STEP (256 * 1024)

static uint64_t
pages_up(uint64_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

static uint64_t
pages_down(uint64_t n)
{
	return n / PAGE * PAGE;
}

static void
punch(struct rest *rest, uint64_t from, uint64_t to)
{
	if (to > from)
		(void)fallocate(rest->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    (off_t)from, (off_t)(to - from));
}

void
rest_init(struct rest *rest, int fd, uint64_t quota, struct lease_worker *me)
{
	off_t size = fd == -1 ? -1 : lseek(fd, 0, SEEK_END);

	*rest = (struct rest){ .fd = size > 0 ? fd : -1, .quota = quota, .me = me };
	rest->size = size > 0 ? (uint64_t)size : 0;
}

/* Bytes that lie there, the current response's included. */
static uint64_t
used(const struct rest *rest)
{
	uint64_t freed = atomic_load_explicit(&rest->me->rest_freed,
			     memory_order_acquire) -
	    rest->freed_base;
	uint64_t outstanding = freed < rest->given ? rest->given - freed : 0;

	return outstanding + pages_up(rest->len) - pages_down(rest->sent);
}

void
rest_begin(struct rest *rest, uint64_t serial)
{
	rest->open = false;
	rest->len = rest->sent = 0;
	if (rest->fd == -1)
		return;
	if (LEASE_EPOCH(serial) != rest->epoch) {
		/* the connections that wanted it ended with the old router */
		punch(rest, 0, rest->next);
		rest->epoch = LEASE_EPOCH(serial);
		rest->freed_base = atomic_load_explicit(&rest->me->rest_freed,
		    memory_order_acquire);
		rest->given = rest->next = 0;
	} else if (rest->next > 0 && used(rest) == 0) {
		rest->next = 0;
	}
}

void
rest_finish(struct rest *rest, struct lease_done *done, bool broken)
{
	if (!rest->open)
		return;
	if (broken || rest->len == rest->sent) {
		punch(rest, rest->next, rest->next + pages_up(rest->len));
		return;
	}
	done->rest_off = rest->next + rest->sent;
	done->rest_len = rest->len - rest->sent;
	rest->given += pages_up(rest->len) - pages_down(rest->sent);
	rest->next += pages_up(rest->len);
}

bool
rest_usable(const struct poold_request *req)
{
	return req->leased && req->rest != NULL && req->rest->fd != -1;
}

bool
rest_is_open(const struct poold_request *req)
{
	return rest_usable(req) && req->rest->open;
}

static uint64_t
room(const struct rest *rest)
{
	uint64_t taken = used(rest), end = rest->next + rest->len;
	uint64_t in_file = end < rest->size ? rest->size - end : 0;
	uint64_t in_quota = taken < rest->quota ? rest->quota - taken : 0;

	return in_file < in_quota ? in_file : in_quota;
}

/* Sends some of what was put aside, after all, to make room. */
static int
drain(struct poold_request *req)
{
	struct rest *rest = req->rest;
	char buf[DRAIN_STEP];
	uint64_t left = rest->len - rest->sent, before = rest->sent, bytes = 0;
	struct iovec iov = { .iov_base = buf };
	ssize_t n;

	n = pread(rest->fd, buf, left < sizeof(buf) ? left : sizeof(buf),
	    (off_t)(rest->next + rest->sent));
	if (n <= 0)
		return -1;
	iov.iov_len = (size_t)n;
	if (io_send(req->fd, &iov, 1, 0, response_timeout_ms(req), &bytes) == -1)
		return -1;
	rest->sent += (uint64_t)n;
	punch(rest, rest->next + pages_down(before), rest->next + pages_down(rest->sent));
	return 0;
}

static bool
is_empty(const struct rest *rest)
{
	return rest->len == rest->sent;
}

static int
put_part(struct poold_request *req, const char *buf, size_t len, uint64_t *bytes)
{
	struct rest *rest = req->rest;
	struct iovec iov;
	uint64_t n;
	ssize_t put;

	while (len > 0) {
		n = room(rest);
		if (n == 0 && is_empty(rest)) {
			iov.iov_base = (void *)(uintptr_t)buf;
			iov.iov_len = len;
			return io_send(req->fd, &iov, 1, 0, response_timeout_ms(req),
			    bytes);
		}
		if (n == 0) {
			if (drain(req) == -1)
				return -1;
			continue;
		}
		put = pwrite(rest->fd, buf, n < len ? n : len,
		    (off_t)(rest->next + rest->len));
		if (put <= 0)
			return -1;
		rest->len += (uint64_t)put;
		*bytes += (uint64_t)put;
		buf += put;
		len -= (size_t)put;
	}
	return 0;
}

int
rest_put(struct poold_request *req, const struct iovec *iov, int count, uint64_t *bytes)
{
	req->rest->open = true;
	for (int i = 0; i < count; i++)
		if (put_part(req, iov[i].iov_base, iov[i].iov_len, bytes) == -1)
			return -1;
	return 0;
}

/* Copies up to n bytes of the file; returns how many, -1 with errno. */
static ssize_t
copy_file(struct rest *rest, int file, off_t *offset, uint64_t n)
{
	ssize_t copied;

	if (lseek(rest->fd, (off_t)(rest->next + rest->len), SEEK_SET) == -1)
		return -1;
	copied = sendfile(rest->fd, file, offset, n < DIRECT_STEP ? n : DIRECT_STEP);
	if (copied == 0)
		errno = EIO; /* shorter than was said */
	return copied > 0 ? copied : -1;
}

int
rest_put_file(struct poold_request *req, int file, off_t offset, uint64_t len,
    uint64_t *bytes)
{
	struct rest *rest = req->rest;
	uint64_t n;
	ssize_t copied;

	rest->open = true;
	while (len > 0) {
		n = room(rest);
		if (n < len && is_empty(rest)) {
			/* it does not fit: as much as must be goes straight */
			n = len - n < DIRECT_STEP ? len - n : DIRECT_STEP;
			if (io_send_file(req->fd, file, offset, n,
				response_timeout_ms(req), bytes) == -1)
				return -1;
			offset += (off_t)n;
			len -= n;
			continue;
		}
		if (n == 0) {
			if (drain(req) == -1)
				return -1;
			continue;
		}
		copied = copy_file(rest, file, &offset, n < len ? n : len);
		if (copied == -1)
			return -1;
		rest->len += (uint64_t)copied;
		*bytes += (uint64_t)copied;
		len -= (uint64_t)copied;
	}
	return 0;
}
