/* SPDX-License-Identifier: ISC */
/*
 * LEASE messages as libpoold decodes them.  The first byte of the input says
 * what the rest is:
 *   'h' a head; it is parsed and leased as the router does, and the library
 *       must tell a handler exactly what the parser found
 *   'm' a message with its lengths put right, so that most pass the check
 *   else a message as it is
 */
#include "libpoold/internal.h"
#include "libpoold/lease_check.h"
#include "t/fuzz/fuzz.h"

static struct poold_request *req; /* as in a worker: one for all requests */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	req = request_new();
	FUZZ_CHECK(req != NULL);
	return 0;
}

/* As a leased worker opens it, the head being at hand. */
static void
request_begin(const struct lease_msg *msg, const char *head)
{
	struct request_index index = { .method = msg->method,
		.target = msg->target,
		.query = msg->query,
		.host = msg->host,
		.fields = lease_check_fields(msg),
		.field_count = msg->field_count,
		.body_len = msg->body_len,
		.body_max = msg->body_max,
		.minor = msg->flags & LEASE_HTTP10 ? 0 : 1,
		.keep = (msg->flags & LEASE_KEEP) != 0,
		.expect = (msg->flags & LEASE_EXPECT) != 0 };

	/* what an earlier request left there */
	memset(req->in.buf, 'x', INPUT_SIZE);
	memcpy(req->in.buf, head, msg->head_len);
	req->in.pos = 0;
	req->in.len = msg->head_len;
	request_open(req, -1, &index, msg->head_len);
	memcpy(req->path, lease_check_path(msg), msg->path_len);
	request_route(req, msg->path_len, msg->prefix_len);
	req->peer->client = msg->client;
	req->peer->local = msg->local;
	req->peer->local_known = true;
}

/* What a handler may ask for, whoever made the message. */
static void
request_look(const struct lease_msg *msg)
{
	const char *name, *value;
	size_t i;

	FUZZ_CHECK(strlen(poold_method(req)) <= msg->method.len);
	FUZZ_CHECK(strlen(poold_target(req)) <= msg->target.len);
	FUZZ_CHECK(strlen(poold_query(req)) <= msg->query.len);
	FUZZ_CHECK(strlen(poold_host(req)) <= msg->host.len);
	FUZZ_CHECK(strlen(poold_path(req)) <= msg->path_len);
	FUZZ_CHECK(strlen(poold_route(req)) <= msg->prefix_len);
	FUZZ_CHECK(strlen(poold_path_info(req)) <= msg->path_len);
	for (i = 0; poold_header_at(req, i, &name, &value); i++) {
		FUZZ_CHECK(strlen(name) <= req->fields[i].name.len);
		FUZZ_CHECK(strlen(value) <= req->fields[i].value.len);
		(void)poold_header(req, name);
	}
	FUZZ_CHECK(i == msg->field_count);
	(void)poold_param(req, "q");
	(void)poold_client_address(req);
	(void)poold_local_address(req);
	(void)poold_body_length(req);
}

static bool
text_is(const char *text, const char *head, struct lease_span span)
{
	return strlen(text) == span.len && memcmp(text, head + span.off, span.len) == 0;
}

/* A head that the parser took: the very texts that it found. */
static void
request_compare(const struct lease_msg *msg, const char *head)
{
	const struct lease_field *fields = lease_check_fields(msg);
	const char *name, *value;

	FUZZ_CHECK(text_is(poold_method(req), head, msg->method));
	FUZZ_CHECK(text_is(poold_target(req), head, msg->target));
	FUZZ_CHECK(text_is(poold_query(req), head, msg->query));
	FUZZ_CHECK(text_is(poold_host(req), head, msg->host) ||
	    msg->host.len >= sizeof(req->host_text));
	for (size_t i = 0; i < msg->field_count; i++) {
		FUZZ_CHECK(poold_header_at(req, i, &name, &value));
		FUZZ_CHECK(text_is(name, head, fields[i].name));
		FUZZ_CHECK(text_is(value, head, fields[i].value));
	}
}

/* One part behind another in a message. */
static void
append(char **at, const void *part, size_t len)
{
	memcpy(*at, part, len);
	*at += len;
}

