/* SPDX-License-Identifier: ISC */
#include "common/lease_head.h"

#include "common/util.h"

static void
fill_id(struct lease_msg *msg, const struct http_head *head, const char *buf)
{
	const struct lease_span *span;

	span = http_field_find(head->fields, head->field_count, buf, "traceparent");
	if (span == NULL ||
	    !http_traceparent(buf + span->off, span->len, msg->request_id))
		util_random(msg->request_id, sizeof(msg->request_id));
}

void
lease_head_fill(struct lease_msg *msg, const struct http_head *head, const char *buf,
    size_t path_len)
{
	msg->type = LEASE_LEASE;
	msg->header_len = sizeof(*msg);
	msg->flags = (head->keep_alive ? LEASE_KEEP : 0u) |
	    (head->expect_continue ? LEASE_EXPECT : 0u) |
	    (head->minor == 0 ? LEASE_HTTP10 : 0u);
	msg->body_len = head->body_len;
	msg->head_len = head->head_len;
	msg->method = head->method;
	msg->target = head->target;
	msg->query = head->query;
	msg->host = head->host;
	msg->path_len = (uint16_t)path_len;
	msg->field_count = head->field_count;
	fill_id(msg, head, buf);
}
