/* SPDX-License-Identifier: ISC */
/*
 * The parser of request heads: one pass from left to right, which stops at the
 * first byte that may not be there.
 */
#include "common/http.h"

#include <string.h>

#define VERSION_LEN 8 /* "HTTP/1.1" */

struct parser {
	struct http_head *head;
	const char *buf;
	size_t len;	      /* bytes in buf */
	const char *p;	      /* the next byte */
	const char *end;      /* of the bytes that may be looked at */
	bool full;	      /* end is a limit: more bytes would not help */
	uint16_t full_status; /* what passing the limit is answered with */
	bool absolute;	      /* the authority came with the target */
	bool host;	      /* there was a Host field */
	bool length;	      /* a Content-Length */
	bool coding;	      /* a Transfer-Encoding */
	bool chunked;	      /* of which "chunked" was read, so it must be over */
	bool option_close, option_keep_alive, option_upgrade; /* Connection */
	bool upgrade;					      /* an Upgrade field */
};

/* The fields that decide about framing, routing or the connection. */
enum field_id {
	FIELD_OTHER,
	FIELD_HOST,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_CONNECTION,
	FIELD_EXPECT,
	FIELD_UPGRADE,
};

static inline bool
is_class(char c, enum http_class class)
{
	return (http_class[(unsigned char)c] & class) != 0;
}

static struct lease_span
span(const struct parser *ps, const char *start, const char *end)
{
	return (struct lease_span){
		.off = (uint16_t)(start - ps->buf),
		.len = (uint16_t)(end - start),
	};
}

static enum http_result
bad_status(struct parser *ps, uint16_t status, const char *reason)
{
	ps->head->status = status;
	ps->head->reason = reason;
	return HTTP_BAD;
}

static enum http_result
bad(struct parser *ps, const char *reason)
{
	return bad_status(ps, 400, reason);
}

/* All bytes that may be looked at were, and the head goes on. */
static enum http_result
more(struct parser *ps)
{
	if (!ps->full)
		return HTTP_MORE;
	return bad_status(ps, ps->full_status,
	    ps->full_status == 414 ? "the request line is too long" :
				     "the head is too large");
}

/* From here on, a head that goes on behind buf[limit) is refused. */
static void
limit_set(struct parser *ps, size_t limit, uint16_t status)
{
	if (limit > HTTP_HEAD_MAX)
		limit = HTTP_HEAD_MAX;
	ps->full = ps->len >= limit;
	ps->end = ps->buf + (ps->full ? limit : ps->len);
	ps->full_status = status;
}

/* A line ends here, and in nothing but CRLF. */
static enum http_result
line_end(struct parser *ps, const char *reason)
{
	if (ps->p == ps->end)
		return more(ps);
	if (*ps->p == '\n')
		return bad(ps, "LF without CR");
	if (*ps->p != '\r')
		return bad(ps, reason);
	if (ps->p + 1 == ps->end)
		return more(ps);
	if (ps->p[1] != '\n')
		return bad(ps, "CR without LF");
	ps->p += 2;
	return HTTP_OK;
}

/* text follows here; with fold 0x20, letters in any mix of cases. */
static enum http_result
literal(struct parser *ps, const char *text, char fold, const char *reason)
{
	for (; *text != '\0'; text++, ps->p++) {
		if (ps->p == ps->end)
			return more(ps);
		if ((*ps->p | fold) != *text)
			return bad(ps, reason);
	}
	return HTTP_OK;
}

/* RFC 9112 section 2.2: empty lines before the request line are skipped. */
static enum http_result
empty_lines_skip(struct parser *ps)
{
	limit_set(ps, HTTP_HEAD_MAX, 431);
	while (ps->p == ps->end || *ps->p == '\r') {
		enum http_result r = line_end(ps, "");

		if (r != HTTP_OK)
			return r;
	}
	return HTTP_OK;
}

