/* SPDX-License-Identifier: ISC */
/* Keeping a connection: detached responses and upgrades. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "libpoold/internal.h"

/* Tells whoever gave us the connection that it does not come back. */
static int
let_go(struct poold_request *req)
{
	req->keep = false;
	if (req->detached)
		return 0;
	req->detached = true;
	req->rest = NULL; /* nobody else sends for us any more */
	if (req->on_detach != NULL)
		return req->on_detach(req);
	return 0;
}

int
poold_detach_raw(struct poold_request *req, int status)
{
	struct response *r = &req->response;

	if (!req->peeking || r->state != RESPONSE_NONE) {
		errno = req->peeking ? EALREADY : ENOTSUP;
		return -1;
	}
	r->status = status;
	r->state = RESPONSE_DONE;
	return let_go(req);
}

int
poold_detach(struct poold_request *req)
{
	struct response *r = &req->response;

	if (r->state != RESPONSE_BEGUN || r->sized || rest_is_open(req)) {
		errno = r->state == RESPONSE_BROKEN ? EPIPE : EINVAL;
		return -1;
	}
	if (poold_write(req, NULL, 0) == -1) /* its head */
		return -1;
	return let_go(req);
}

/* Whether a list field, which may stand several times, has this word. */
static bool
list_has(struct poold_request *req, const char *field, const char *word)
{
	const char *name, *value, *end;
	size_t len = strlen(word);

	for (size_t i = 0; poold_header_at(req, i, &name, &value); i++) {
		if (strcasecmp(name, field) != 0)
			continue;
		for (; *value != '\0'; value = end + strspn(end, ", \t")) {
			end = value + strcspn(value, ", \t");
			if ((size_t)(end - value) == len &&
			    strncasecmp(value, word, len) == 0)
				return true;
			if (end == value)
				end++;
		}
	}
	return false;
}

/* The head of the 101, for sendmsg. */
static int
send_switch(struct poold_request *req, const char *protocol)
{
	struct response *r = &req->response;
	struct iovec iov[7];
	const char *parts[] = { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: ", protocol,
		"\r\nConnection: Upgrade\r\nX-Request-Id: ", req->id, "\r\n" };
	int count = 0;

	for (; count < 5; count++) {
		iov[count].iov_base = (void *)(uintptr_t)parts[count];
		iov[count].iov_len = strlen(parts[count]);
	}
	iov[count].iov_base = r->fields;
	iov[count++].iov_len = r->fields_len;
	iov[count].iov_base = (void *)(uintptr_t) "\r\n";
	iov[count++].iov_len = 2;
	return out_send(req, iov, count, 0, &r->bytes);
}

int
poold_upgrade(struct poold_request *req, const char *protocol)
{
	struct response *r = &req->response;
	int flags;

	if (r->state != RESPONSE_NONE) {
		errno = EALREADY;
		return -1;
	}
	if (req->minor < 1 || req->body.total > 0 || req->body.chunked ||
	    !list_has(req, "Connection", "upgrade") ||
	    !list_has(req, "Upgrade", protocol)) {
		errno = EINVAL;
		return -1;
	}
	if (req->in.pos < req->in.len) {
		errno = EPROTO; /* it did not wait for the answer */
		return -1;
	}
	r->status = 101;
	r->state = RESPONSE_BROKEN; /* unless all goes well */
	if (request_take_head(req) == -1)
		return -1;
	flags = fcntl(req->fd, F_GETFL);
	if (flags != -1)
		(void)fcntl(req->fd, F_SETFL,
		    req->nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
	if (send_switch(req, protocol) == -1 || let_go(req) == -1)
		return -1;
	req->upgraded = true;
	r->state = RESPONSE_DONE;
	return req->fd;
}
