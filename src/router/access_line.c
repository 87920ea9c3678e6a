/* SPDX-License-Identifier: ISC */
#include "router/access_line.h"

#include <assert.h>
#include <string.h>

#include "common/http.h"
#include "common/trace.h"
#include "common/util.h"

/* Where the next byte goes.  Numbers and the like fit by the format's reserve;
 * texts from outside are cut at end. */
struct out {
	char *at;
	const char *end; /* of the value in work */
	bool json;
	bool quoted;
};

/* --- numbers ----------------------------------------------------------- */

static void
put(struct out *out, const char *text, size_t len)
{
	memcpy(out->at, text, len);
	out->at += len;
}

static void
put_number(struct out *out, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	put(out, digits + at, sizeof(digits) - at);
}

/* With so many digits, zeros in front. */
static void
put_digits(struct out *out, uint32_t n, int count)
{
	for (int i = count; i-- > 0; n /= 10)
		out->at[i] = (char)('0' + n % 10);
	out->at += count;
}

/* Microseconds as seconds. */
static void
put_seconds(struct out *out, uint64_t us)
{
	put_number(out, us / 1000000);
	*out->at++ = '.';
	put_digits(out, (uint32_t)(us % 1000000), 6);
}

/* --- texts ------------------------------------------------------------- */

static void
put_nothing(struct out *out)
{
	if (out->json)
		put(out, "null", 4);
	else
		*out->at++ = '-';
}

static void
put_hex(struct out *out, const uint8_t *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	if (out->json)
		*out->at++ = '"';
	for (size_t i = 0; i < len; i++) {
		*out->at++ = hex[bytes[i] >> 4];
		*out->at++ = hex[bytes[i] & 15];
	}
	if (out->json)
		*out->at++ = '"';
}

enum {
	PLAIN_QUOTED = 1 << 0,	 /* goes as it is between quotes */
	PLAIN_UNQUOTED = 1 << 1, /* goes as it is */
	PLAIN_JSON = 1 << 2,	 /* goes as it is in a JSON string */
};

#define ALL (PLAIN_QUOTED | PLAIN_UNQUOTED | PLAIN_JSON)
static const uint8_t plain[256] = {
	[' '] = PLAIN_QUOTED | PLAIN_JSON,
	['!'] = ALL,
	['#' ... '['] = ALL, /* no double quote, no backslash */
	[']' ... '~'] = ALL,
};
#undef ALL

/* How many bytes at text go as they are. */
static size_t
plain_len(const char *text, size_t len, uint8_t wanted)
{
	size_t n = 0;

	while (n < len && (plain[(unsigned char)text[n]] & wanted) != 0)
		n++;
	return n;
}

/* The same, written as far as there is room. */
static size_t
put_plain(struct out *out, const char *text, size_t len, uint8_t wanted)
{
	size_t room = (size_t)(out->end - out->at);
	size_t n = plain_len(text, len < room ? len : room, wanted);

	put(out, text, n);
	return n;
}

/* What does not print, quotes and backslashes become \xHH, and blanks where no
 * quotes stand around: nobody forges a line or a column, or drives a terminal. */
static void
put_escaped(struct out *out, const char *text, size_t len)
{
	uint8_t wanted = out->quoted ? PLAIN_QUOTED : PLAIN_UNQUOTED;
	static const char hex[] = "0123456789abcdef";

	if (len == 0 || out->end - out->at < 4) {
		put_nothing(out);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		i += put_plain(out, text + i, len - i, wanted);
		if (i == len || out->end - out->at < 4)
			return;
		put(out, "\\x", 2);
		*out->at++ = hex[(unsigned char)text[i] >> 4];
		*out->at++ = hex[(unsigned char)text[i] & 15];
	}
}

/* Bytes of the UTF-8 sequence at text, 0 when it is none (RFC 3629), or one of
 * the control characters that terminals know as U+0080 to U+009F. */
