/* SPDX-License-Identifier: ISC */
/* application/problem+json (RFC 9457). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "libpoold/internal.h"

#define DETAIL_MAX 2048

/* The bytes of the UTF-8 character at s (NUL-terminated); 0 when it is none
 * (Unicode, table 3-7). */
static size_t
utf8_len(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return len;
}

/* Writes text as the inside of a JSON string, at most six bytes for each of
 * its own; what is not UTF-8 becomes U+FFFD. */
static void
json_escape(const char *text, char *out)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len;

	for (; *s != '\0'; s += len) {
		if ((len = utf8_len(s)) == 0) {
			len = 1;
			out += sprintf(out, "\\ufffd");
		} else if (*s < 0x20 || *s == 0x7f)
			out += sprintf(out, "\\u%04x", *s);
		else {
			if (*s == '"' || *s == '\\')
				*out++ = '\\';
			memcpy(out, s, len);
			out += len;
		}
	}
	*out = '\0';
}

int
poold_problem(struct poold_request *req, int status, const char *fmt, ...)
{
	char detail[DETAIL_MAX], escaped[6 * DETAIL_MAX];
	char body[6 * DETAIL_MAX + 256];
	va_list ap;
	int len;

	va_start(ap, fmt);
	if (vsnprintf(detail, sizeof(detail), fmt, ap) < 0)
		detail[0] = '\0';
	va_end(ap);
	json_escape(detail, escaped);
	len = snprintf(body, sizeof(body),
	    "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,"
	    "\"detail\":\"%s\"}\n",
	    http_reason((unsigned)status), status, escaped);
	return poold_respond(req, status, "application/problem+json", body, (size_t)len);
}