static enum http_method
method_id(const char *text, size_t len)
{
	static const struct {
		const char *name;
		size_t len;
		enum http_method id;
	} methods[] = {
		{ "GET", 3, HTTP_GET },
		{ "POST", 4, HTTP_POST },
		{ "HEAD", 4, HTTP_HEAD },
		{ "PUT", 3, HTTP_PUT },
		{ "DELETE", 6, HTTP_DELETE },
		{ "PATCH", 5, HTTP_PATCH },
		{ "OPTIONS", 7, HTTP_OPTIONS },
		{ "CONNECT", 7, HTTP_CONNECT },
		{ "TRACE", 5, HTTP_TRACE },
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (len == methods[i].len && memcmp(text, methods[i].name, len) == 0)
			return methods[i].id;
	return HTTP_OTHER;
}

static enum http_result
method_parse(struct parser *ps)
{
	const char *start = ps->p;

	while (ps->p < ps->end && is_class(*ps->p, HTTP_CLASS_TOKEN))
		if (++ps->p - start > HTTP_METHOD_MAX)
			return bad_status(ps, 501, "the method is too long");
	if (ps->p == ps->end)
		return more(ps);
	if (*ps->p != ' ' || ps->p == start)
		return bad(ps, "the request line does not begin with a method");
	ps->head->method = span(ps, start, ps->p);
	ps->head->method_id = method_id(start, (size_t)(ps->p - start));
	ps->p++;
	if (ps->head->method_id == HTTP_CONNECT)
		return bad_status(ps, 501, "CONNECT is not served here");
	return HTTP_OK;
}

/* Reads "http://authority" of an absolute target (RFC 9112 section 3.2.2). */
static enum http_result
target_authority(struct parser *ps)
{
	static const char reason[] = "the target is neither a path nor an http URI";
	const char *start, *end;
	enum http_result r;
	bool whole;

	if ((r = literal(ps, "http", 0x20, reason)) != HTTP_OK)
		return r;
	if (ps->p < ps->end && (*ps->p | 0x20) == 's')
		ps->p++;
	if ((r = literal(ps, "://", 0, reason)) != HTTP_OK)
		return r;
	if (ps->p == ps->end)
		return more(ps);

	start = ps->p;
	end = http_authority_scan(start, ps->end, &whole);
	if (end == NULL)
		return bad(ps, "the target's host or port is invalid");
	ps->p = end;
	if (end == ps->end)
		return more(ps);
	if (*end == '@')
		return bad(ps, "the target has user information");
	if (*end != '/' && *end != '?' && *end != ' ')
		return bad(ps, "the target's host or port is invalid");
	ps->absolute = true;
	ps->head->host = span(ps, start, end);
	return HTTP_OK;
}

/* Reads path and query, up to the SP behind the target. */
static enum http_result
target_path(struct parser *ps)
{
	const char *p = ps->p, *end = ps->end, *start = p;

	while (p < end && is_class(*p, HTTP_CLASS_PATH))
		p++;
	ps->head->path = span(ps, start, p);
	if (p < end && *p == '?') {
		start = ++p;
		while (p < end && is_class(*p, HTTP_CLASS_QUERY))
			p++;
		ps->head->query = span(ps, start, p);
	}
	ps->p = p;
	if (p == end)
		return more(ps);
	if (*p == '\r' || *p == '\n')
		return bad(ps, "the request line has no HTTP version");
	if (*p == '#')
		return bad(ps, "the target has a fragment");
	if (*p != ' ')
		return bad(ps, "a character in the target must be percent-encoded");
	return HTTP_OK;
}

static enum http_result
target_asterisk(struct parser *ps)
{
	if (ps->head->method_id != HTTP_OPTIONS)
		return bad(ps, "the target * is for OPTIONS only");
	if (++ps->p == ps->end)
		return more(ps);
	if (*ps->p != ' ')
		return bad(ps, "more than * in the target");
	ps->head->asterisk = true;
	return HTTP_OK;
}

static enum http_result
target_parse(struct parser *ps)
{
	const char *start = ps->p;
	enum http_result r;

	if (ps->p == ps->end)
		return more(ps);
	if (*ps->p == '*')
		r = target_asterisk(ps);
	else if (*ps->p == '/')
		r = target_path(ps);
	else if ((r = target_authority(ps)) == HTTP_OK)
		r = target_path(ps);
	if (r != HTTP_OK)
		return r;
	ps->head->target = span(ps, start, ps->p);
	ps->p++;
	return HTTP_OK;
}

static enum http_result
version_parse(struct parser *ps)
{
	static const char reason[] = "the HTTP version is malformed";
	enum http_result r;

	if ((r = literal(ps, "HTTP/", 0, reason)) != HTTP_OK)
		return r;
	if (ps->p == ps->end)
		return more(ps);
	if (*ps->p < '0' || *ps->p > '9')
		return bad(ps, reason);
	if (*ps->p != '1')
		return bad_status(ps, 505, "only HTTP/1.0 and HTTP/1.1 are served here");
	if ((r = literal(ps, "1.", 0, reason)) != HTTP_OK)
		return r;
	if (ps->p == ps->end)
		return more(ps);
	if (*ps->p < '0' || *ps->p > '9')
		return bad(ps, reason);
	ps->head->minor = *ps->p != '0';
	ps->p++;
	return line_end(ps, reason);
}

static enum http_result
request_line_parse(struct parser *ps)
{
	size_t line = (size_t)(ps->p - ps->buf);
	enum http_result r;

	/* The SP behind the target must leave room for the version. */
	limit_set(ps, line + HTTP_LINE_MAX - VERSION_LEN, 414);
	if ((r = method_parse(ps)) != HTTP_OK || (r = target_parse(ps)) != HTTP_OK)
		return r;
	limit_set(ps, HTTP_HEAD_MAX, 414);
	return version_parse(ps);
}

/* The lengths of these names differ, so one comparison tells. */
static enum field_id
field_id(const char *name, size_t len)
{
	static const struct {
		const char *name;
		enum field_id id;
	} fields[] = {
		[4] = { "host", FIELD_HOST },
		[6] = { "expect", FIELD_EXPECT },
		[7] = { "upgrade", FIELD_UPGRADE },
		[10] = { "connection", FIELD_CONNECTION },
		[14] = { "content-length", FIELD_CONTENT_LENGTH },
		[17] = { "transfer-encoding", FIELD_TRANSFER_ENCODING },
	};

	if (len >= sizeof(fields) / sizeof(fields[0]) || fields[len].name == NULL ||
	    !http_word_is(name, len, fields[len].name))
		return FIELD_OTHER;
	return fields[len].id;
}

/* What the mere presence of a field proves. */
static enum http_result
field_begin(struct parser *ps, enum field_id id)
{
	switch (id) {
	case FIELD_HOST:
		if (ps->host)
			return bad(ps, "more than one Host");
		ps->host = true;
		break;
	case FIELD_CONTENT_LENGTH:
		if (ps->length)
			return bad(ps, "more than one Content-Length");
		ps->length = true;
		break;
	case FIELD_TRANSFER_ENCODING:
		if (ps->head->minor == 0)
			return bad(ps, "Transfer-Encoding in HTTP/1.0");
		ps->coding = true;
		break;
	case FIELD_UPGRADE:
		ps->upgrade = true;
		break;
	default:
		break;
	}
	if (ps->length && ps->coding)
		return bad(ps, "both Content-Length and Transfer-Encoding");
	return HTTP_OK;
}

static enum http_result
host_value(struct parser *ps, const char *value, size_t len)
{
	bool whole = true;

	if (len > 0 &&
	    (http_authority_scan(value, value + len, &whole) != value + len || !whole))
		return bad(ps, "Host is invalid");
	if (!ps->absolute)
		ps->head->host = span(ps, value, value + len);
	return HTTP_OK;
}

static enum http_result
content_length_value(struct parser *ps, const char *value, size_t len)
{
	static const char reason[] = "Content-Length is not one number";
	uint64_t number = 0;

	if (len == 0)
		return bad(ps, reason);
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned char)value[i] - (unsigned)'0';

		if (digit > 9)
			return bad(ps, reason);
		if (number > ((uint64_t)INT64_MAX - digit) / 10)
			return bad(ps, "Content-Length is too large");
		number = number * 10 + digit;
	}
	ps->head->body_len = number;
	return HTTP_OK;
}

