/* SPDX-License-Identifier: ISC */
#include "common/lease_head.h"

#include <string.h>

#include "common/trace.h"
#include "common/util.h"

/* Continues the client's trace, or begins one.  Returns whether the client has
 * begun it. */
static bool
fill_trace(struct lease_msg *msg, const struct http_head *head, const char *buf)
{
	struct trace trace;

	bool begun = trace_find(head->fields, head->field_count, buf, &trace);

	if (begun) {
		memcpy(msg->request_id, trace.id, sizeof(msg->request_id));
		msg->flags |= trace.sampled ? LEASE_SAMPLED : 0u;
	} else {
		util_random(msg->request_id, sizeof(msg->request_id));
	}
	util_random(msg->span_id, sizeof(msg->span_id));
	return begun;
}

bool
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
	return fill_trace(msg, head, buf);
}
