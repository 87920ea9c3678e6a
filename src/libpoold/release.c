/* SPDX-License-Identifier: ISC */
/* Requests that another program answers, on the socket that this one leased. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/tcp.h"
#include "libpoold/internal.h"
#include "libpoold/leased.h"

#define LOOKS_MAX 4 /* while bytes arrive between two looks */

/* Bytes ever read from the socket, by whatever process; false: not known. */
static bool
consumed_of(int fd, uint64_t *consumed)
{
	struct tcp_sample least, most;

	for (int i = 0; i < LOOKS_MAX; i++) {
		if (!tcp_sample_before(fd, &least) || !tcp_sample_after(fd, &most))
			return false;
		*consumed = most.consumed;
		/* the one can only be too small, the other too large */
		if (least.consumed == most.consumed)
			return true;
	}
	return false;
}

int
raw_peek(struct poold_request *req, int fd, size_t len)
{
	ssize_t n = recv(fd, req->in.buf, len, MSG_PEEK | MSG_DONTWAIT);

	/* the router has seen all of it there */
	if (n != (ssize_t)len)
		return -1;
	req->raw.unread = len;
	return 0;
}

/* What the kernel will have counted when the request was read to its end. */
static void
lend(struct poold_request *req, int fd, uint64_t body_left)
{
	struct raw *raw = &req->raw;

	raw->lent = true;
	raw->counted = req->lease.type == LEASE_LEASE &&
	    body_left != LEASE_BODY_CHUNKED && consumed_of(fd, &raw->consumed);
	raw->consumed += raw->unread + body_left;
}

int
raw_keep(struct poold_request *req, int fd, const struct lease_msg *msg, bool lent)
{
	struct raw *raw = &req->raw;
	char *head;

	if (raw->size < msg->head_len) {
		if ((head = realloc(raw->head, msg->head_len)) == NULL)
			return -1;
		raw->head = head;
		raw->size = msg->head_len;
	}
	memcpy(raw->head, req->in.buf, msg->head_len);
	raw->len = msg->head_len;
	req->peeking = true;
	if (lent)
		lend(req, fd, msg->body_len);
	return 0;
}

void
poold_lend(struct poold_request *req)
{
	const struct body *b = &req->body;

	if (req->peeking && !req->raw.lent)
		lend(req, req->fd, b->chunked ? LEASE_BODY_CHUNKED : b->left);
}

int
poold_answer_fd(const struct poold_request *req, off_t *offset)
{
	const struct leased *l = req->lender;

	if (req->lease.answer == NULL) {
		errno = ENOTSUP;
		return -1;
	}
	*offset = (const char *)(const void *)req->lease.answer - (const char *)l->map;
	return LEASE_FD_SCOREBOARD;
}

int
request_take_head(struct poold_request *req)
{
	char scratch[4096];
	size_t *unread = &req->raw.unread;
	ssize_t n;

	while (*unread > 0) {
		n = recv(req->fd, scratch,
		    *unread < sizeof(scratch) ? *unread : sizeof(scratch), MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = ECONNRESET; /* it was there, so somebody else read it */
			return -1;
		}
		*unread -= (size_t)n;
	}
	return 0;
}

const char *
poold_head(const struct poold_request *req, size_t *len, bool *in_socket)
{
	if (!req->peeking) {
		errno = ENOTSUP;
		return NULL;
	}
	*len = req->raw.len;
	if (in_socket != NULL)
		*in_socket = req->raw.unread == req->raw.len;
	return req->raw.head;
}

bool
poold_may_keep(const struct poold_request *req)
{
	return req->keep && !req->detached && !req->body.chunked &&
	    (!req->raw.lent || req->raw.counted);
}

bool
poold_release(struct poold_request *req, int status, uint64_t bytes, bool keep)
{
	struct response *r = &req->response;
	uint64_t consumed;
	bool kept;

	kept = keep && req->keep && !req->detached && req->raw.counted &&
	    r->state == RESPONSE_NONE && consumed_of(req->fd, &consumed) &&
	    consumed == req->raw.consumed;
	if (r->state == RESPONSE_NONE) {
		r->status = status >= 0 && status <= 999 ? status : 0;
		r->bytes = bytes;
		r->state = RESPONSE_DONE;
		/* what is left of the request is not ours to read */
		req->body.left = 0;
		req->body.chunked = false;
		req->body.error = 0;
	}
	req->keep = kept;
	poold_finish(req);
	return kept;
}
