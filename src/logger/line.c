/* SPDX-License-Identifier: ISC */
#include "logger/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACILITY_DAEMON (3 << 3) /* RFC 3164, section 4.1.1 */

static const char *const level_names[LOGGER_LEVELS] = {
	[LOGGER_ERROR] = "error",
	[LOGGER_WARN] = "warn",
	[LOGGER_INFO] = "info",
	[LOGGER_DEBUG] = "debug",
};

const char *
line_level_name(enum logger_level level)
{
	return level_names[level];
}

/* --- reading ----------------------------------------------------------- */

/* A line while it is taken apart. */
struct rest {
	const char *at;
	size_t len;
};

static bool
take_byte(struct rest *rest, char byte)
{
	if (rest->len == 0 || *rest->at != byte)
		return false;
	rest->at++;
	rest->len--;
	return true;
}

static bool
take_text(struct rest *rest, const char *text)
{
	size_t len = strlen(text);

	if (rest->len < len || memcmp(rest->at, text, len) != 0)
		return false;
	rest->at += len;
	rest->len -= len;
	return true;
}

static bool
take_number(struct rest *rest, int max_digits, long *number)
{
	int digits = 0;

	for (*number = 0;
	     digits < max_digits && rest->len > 0 && *rest->at >= '0' && *rest->at <= '9';
	     digits++, rest->at++, rest->len--)
		*number = *number * 10 + (*rest->at - '0');
	return digits > 0;
}

/* "2026-01-31T12:00:00.123Z " */
static bool
take_time(struct rest *rest, struct timespec *ts)
{
	long year, month, day, hour, minute, second, ms;
	struct tm tm = { 0 };

	if (!take_number(rest, 4, &year) || !take_byte(rest, '-') ||
	    !take_number(rest, 2, &month) || !take_byte(rest, '-') ||
	    !take_number(rest, 2, &day) || !take_byte(rest, 'T') ||
	    !take_number(rest, 2, &hour) || !take_byte(rest, ':') ||
	    !take_number(rest, 2, &minute) || !take_byte(rest, ':') ||
	    !take_number(rest, 2, &second) || !take_byte(rest, '.') ||
	    !take_number(rest, 3, &ms) || !take_text(rest, "Z "))
		return false;
	tm.tm_year = (int)year - 1900;
	tm.tm_mon = (int)month - 1;
	tm.tm_mday = (int)day;
	tm.tm_hour = (int)hour;
	tm.tm_min = (int)minute;
	tm.tm_sec = (int)second;
	ts->tv_sec = timegm(&tm);
	ts->tv_nsec = ms * 1000000;
	return true;
}

static bool
take_level(struct rest *rest, enum logger_level *level)
{
	for (unsigned i = 0; i < LOGGER_LEVELS; i++)
		if (take_text(rest, level_names[i])) {
			*level = (enum logger_level)i;
			return take_byte(rest, ' ');
		}
	return false;
}

/* "NAME[PID]: "; name may be NULL. */
static bool
take_name(struct rest *rest, char name[LOGGER_NAME_MAX], long *pid)
{
	size_t len = 0;

	while (len < rest->len && rest->at[len] != '[' && rest->at[len] > ' ')
		len++;
	if (len == 0 || (name != NULL && len >= LOGGER_NAME_MAX))
		return false;
	if (name != NULL) {
		memcpy(name, rest->at, len);
		name[len] = '\0';
	}
	rest->at += len;
	rest->len -= len;
	return take_byte(rest, '[') && take_number(rest, 9, pid) &&
	    take_text(rest, "]: ");
}

bool
line_parse_own(struct line *line, char role[LOGGER_NAME_MAX], const char *text,
    size_t len)
{
	struct rest rest = { text, len };
	struct line read = *line;
	char name[LOGGER_NAME_MAX];
	long pid;

	if (!take_time(&rest, &read.time) || !take_level(&rest, &read.level) ||
	    !take_name(&rest, name, &pid))
		return false;
	strlcpy(role, name, LOGGER_NAME_MAX);
	*line = read;
	line->role = role;
	line->pid = (pid_t)pid;
	line->has_level = true;
	line->text = rest.at;
	line->len = rest.len;
	return true;
}

