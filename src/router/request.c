/* SPDX-License-Identifier: ISC */
#include "router/request.h"

#include <stdlib.h>
#include <string.h>

#include "common/lease_head.h"
#include "common/util.h"
#include "router/guard.h"

static bool
is_replayable(const struct http_head *head)
{
	return head->body_len == 0 && !head->upgrade &&
	    (head->method_id == HTTP_GET || head->method_id == HTTP_HEAD ||
		head->method_id == HTTP_OPTIONS);
}

struct request *
request_new(const struct http_head *head, const char *buf, const char *path,
    size_t path_len)
{
	size_t fields_len = head->field_count * sizeof(struct lease_field);
	size_t tail_len = fields_len + path_len + head->head_len;
	struct request *request = malloc(sizeof(*request) + tail_len);

	if (request == NULL)
		return NULL;
	memset(request, 0, sizeof(*request));
	request->continued = lease_head_fill(&request->msg, head, buf, path_len);
	request->replayable = is_replayable(head);
	request->path_off = fields_len;
	request->head_off = fields_len + path_len;
	request->tail_len = tail_len;
	memcpy(request->tail, head->fields, fields_len);
	memcpy(request->tail + request->path_off, path, path_len);
	memcpy(request->tail + request->head_off, buf, head->head_len);
	return request;
}

struct request *
request_adopted(uint32_t slot, uint64_t serial, uint64_t sequence)
{
	struct request *request = util_alloc(sizeof(*request));

	request->msg.slot = slot;
	request->msg.serial = serial;
	request->msg.sequence = sequence;
	request->leased_ns = util_now_ns();
	return request;
}

void
request_free(struct request *request)
{
	if (request == NULL)
		return;
	guard_end(request, BREAKER_SAID_NOTHING);
	free(request->phases);
	free(request);
}

void
request_keep_phases(struct request *request, const struct phases *phases)
{
	if (request->phases == NULL)
		request->phases = malloc(sizeof(*phases));
	if (request->phases != NULL)
		*request->phases = *phases;
}

const char *
request_head(const struct request *request)
{
	return request->tail + request->head_off;
}

const char *
request_field(const struct request *request, const char *name, size_t *len)
{
	/* tail begins with the fields; malloc and the struct align it */
	const struct lease_field *fields = (const void *)request->tail;
	const struct lease_span *span;

	span = http_field_find(fields, request->msg.field_count, request_head(request),
	    name);
	*len = span == NULL ? 0 : span->len;
	return span == NULL ? "" : request_head(request) + span->off;
}