static size_t
utf8_len(const unsigned char *text, size_t left)
{
	size_t len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (text[0] < 0xc2 || text[0] > 0xf4 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xc2 && text[1] < 0xa0) || (text[0] == 0xe0 && text[1] < 0xa0) ||
	    (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf0 && text[1] < 0x90) ||
	    (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return len;
}

/* What does not go as it is; returns how many bytes of text that is. */
static size_t
put_json_escape(struct out *out, const unsigned char *text, size_t left)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = *text >= 0x80 ? utf8_len(text, left) : 0;

	if (len > 0) {
		put(out, (const char *)text, len);
		return len;
	}
	if (*text == '"' || *text == '\\') {
		*out->at++ = '\\';
		*out->at++ = (char)*text;
	} else if (*text >= 0x80 || *text == '\0') {
		/* of no text that is known; many who read JSON take no NUL */
		put(out, "\\ufffd", 6);
	} else {
		put(out, "\\u00", 4);
		*out->at++ = hex[*text >> 4];
		*out->at++ = hex[*text & 15];
	}
	return 1;
}

static void
put_json(struct out *out, const char *text, size_t len)
{
	if (out->end - out->at < 4) {
		put_nothing(out);
		return;
	}
	*out->at++ = '"';
	out->end--; /* for the other one */
	for (size_t i = 0; i < len;) {
		i += put_plain(out, text + i, len - i, PLAIN_JSON);
		if (i == len || out->end - out->at < 6)
			break;
		i += put_json_escape(out, (const unsigned char *)text + i, len - i);
	}
	*out->at++ = '"';
}

static void
put_text(struct out *out, const char *text, size_t len)
{
	if (out->json)
		put_json(out, text, len);
	else
		put_escaped(out, text, len);
}

static void
put_string(struct out *out, const char *text)
{
	if (text == NULL)
		put_nothing(out);
	else
		put_text(out, text, strlen(text));
}

static void
put_bool(struct out *out, bool value)
{
	if (out->json)
		put(out, value ? "true" : "false", value ? 4 : 5);
	else
		*out->at++ = value ? '1' : '0';
}

/* --- the time of day --------------------------------------------------- */

static void
show_second(struct access_clock *clock, time_t now)
{
	struct tm tm;
	char zone[8];

	localtime_r(&now, &tm);
	clock->local_len = (char)strftime(clock->local, sizeof(clock->local),
	    "%d/%b/%Y:%H:%M:%S %z", &tm);
	strftime(clock->iso, sizeof(clock->iso), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm); /* +0000 */
	memcpy(clock->zone, zone, 3);
	clock->zone[3] = ':';
	memcpy(clock->zone + 4, zone + 3, 3);
	clock->shown = now;
}