static bool
is_id(const char *text)
{
	for (int i = 0; i < LINE_ID_LEN; i++)
		if ((text[i] < '0' || text[i] > '9') && (text[i] < 'a' || text[i] > 'f'))
			return false;
	return true;
}

/* "[REQUEST ID] " */
static bool
take_id(struct rest *rest, char id[LINE_ID_LEN + 1])
{
	if (rest->len < LINE_ID_LEN + 3 || rest->at[0] != '[' || !is_id(rest->at + 1) ||
	    rest->at[LINE_ID_LEN + 1] != ']' || rest->at[LINE_ID_LEN + 2] != ' ')
		return false;
	memcpy(id, rest->at + 1, LINE_ID_LEN);
	id[LINE_ID_LEN] = '\0';
	rest->at += LINE_ID_LEN + 3;
	rest->len -= LINE_ID_LEN + 3;
	return true;
}

static bool
take_priority(struct rest *rest, enum logger_level *level)
{
	long number;

	if (!take_byte(rest, '<') || !take_number(rest, 1, &number) || number > 7 ||
	    !take_byte(rest, '>'))
		return false;
	*level = number <= 3 ? LOGGER_ERROR :
	    number == 4	     ? LOGGER_WARN :
	    number <= 6	     ? LOGGER_INFO :
			       LOGGER_DEBUG;
	return true;
}

void
line_parse_worker(struct line *line)
{
	struct rest rest = { line->text, line->len }, further;
	long pid;

	further = rest;
	if (take_priority(&further, &line->level)) {
		line->has_level = true;
		rest = further;
	}
	further = rest;
	if (take_name(&further, NULL, &pid) && pid == (long)line->pid) {
		rest = further;
		take_id(&rest, line->request_id);
	}
	line->text = rest.at;
	line->len = rest.len;
}

/* --- writing ----------------------------------------------------------- */

/*
 * The length of the character of UTF-8 that text begins with (RFC 3629: no
 * surrogates, nothing longer than it need be), 0 when it is none.
 */
static size_t
character_len(const unsigned char *text, size_t len)
{
	unsigned char c = text[0];
	size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4 || len <= more)
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) ||
	    (c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f))
		return 0;
	return more + 1;
}

/* C1 controls drive terminals too. */
static bool
is_control(const unsigned char *text, size_t len)
{
	if (len == 1)
		return text[0] < ' ' || text[0] == 0x7f;
	return len == 2 && text[0] == 0xc2 && text[1] < 0xa0;
}

static char *
put_hex(char *out, const char *prefix, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";

	out = stpcpy(out, prefix);
	*out++ = digits[c >> 4];
	*out++ = digits[c & 15];
	return out;
}

static bool
is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f;
}

/* Bytes that are no character, and those that act on a terminal, as \xHH. */
static char *
put_harmless(char *out, const char *s, size_t len)
{
	const unsigned char *text = (const unsigned char *)s;
	size_t n;

	for (; len > 0; text += n, len -= n) {
		n = 1;
		if (is_plain(*text) || *text == '\t') {
			*out++ = (char)*text;
			continue;
		}
		n = character_len(text, len);
		if (n > 1 && !is_control(text, n)) {
			memcpy(out, text, n);
			out += n;
			continue;
		}
		n = n == 0 ? 1 : n;
		for (size_t i = 0; i < n; i++)
			out = put_hex(out, "\\x", text[i]);
	}
	return out;
}

static char *
put_escape(char *out, unsigned char c)
{
	switch (c) {
	case '"':
		return stpcpy(out, "\\\"");
	case '\\':
		return stpcpy(out, "\\\\");
	case '\t':
		return stpcpy(out, "\\t");
	default:
		return put_hex(out, "\\u00", c);
	}
}

