/* SPDX-License-Identifier: ISC */
#include "libpoold/lease_check.h"

static bool
span_valid(const struct lease_msg *msg, struct lease_span span)
{
	/* A head ends with an empty line, so no span touches its end. */
	return span.len == 0 || (uint32_t)span.off + span.len < msg->head_len;
}

const struct lease_field *
lease_check_fields(const struct lease_msg *msg)
{
	return (const struct lease_field *)((const char *)msg + msg->header_len);
}

const char *
lease_check_path(const struct lease_msg *msg)
{
	return (const char *)(lease_check_fields(msg) + msg->field_count);
}

bool
lease_check_valid(const struct lease_msg *msg, size_t len)
{
	const struct lease_field *fields;
	size_t size;
	uint16_t i;

	if (len < LEASE_MSG_MIN || msg->header_len < LEASE_MSG_MIN ||
	    msg->header_len % 2 != 0 || msg->field_count > LEASE_FIELDS_MAX ||
	    msg->path_len == 0 || msg->path_len > LEASE_PATH_MAX ||
	    msg->prefix_len > msg->path_len || msg->head_len == 0 ||
	    msg->head_len > LEASE_HEAD_MAX)
		return false;
	size = msg->header_len + msg->field_count * sizeof(*fields) + msg->path_len;
	if (msg->flags & LEASE_REPLAY)
		size += msg->head_len;
	if (len != size || !span_valid(msg, msg->method) ||
	    !span_valid(msg, msg->target) || !span_valid(msg, msg->query) ||
	    !span_valid(msg, msg->host))
		return false;
	fields = lease_check_fields(msg);
	for (i = 0; i < msg->field_count; i++)
		if (!span_valid(msg, fields[i].name) || !span_valid(msg, fields[i].value))
			return false;
	return true;
}