static void
put_time(struct out *out, enum access_name name, struct access_clock *clock)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (name == ACCESS_TIME_MS) {
		put_number(out,
		    (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
		return;
	}
	if (now.tv_sec != clock->shown)
		show_second(clock, now.tv_sec);
	if (out->json)
		*out->at++ = '"';
	if (name == ACCESS_TIME_LOCAL) {
		put(out, clock->local, (size_t)clock->local_len);
	} else {
		put(out, clock->iso, 19);
		*out->at++ = '.';
		put_digits(out, (uint32_t)(now.tv_nsec / 1000000), 3);
		put(out, clock->zone, 6);
	}
	if (out->json)
		*out->at++ = '"';
}

/* When the head was whole: from CLOCK_MONOTONIC to the time of day. */
static void
put_start(struct out *out, const struct access_entry *entry)
{
	struct timespec now;
	uint64_t now_ns;

	if (entry->msg->accepted_ns == 0) {
		put_nothing(out);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	now_ns = (uint64_t)now.tv_sec * 1000 * MS_NS + (uint64_t)now.tv_nsec;
	put_number(out, now_ns - (util_now_ns() - entry->msg->accepted_ns));
}

/* --- parts of the request ---------------------------------------------- */

static void
put_addr(struct out *out, const struct lease_addr *addr)
{
	char text[UTIL_ADDR_SIZE];

	if (addr->family == LEASE_FAMILY_INET) {
		for (int i = 0; i < 4; i++) {
			*out->at = i > 0 ? '.' : '"';
			out->at += i > 0 || out->json;
			put_number(out, addr->addr[i]);
		}
		*out->at = '"';
		out->at += out->json;
		return;
	}
	if (addr->family == LEASE_FAMILY_NONE)
		put_nothing(out);
	else
		put_string(out, util_addr_text(addr, text));
}

static void
put_span(struct out *out, const struct access_entry *entry, struct lease_span span)
{
	if (!entry->parsed || span.len == 0)
		put_nothing(out);
	else
		put_text(out, entry->head + span.off, span.len);
}

/* The first line of the head that is not empty, whatever it says. */
static void
put_request(struct out *out, const struct access_entry *entry)
{
	const char *at = entry->head, *end = entry->head + entry->head_len, *eol;

	while (at < end && (*at == '\r' || *at == '\n'))
		at++;
	for (eol = at; eol < end && *eol != '\r' && *eol != '\n';)
		eol++;
	if (at == eol)
		put_nothing(out);
	else
		put_text(out, at, (size_t)(eol - at));
}

static void
put_field(struct out *out, const struct access_entry *entry, const char *name, size_t len)
{
	char text[ACCESS_WORD_SIZE];
	const struct lease_span *value = NULL;

	memcpy(text, name, len);
	text[len] = '\0';
	if (entry->parsed)
		value = http_field_find(entry->fields, entry->msg->field_count,
		    entry->head, text);
	if (value == NULL)
		put_nothing(out);
	else
		put_text(out, entry->head + value->off, value->len);
}

static void
put_parent(struct out *out, const struct access_entry *entry)
{
	struct trace trace;

	if (entry->parsed &&
	    trace_find(entry->fields, entry->msg->field_count, entry->head, &trace))
		put_hex(out, trace.parent, sizeof(trace.parent));
	else
		put_nothing(out);
}

/* db=0.001200,render=0.000350; or an object. */
static void
put_phases(struct out *out, const struct phases *phases)
{
	if (phases == NULL || phases->count == 0) {
		put_nothing(out);
		return;
	}
	if (out->json)
		*out->at++ = '{';
	for (uint32_t i = 0; i < phases->count; i++) {
		const char *name = phases->list[i].name;

		if (i > 0)
			*out->at++ = ',';
		if (out->json)
			*out->at++ = '"';
		put(out, name, strlen(name));
		if (out->json)
			*out->at++ = '"';
		*out->at++ = out->json ? ':' : '=';
		put_seconds(out, phases->list[i].us);
	}
	if (out->json)
		*out->at++ = '}';
}

static void
put_part(struct out *out, const struct access_entry *entry, const struct access_op *op,
    const struct access_format *format)
{
	const struct lease_msg *msg = entry->msg;

	switch (op->name) {
	case ACCESS_REQUEST:
		put_request(out, entry);
		break;
	case ACCESS_METHOD:
		put_span(out, entry, msg->method);
		break;
	case ACCESS_TARGET:
		put_span(out, entry, msg->target);
		break;
	case ACCESS_QUERY:
		put_span(out, entry, msg->query);
		break;
	case ACCESS_HOST:
		put_span(out, entry, msg->host);
		break;
	case ACCESS_PATH:
		if (entry->path == NULL)
			put_nothing(out);
		else
			put_text(out, entry->path, msg->path_len);
		break;
	case ACCESS_ROUTE:
		if (entry->path == NULL || entry->service == NULL)
			put_nothing(out);
		else /* the route "/" counts as no prefix */
			put_text(out, entry->path,
			    msg->prefix_len == 0 ? 1 : msg->prefix_len);
		break;
	case ACCESS_PROTOCOL:
		if (entry->parsed)
			put_string(out,
			    msg->flags & LEASE_HTTP10 ? "HTTP/1.0" : "HTTP/1.1");
		else
			put_nothing(out);
		break;
	default:
		put_field(out, entry, format->text + op->off, op->len);
		break;
	}
}

/* --- a line ------------------------------------------------------------ */

static void
put_ns(struct out *out, const struct access_times *times, uint64_t ns)
{
	if (times == NULL)
		put_nothing(out);
	else
		put_seconds(out, ns / 1000);
}

static void
put_times(struct out *out, const struct access_times *times, enum access_name name)
{
	static const struct access_times none;
	const struct access_times *t = times != NULL ? times : &none;

	switch (name) {
	case ACCESS_ROUTER_TIME:
		put_ns(out, times, t->router);
		break;
	case ACCESS_QUEUE_TIME:
		put_ns(out, times, t->queue);
		break;
	case ACCESS_SERVICE_TIME:
		put_ns(out, times, t->service);
		break;
	default:
		put_ns(out, times, t->router + t->queue + t->service);
		break;
	}
}

static void
put_worker(struct out *out, const struct access_entry *entry, enum access_name name)
{
	if (name == ACCESS_WORKER_PID && entry->pid > 0)
		put_number(out, (uint64_t)entry->pid);
	else if (name == ACCESS_WORKER_SLOT && entry->slot != ACCESS_NO_SLOT)
		put_number(out, entry->slot);
	else
		put_nothing(out);
}

static void
put_value(struct out *out, const struct access_entry *entry, const struct access_op *op,
    const struct access_format *format, struct access_clock *clock)
{
	const struct lease_msg *msg = entry->msg;

	switch (op->name) {
	case ACCESS_LITERAL:
		put(out, format->text + op->off, op->len);
		break;
	case ACCESS_REMOTE_ADDR:
		put_addr(out, entry->client);
		break;
	case ACCESS_REMOTE_PORT:
		put_number(out, entry->client->port);
		break;
	case ACCESS_LOCAL_ADDR:
		put_addr(out, entry->local);
		break;
	case ACCESS_LOCAL_PORT:
		put_number(out, entry->local->port);
		break;
	case ACCESS_LISTENER:
		put_string(out, entry->listener);
		break;
	case ACCESS_TIME_LOCAL:
	case ACCESS_TIME_ISO8601:
	case ACCESS_TIME_MS:
		put_time(out, op->name, clock);
		break;
	case ACCESS_START_NS:
		put_start(out, entry);
		break;
	case ACCESS_STATUS:
		put_number(out, entry->status);
		break;
	case ACCESS_BYTES:
		/* a worker has said it, and many who read JSON know no more */
		put_number(out, entry->bytes < INT64_MAX ? entry->bytes : INT64_MAX);
		break;
	case ACCESS_SERVICE:
		put_string(out, entry->service);
		break;
	case ACCESS_WORKER_PID:
	case ACCESS_WORKER_SLOT:
		put_worker(out, entry, op->name);
		break;
	case ACCESS_RETRIES:
		put_number(out, entry->retries);
		break;
	case ACCESS_REQUEST_ID:
		put_hex(out, msg->request_id, sizeof(msg->request_id));
		break;
	case ACCESS_SPAN_ID:
		put_hex(out, msg->span_id, sizeof(msg->span_id));
		break;
	case ACCESS_PARENT_ID:
		put_parent(out, entry);
		break;
	case ACCESS_SAMPLED:
		put_bool(out, (msg->flags & LEASE_SAMPLED) != 0);
		break;
	case ACCESS_ROUTER_TIME:
	case ACCESS_QUEUE_TIME:
	case ACCESS_SERVICE_TIME:
	case ACCESS_TOTAL_TIME:
		put_times(out, entry->times, op->name);
		break;
	case ACCESS_PHASES:
		put_phases(out, entry->phases);
		break;
	case ACCESS_BY:
		put_string(out, entry->by_router ? "router" : "worker");
		break;
	case ACCESS_REASON:
		put_string(out, entry->reason);
		break;
	case ACCESS_REQUEST_NUMBER:
		put_number(out, entry->number);
		break;
	case ACCESS_KEEP:
		put_bool(out, entry->keep);
		break;
	default:
		put_part(out, entry, op, format);
		break;
	}
}

size_t
access_line_write(char *line, const struct access_format *format,
    const struct access_entry *entry, struct access_clock *clock)
{
	struct out out = { .at = line, .json = format->json };
	const char *end = line + ACCESS_LINE_MAX;

	for (uint16_t i = 0; i < format->count; i++) {
		const struct access_op *op = &format->ops[i];

		out.quoted = op->quoted;
		out.end = end - op->reserve;
		if (out.end - out.at > ACCESS_VALUE_MAX)
			out.end = out.at + ACCESS_VALUE_MAX;
		put_value(&out, entry, op, format, clock);
	}
	*out.at++ = '\n';
	assert(out.at <= end);
	return (size_t)(out.at - line);
}
