/* SPDX-License-Identifier: ISC */
/*
 * The parser of request heads.  Router and worker must agree about every head,
 * so a verdict must be a matter of the bytes up to it and nothing else.
 */
#include "common/http.h"
#include "common/trace.h"
#include "t/fuzz/fuzz.h"

#define CUTS_MAX 128 /* places where a long input is cut off */

static bool
span_within(struct lease_span span, struct lease_span outer)
{
	return span.len == 0 ||
	    (span.off >= outer.off && span.off + span.len <= outer.off + outer.len);
}

static bool
is_class(const char *buf, struct lease_span span, enum http_class class)
{
	for (size_t i = 0; i < span.len; i++)
		if ((http_class[(unsigned char)buf[span.off + i]] & class) == 0)
			return false;
	return true;
}

/* Whatever the verdict: no span points behind the bytes that were given. */
static void
spans_check(const struct http_head *head, size_t len)
{
	const struct lease_span all = { .off = 0,
		.len = (uint16_t)(len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX) };

	FUZZ_CHECK(head->field_count <= HTTP_FIELDS_MAX);
	FUZZ_CHECK(span_within(head->method, all));
	FUZZ_CHECK(span_within(head->target, all));
	FUZZ_CHECK(span_within(head->path, all));
	FUZZ_CHECK(span_within(head->query, all));
	FUZZ_CHECK(span_within(head->host, all));
	for (size_t i = 0; i < head->field_count; i++) {
		FUZZ_CHECK(span_within(head->fields[i].name, all));
		FUZZ_CHECK(span_within(head->fields[i].value, all));
	}
}

static size_t
fields_named(const struct http_head *head, const char *buf, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < head->field_count; i++)
		count += http_word_is(buf + head->fields[i].name.off,
		    head->fields[i].name.len, name);
	return count;
}

/* The framing once more, from the fields alone. */
static void
framing_check(const struct http_head *head, const char *buf)
{
	size_t lengths = fields_named(head, buf, "Content-Length");
	size_t codings = fields_named(head, buf, "Transfer-Encoding");
	size_t hosts = fields_named(head, buf, "Host");
	const struct lease_span *length;
	char text[32];

	FUZZ_CHECK(lengths <= 1);
	FUZZ_CHECK(lengths == 0 || codings == 0);
	FUZZ_CHECK(codings == 0 || head->minor == 1);
	FUZZ_CHECK(hosts <= 1 && (hosts == 1 || head->minor == 0));
	FUZZ_CHECK((codings > 0) == (head->body_len == HTTP_BODY_CHUNKED));
	if (lengths == 0) {
		FUZZ_CHECK(codings > 0 || head->body_len == 0);
		return;
	}
	FUZZ_CHECK(head->body_len <= INT64_MAX);
	length = http_field_find(head->fields, head->field_count, buf, "content-length");
	snprintf(text, sizeof(text), "%llu", (unsigned long long)head->body_len);
	for (size_t i = 0, zeros = length->len - strlen(text); i < length->len; i++)
		FUZZ_CHECK(buf[length->off + i] == (i < zeros ? '0' : text[i - zeros]));
}

static void
host_check(const struct http_head *head, const char *buf)
{
	const char *host = buf + head->host.off;
	size_t host_len;
	uint16_t port;
	bool whole = true;

	if (head->host.len == 0)
		return;
	FUZZ_CHECK(http_authority_scan(host, host + head->host.len, &whole) ==
	    host + head->host.len);
	FUZZ_CHECK(whole);
	http_authority_split(host, head->host.len, &host_len, &port);
	FUZZ_CHECK(host_len > 0 && host_len <= head->host.len);
	FUZZ_CHECK(memchr(host, '@', head->host.len) == NULL);
}

/* A path that was parsed is one that http_path_canonical can be asked about. */
static void
path_check(const struct http_head *head, const char *buf)
{
	char path[HTTP_PATH_MAX];
	size_t len = 0;
	bool encoded_slash;

	if (head->asterisk ||
	    http_path_canonical(buf + head->path.off, head->path.len, path, sizeof(path),
		&len, &encoded_slash) != NULL)
		return;
	FUZZ_CHECK(len > 0 && path[0] == '/');
}

