/* SPDX-License-Identifier: ISC */
/* The thread of a destination for spans: lines become messages, which are posted
 * to a collector or written to a file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/endpoint.h"
#include "common/util.h"
#include "logger/dest.h"
#include "logger/otlp.h"
#include "logger/otlp_post.h"

#define AGAIN_NS (1000 * MS_NS) /* between two tries to reach a collector */

/* A collector that is gone holds us up for a moment each second, so that the
 * queue does not fill for it. */
static int
post(struct dest *dest, const struct endpoint *endpoint, const char *text)
{
	uint64_t now_ns = util_now_ns();
	int error;

	if (dest->connected_ns != 0 && now_ns - dest->connected_ns < AGAIN_NS)
		return ENOTCONN;
	error = otlp_post(endpoint, text, strlen(text));
	dest->connected_ns = error != 0 ? util_now_ns() : 0;
	return error;
}

/* After a write that failed what follows begins a line of its own. */
static int
write_line(struct dest *dest, const char *text)
{
	size_t done;
	int error = dest->torn ? dest_write(dest, "\n", 1, &done) : 0;

	if (error == 0)
		error = dest_write(dest, text, strlen(text), &done);
	dest->torn = error != 0 && (dest->torn || done > 0);
	if (error == 0) {
		error = dest_write(dest, "\n", 1, &done);
		dest->torn = error != 0;
	}
	return error;
}

/* Returns how many requests were lost. */
static uint64_t
send_message(struct dest *dest, const struct endpoint *endpoint, struct otlp *otlp,
    int *error)
{
	size_t count = otlp->count;
	char *text = otlp_take(otlp);
	int failed = 0;

	if (count == 0)
		return 0;
	if (text == NULL)
		failed = ENOMEM;
	else if (endpoint->kind == ENDPOINT_FILE)
		failed = write_line(dest, text);
	else
		failed = post(dest, endpoint, text);
	free(text);
	if (failed == 0)
		return 0;
	*error = failed;
	return count;
}

uint64_t
dest_spans_send(struct dest *dest, int *error)
{
	const char *at = dest->out.text, *end = at + dest->out.len, *newline, *why;
	struct otlp otlp = { 0 };
	struct endpoint endpoint;
	uint64_t dropped = 0;

	*error = 0;
	if (!endpoint_parse(dest->name, &endpoint, &why)) {
		*error = EINVAL;
		return dest_count_lines(at, dest->out.len);
	}
	for (; at < end && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL;
	     at = newline + 1) {
		if (!otlp_add(&otlp, at, (size_t)(newline - at))) {
			dropped++;
			*error = EBADMSG;
		}
		if (otlp.count == OTLP_REQUESTS_MAX)
			dropped += send_message(dest, &endpoint, &otlp, error);
	}
	return dropped + send_message(dest, &endpoint, &otlp, error);
}