static void
head_run(const char *head, size_t len)
{
	static struct http_head parsed;
	char path[HTTP_PATH_MAX], *at;
	size_t path_len = 0, size, fields_len;
	bool encoded_slash;
	struct lease_msg *msg;

	if (http_head_parse(&parsed, head, len) != HTTP_OK || parsed.asterisk ||
	    http_path_canonical(head + parsed.path.off, parsed.path.len, path,
		sizeof(path), &path_len, &encoded_slash) != NULL)
		return;
	fields_len = parsed.field_count * sizeof(parsed.fields[0]);
	size = sizeof(*msg) + fields_len + path_len + parsed.head_len;
	FUZZ_CHECK(size <= LEASE_MSG_MAX);
	msg = calloc(1, size);
	FUZZ_CHECK(msg != NULL);
	msg->type = LEASE_LEASE;
	msg->header_len = sizeof(*msg);
	msg->flags = LEASE_REPLAY;
	msg->body_len = parsed.body_len;
	msg->head_len = parsed.head_len;
	msg->method = parsed.method;
	msg->target = parsed.target;
	msg->query = parsed.query;
	msg->host = parsed.host;
	msg->path_len = (uint16_t)path_len;
	msg->prefix_len = 1;
	msg->field_count = parsed.field_count;
	at = (char *)(msg + 1);
	append(&at, parsed.fields, fields_len);
	append(&at, path, path_len);
	append(&at, head, parsed.head_len);
	FUZZ_CHECK(lease_check_valid(msg, size));
	msg->flags = 0; /* not REPLAY: the head stays in the socket */
	FUZZ_CHECK(lease_check_valid(msg, size - parsed.head_len));

	request_begin(msg, head);
	request_look(msg);
	request_compare(msg, head);
	free(msg);
}

/* Divides what is there among fields, path and head. */
static void
lengths_mend(struct lease_msg *msg, size_t len)
{
	size_t rest, room;

	msg->header_len = len % 2 == 0 ? LEASE_MSG_MIN : sizeof(*msg);
	rest = len - msg->header_len;
	room = rest / sizeof(struct lease_field);
	msg->field_count %= LEASE_FIELDS_MAX + 1;
	if (msg->field_count > room)
		msg->field_count = (uint16_t)room;
	rest -= msg->field_count * sizeof(struct lease_field);
	if (msg->flags & LEASE_REPLAY && rest > 1) {
		msg->head_len %= (uint32_t)rest;
		rest -= msg->head_len;
	}
	msg->path_len = (uint16_t)rest;
}

/* The input buffer is larger than a head: what lies behind it is another
 * request's, and ASan does not know. */
static void
span_check(const struct lease_msg *msg, struct lease_span span)
{
	FUZZ_CHECK(span.len == 0 || (size_t)span.off + span.len < msg->head_len);
}

static void
valid_check(const struct lease_msg *msg)
{
	const struct lease_field *fields = lease_check_fields(msg);

	FUZZ_CHECK(msg->head_len <= LEASE_HEAD_MAX && msg->path_len <= LEASE_PATH_MAX);
	FUZZ_CHECK(msg->prefix_len <= msg->path_len);
	span_check(msg, msg->method);
	span_check(msg, msg->target);
	span_check(msg, msg->query);
	span_check(msg, msg->host);
	for (size_t i = 0; i < msg->field_count; i++) {
		span_check(msg, fields[i].name);
		span_check(msg, fields[i].value);
	}
}

static void
message_run(struct lease_msg *msg, size_t len, bool mend)
{
	static char head[LEASE_HEAD_MAX];
	const char *path;

	if (mend && len >= sizeof(*msg))
		lengths_mend(msg, len);
	if (!lease_check_valid(msg, len))
		return;
	valid_check(msg);
	path = lease_check_path(msg);
	FUZZ_CHECK(path + msg->path_len <= (const char *)msg + len);
	if (msg->flags & LEASE_REPLAY)
		memcpy(head, path + msg->path_len, msg->head_len);
	else
		memset(head, ' ', msg->head_len);
	request_begin(msg, head);
	request_look(msg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size == 0 || size > LEASE_MSG_MAX)
		return 0;
	copy = fuzz_copy(data + 1, size - 1);
	if (data[0] == 'h')
		head_run(copy, size - 1);
	else /* malloc aligns it */
		message_run((struct lease_msg *)(void *)copy, size - 1, data[0] == 'm');
	free(copy);
	return 0;
}
