/* SPDX-License-Identifier: ISC */
#include "results.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int
results_init(struct results *results, int fd,
    void (
	*take)(void *arg, const struct frame_result *frame, const char *data, size_t len),
    void *arg)
{
	*results = (struct results){ .fd = fd, .take = take, .arg = arg };
	results->buf = malloc(RESULTS_MAX);
	return results->buf != NULL ? 0 : -1;
}

void
results_free(struct results *results)
{
	free(results->buf);
	results->buf = NULL;
}

/* What does not fit is not looked at: whoever sent it runs as the same user, but
 * need not be poold-node.js. */
static void
message_take(struct results *results, size_t len)
{
	struct frame_result frame;
	size_t pos = 0, behind;
	const char *data;

	while (len - pos >= sizeof(frame)) {
		memcpy(&frame, results->buf + pos, sizeof(frame));
		if (frame.len < sizeof(frame) || frame.len > len - pos)
			return;
		data = results->buf + pos + sizeof(frame);
		behind = frame.len - sizeof(frame);
		/* those that fill it up to a whole word do not count */
		if (frame.type == RESULT_RESPONSE || frame.type == RESULT_WORDS) {
			if (frame_number(frame.bytes) > behind)
				return;
			behind = (size_t)frame_number(frame.bytes);
		}
		results->take(results->arg, &frame, data, behind);
		pos += frame.len;
	}
}

void
results_read(struct results *results)
{
	ssize_t n;

	while ((n = recv(results->fd, results->buf, RESULTS_MAX, MSG_DONTWAIT)) > 0)
		message_take(results, (size_t)n);
}