/* Empty elements are refused here: this list decides about framing. */
static enum http_result
transfer_encoding_value(struct parser *ps, const char *value, size_t len)
{
	const char *end = value + len, *start, *p;

	while (value != NULL) {
		const char *stop = http_list_next(&value, end, &start);

		for (p = start; p < stop && is_class(*p, HTTP_CLASS_TOKEN);)
			p++;
		if (p == start || (p < stop && *p != ';' && *p != ' ' && *p != '\t'))
			return bad(ps, "Transfer-Encoding is malformed");
		if (ps->chunked)
			return bad(ps, "a transfer coding behind chunked");
		if (!http_word_is(start, (size_t)(p - start), "chunked"))
			return bad_status(ps, 501,
			    "a transfer coding other than chunked");
		if (p < stop)
			return bad(ps, "Transfer-Encoding is malformed");
		ps->chunked = true;
	}
	return HTTP_OK;
}

static void
connection_value(struct parser *ps, const char *value, size_t len)
{
	const char *end = value + len, *start;

	while (value != NULL) {
		size_t n = (size_t)(http_list_next(&value, end, &start) - start);

		ps->option_close |= http_word_is(start, n, "close");
		ps->option_keep_alive |= http_word_is(start, n, "keep-alive");
		ps->option_upgrade |= http_word_is(start, n, "upgrade");
	}
}

/* Other expectations are ignored, as RFC 9110 section 10.1.1 permits. */
static void
expect_value(struct parser *ps, const char *value, size_t len)
{
	const char *end = value + len, *start;

	while (value != NULL) {
		size_t n = (size_t)(http_list_next(&value, end, &start) - start);

		if (http_word_is(start, n, "100-continue") && ps->head->minor > 0)
			ps->head->expect_continue = true;
	}
}