static void
good_check(const struct http_head *head, const char *buf, size_t len)
{
	const struct lease_span whole = { .off = 0, .len = (uint16_t)head->head_len };
	struct trace trace, again;
	char text[TRACE_TEXT_SIZE];

	FUZZ_CHECK(head->status == 0 && head->reason == NULL);
	FUZZ_CHECK(head->head_len <= len && head->head_len <= HTTP_HEAD_MAX);
	FUZZ_CHECK(memcmp(buf + head->head_len - 4, "\r\n\r\n", 4) == 0);
	spans_check(head, head->head_len - 1); /* libpoold ends each with a NUL */
	FUZZ_CHECK(head->method.len > 0 && head->method.len <= HTTP_METHOD_MAX);
	FUZZ_CHECK(is_class(buf, head->method, HTTP_CLASS_TOKEN));
	FUZZ_CHECK(head->target.len > 0 && span_within(head->target, whole));
	FUZZ_CHECK(span_within(head->path, head->target));
	FUZZ_CHECK(span_within(head->query, head->target));
	FUZZ_CHECK(is_class(buf, head->path, HTTP_CLASS_PATH));
	FUZZ_CHECK(is_class(buf, head->query, HTTP_CLASS_QUERY));
	FUZZ_CHECK(head->minor <= 1 && head->method_id != HTTP_CONNECT);
	FUZZ_CHECK(head->minor == 1 || (!head->expect_continue && !head->upgrade));
	for (size_t i = 0; i < head->field_count; i++) {
		FUZZ_CHECK(head->fields[i].name.len > 0);
		FUZZ_CHECK(is_class(buf, head->fields[i].name, HTTP_CLASS_TOKEN));
		FUZZ_CHECK(is_class(buf, head->fields[i].value, HTTP_CLASS_VALUE));
	}
	framing_check(head, buf);
	host_check(head, buf);
	path_check(head, buf);
	if (trace_find(head->fields, head->field_count, buf, &trace)) {
		trace_format(text, trace.id, trace.parent, trace.sampled);
		FUZZ_CHECK(trace_parse(text, TRACE_TEXT_SIZE - 1, &again));
		FUZZ_CHECK(memcmp(&trace, &again, sizeof(trace)) == 0);
	}
}

/* Whether two heads of the same verdict are the same in all that is told. */
static bool
heads_equal(const struct http_head *a, const struct http_head *b)
{
	return memcmp(a, b, offsetof(struct http_head, fields)) == 0 &&
	    memcmp(a->fields, b->fields, a->field_count * sizeof(a->fields[0])) == 0 &&
	    a->status == b->status && a->reason == b->reason;
}

static enum http_result
parse(struct http_head *head, const uint8_t *data, size_t size)
{
	char *buf = fuzz_copy(data, size);
	enum http_result result;

	memset(head, 0, sizeof(*head)); /* the padding is compared too */
	result = http_head_parse(head, buf, size);
	if (result == HTTP_OK)
		good_check(head, buf, size);
	else
		spans_check(head, size);
	FUZZ_CHECK((result == HTTP_BAD) == (head->status >= 400));
	FUZZ_CHECK((result == HTTP_BAD) == (head->reason != NULL));
	FUZZ_CHECK(result != HTTP_MORE || size < HTTP_HEAD_MAX);
	free(buf);
	return result;
}

/* Byte by byte: nothing, until the whole's verdict comes and stays. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head whole, part;
	enum http_result verdict = parse(&whole, data, size), result;
	size_t step = size / CUTS_MAX + 1;
	bool judged = false;

	for (size_t cut = 0; cut < size; cut += step) {
		result = parse(&part, data, cut);
		FUZZ_CHECK(result == HTTP_MORE || result == verdict);
		FUZZ_CHECK(!judged || result == verdict);
		judged = result != HTTP_MORE;
		if (judged)
			FUZZ_CHECK(heads_equal(&part, &whole));
		if (verdict == HTTP_OK)
			FUZZ_CHECK(judged == (cut >= whole.head_len));
	}
	return 0;
}