/* Between quotes; what is no UTF-8 becomes U+FFFD, RFC 8259 section 8.1. */
static char *
put_json(char *out, const char *s, size_t len)
{
	const unsigned char *text = (const unsigned char *)s;
	size_t n;

	*out++ = '"';
	for (; len > 0; text += n, len -= n) {
		n = 1;
		if (is_plain(*text) && *text != '"' && *text != '\\') {
			*out++ = (char)*text;
			continue;
		}
		n = character_len(text, len);
		if (n > 1) {
			memcpy(out, text, n);
			out += n;
		} else if (n == 1) {
			out = put_escape(out, *text);
		} else {
			out = stpcpy(out, "\xef\xbf\xbd");
			n = 1;
		}
	}
	*out++ = '"';
	return out;
}

/* Most lines of a log are of the same second as the one before. */
static char *
put_time(char *out, const struct timespec *ts)
{
	static time_t shown = -1;
	static char text[64];
	struct tm tm;

	if (ts->tv_sec != shown) {
		gmtime_r(&ts->tv_sec, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		shown = ts->tv_sec;
	}
	out = stpcpy(out, text);
	return out + snprintf(out, 8, ".%03uZ", (unsigned)(ts->tv_nsec / 1000000) % 1000);
}

/* The service, or our own role. */
static const char *
name_of(const struct line *line)
{
	return line->service != NULL ? line->service : line->role;
}

static char *
put_body(char *out, const struct line *line)
{
	if (line->request_id[0] != '\0')
		out += sprintf(out, "[%s] ", line->request_id);
	return put_harmless(out, line->text, line->len);
}

size_t
line_text(const struct line *line, char *out)
{
	char *end = put_time(out, &line->time);

	end += sprintf(end, " %s %.*s[%d]: ", level_names[line->level], LOGGER_NAME_MAX,
	    name_of(line), (int)line->pid);
	end = put_body(end, line);
	*end++ = '\n';
	return (size_t)(end - out);
}

static char *
put_object(char *out, const struct line *line)
{
	out = stpcpy(out, "{\"time\":\"");
	out = put_time(out, &line->time);
	out += sprintf(out, "\",\"level\":\"%s\",\"service\":", level_names[line->level]);
	if (line->service != NULL)
		out = put_json(out, line->service,
		    strnlen(line->service, LOGGER_NAME_MAX));
	else
		out = stpcpy(out, "null");
	out = stpcpy(out, ",\"role\":");
	out = put_json(out, line->role, strnlen(line->role, LOGGER_NAME_MAX));
	out += sprintf(out, ",\"pid\":%d,\"request_id\":", (int)line->pid);
	if (line->request_id[0] != '\0')
		out += sprintf(out, "\"%s\"", line->request_id);
	else
		out = stpcpy(out, "null");
	out = stpcpy(out, ",\"line\":");
	out = put_json(out, line->text, line->len);
	*out++ = '}';
	return out;
}

size_t
line_json(const struct line *line, char *out)
{
	char *end = put_object(out, line);

	*end++ = '\n';
	return (size_t)(end - out);
}

/* "<30>Jan 31 12:00:00 poold/search[123]: text" */
size_t
line_syslog(const struct line *line, enum logger_format format, char *out)
{
	static const int severities[LOGGER_LEVELS] = { 3, 4, 6, 7 };
	char when[32], *end;
	struct tm tm;

	localtime_r(&line->time.tv_sec, &tm);
	strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
	end = out +
	    sprintf(out,
		"<%d>%s poold/%.*s[%d]: ", FACILITY_DAEMON | severities[line->level],
		when, LOGGER_NAME_MAX, name_of(line), (int)line->pid);
	if (format == LOGGER_JSON)
		end = put_object(end, line);
	else
		end = put_body(end, line);
	return (size_t)(end - out);
}