static enum http_result
field_end(struct parser *ps, enum field_id id, const char *value, size_t len)
{
	switch (id) {
	case FIELD_HOST:
		return host_value(ps, value, len);
	case FIELD_CONTENT_LENGTH:
		return content_length_value(ps, value, len);
	case FIELD_TRANSFER_ENCODING:
		return transfer_encoding_value(ps, value, len);
	case FIELD_CONNECTION:
		connection_value(ps, value, len);
		return HTTP_OK;
	case FIELD_EXPECT:
		expect_value(ps, value, len);
		return HTTP_OK;
	default:
		return HTTP_OK;
	}
}

/* The byte at ps->p, behind a name that began at start, is not a colon. */
static enum http_result
name_bad(struct parser *ps, const char *start)
{
	if (*ps->p == '\n')
		return bad(ps, "LF without CR");
	if (*ps->p != ' ' && *ps->p != '\t')
		return bad(ps, "a field name is not a token");
	if (ps->p == start)
		return bad(ps, "a folded field line");
	return bad(ps, "white space before the colon of a field");
}

/*
 * Where a field value ends: at the first control character.  Most of a head is
 * values, so they are read eight bytes at a time while none of the eight is
 * below 0x20 or 0x7f; a HTAB ends that early, never wrongly.
 */
static const char *
value_scan(const char *p, const char *end)
{
	const uint64_t ones = 0x0101010101010101ULL, high = ones * 0x80;

	for (; end - p >= 8; p += 8) {
		uint64_t w, del;

		memcpy(&w, p, sizeof(w));
		del = w ^ ones * 0x7f;
		if ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & high)
			break;
	}
	while (p < end && is_class(*p, HTTP_CLASS_VALUE))
		p++;
	return p;
}

static enum http_result
field_parse(struct parser *ps)
{
	struct lease_field *field = &ps->head->fields[ps->head->field_count];
	const char *name = ps->p, *end = ps->end, *p = name, *value;
	enum field_id id;
	enum http_result r;

	while (p < end && is_class(*p, HTTP_CLASS_TOKEN))
		p++;
	ps->p = p;
	if (p == end)
		return more(ps);
	if (*p != ':')
		return name_bad(ps, name);
	if (p == name)
		return bad(ps, "a field without a name");
	field->name = span(ps, name, p);
	id = field_id(name, (size_t)(p - name));
	if (id != FIELD_OTHER && (r = field_begin(ps, id)) != HTTP_OK)
		return r;

	for (p++; p < end && (*p == ' ' || *p == '\t');)
		p++;
	value = p;
	ps->p = p = value_scan(p, end);
	if ((r = line_end(ps, "a control character in a field value")) != HTTP_OK)
		return r;
	while (p > value && (p[-1] == ' ' || p[-1] == '\t'))
		p--;
	field->value = span(ps, value, p);
	ps->head->field_count++;
	return id == FIELD_OTHER ? HTTP_OK :
				   field_end(ps, id, value, (size_t)(p - value));
}

static enum http_result
fields_parse(struct parser *ps)
{
	limit_set(ps, HTTP_HEAD_MAX, 431);
	for (;;) {
		enum http_result r;

		if (ps->p == ps->end)
			return more(ps);
		if (*ps->p == '\r')
			return line_end(ps, "");
		if (ps->head->field_count == HTTP_FIELDS_MAX)
			return bad_status(ps, 431, "too many fields");
		if ((r = field_parse(ps)) != HTTP_OK)
			return r;
	}
}

/* What only the whole head tells. */
static enum http_result
head_end(struct parser *ps)
{
	struct http_head *head = ps->head;

	if (!ps->host && head->minor > 0)
		return bad(ps, "no Host");
	head->head_len = (uint32_t)(ps->p - ps->buf);
	if (ps->chunked)
		head->body_len = HTTP_BODY_CHUNKED;
	head->keep_alive = !ps->option_close &&
	    (head->minor > 0 || ps->option_keep_alive);
	head->upgrade = head->minor > 0 && ps->option_upgrade && ps->upgrade;
	return HTTP_OK;
}

enum http_result
http_head_parse(struct http_head *head, const char *buf, size_t len)
{
	struct parser ps = { .head = head, .buf = buf, .len = len, .p = buf };
	enum http_result r;

	/* All but the table of fields, which field_count guards. */
	memset(head, 0, offsetof(struct http_head, fields));
	head->status = 0;
	head->reason = NULL;

	if ((r = empty_lines_skip(&ps)) != HTTP_OK ||
	    (r = request_line_parse(&ps)) != HTTP_OK ||
	    (r = fields_parse(&ps)) != HTTP_OK)
		return r;
	return head_end(&ps);
}
