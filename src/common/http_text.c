/* SPDX-License-Identifier: ISC */
/* Small texts of HTTP: character classes, words, lists, reasons. */
#include "common/http.h"

#include <string.h>

#define T HTTP_CLASS_TOKEN
#define V HTTP_CLASS_VALUE
#define H HTTP_CLASS_HOST
#define P HTTP_CLASS_PATH
#define Q HTTP_CLASS_QUERY
#define X HTTP_CLASS_HEX

/*
 * Paths and queries take what browsers really send (the percent-encode sets of
 * the WHATWG URL standard) beyond RFC 3986: "|[]^" in both, and {}`\" in
 * queries.  A backslash in a path is left out: too many programs take it for a
 * slash.
 */
const uint8_t http_class[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = T | V | H | P | Q,
	['"'] = V | Q,
	['#'] = T | V,
	['$'] = T | V | H | P | Q,
	['%'] = T | V | P | Q,
	['&'] = T | V | H | P | Q,
	['\''] = T | V | H | P | Q,
	['('] = V | H | P | Q,
	[')'] = V | H | P | Q,
	['*'] = T | V | H | P | Q,
	['+'] = T | V | H | P | Q,
	[','] = V | H | P | Q,
	['-'] = T | V | H | P | Q,
	['.'] = T | V | H | P | Q,
	['/'] = V | P | Q,
	['0' ... '9'] = T | V | H | P | Q | X,
	[':'] = V | P | Q,
	[';'] = V | H | P | Q,
	['<'] = V,
	['='] = V | H | P | Q,
	['>'] = V,
	['?'] = V | Q,
	['@'] = V | P | Q,
	['A' ... 'F'] = T | V | H | P | Q | X,
	['G' ... 'Z'] = T | V | H | P | Q,
	['['] = V | P | Q,
	['\\'] = V | Q,
	[']'] = V | P | Q,
	['^'] = T | V | P | Q,
	['_'] = T | V | H | P | Q,
	['`'] = T | V | Q,
	['a' ... 'f'] = T | V | H | P | Q | X,
	['g' ... 'z'] = T | V | H | P | Q,
	['{'] = V | Q,
	['|'] = T | V | P | Q,
	['}'] = V | Q,
	['~'] = T | V | H | P | Q,
	[0x80 ... 0xff] = V, /* obs-text */
};

#undef T
#undef V
#undef H
#undef P
#undef Q
#undef X

/* The IANA registry of status codes; 413 and 422 as RFC 9110 names them. */
static const char *const reasons[] = {
	[100] = "Continue",
	[101] = "Switching Protocols",
	[102] = "Processing",
	[103] = "Early Hints",
	[200] = "OK",
	[201] = "Created",
	[202] = "Accepted",
	[203] = "Non-Authoritative Information",
	[204] = "No Content",
	[205] = "Reset Content",
	[206] = "Partial Content",
	[207] = "Multi-Status",
	[208] = "Already Reported",
	[226] = "IM Used",
	[300] = "Multiple Choices",
	[301] = "Moved Permanently",
	[302] = "Found",
	[303] = "See Other",
	[304] = "Not Modified",
	[305] = "Use Proxy",
	[307] = "Temporary Redirect",
	[308] = "Permanent Redirect",
	[400] = "Bad Request",
	[401] = "Unauthorized",
	[402] = "Payment Required",
	[403] = "Forbidden",
	[404] = "Not Found",
	[405] = "Method Not Allowed",
	[406] = "Not Acceptable",
	[407] = "Proxy Authentication Required",
	[408] = "Request Timeout",
	[409] = "Conflict",
	[410] = "Gone",
	[411] = "Length Required",
	[412] = "Precondition Failed",
	[413] = "Content Too Large",
	[414] = "URI Too Long",
	[415] = "Unsupported Media Type",
	[416] = "Range Not Satisfiable",
	[417] = "Expectation Failed",
	[421] = "Misdirected Request",
	[422] = "Unprocessable Content",
	[423] = "Locked",
	[424] = "Failed Dependency",
	[425] = "Too Early",
	[426] = "Upgrade Required",
	[428] = "Precondition Required",
	[429] = "Too Many Requests",
	[431] = "Request Header Fields Too Large",
	[451] = "Unavailable For Legal Reasons",
	[500] = "Internal Server Error",
	[501] = "Not Implemented",
	[502] = "Bad Gateway",
	[503] = "Service Unavailable",
	[504] = "Gateway Timeout",
	[505] = "HTTP Version Not Supported",
	[506] = "Variant Also Negotiates",
	[507] = "Insufficient Storage",
	[508] = "Loop Detected",
	[510] = "Not Extended",
	[511] = "Network Authentication Required",
};

const char *
http_reason(unsigned status)
{
	if (status >= sizeof(reasons) / sizeof(reasons[0]) || reasons[status] == NULL)
		return "Unknown";
	return reasons[status];
}

int
http_hex(char c)
{
	if ((http_class[(unsigned char)c] & HTTP_CLASS_HEX) == 0)
		return -1;
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool
http_word_is(const char *text, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++)
		if (lower(text[i]) != lower(word[i]) || word[i] == '\0')
			return false;
	return word[len] == '\0';
}

const char *
http_list_next(const char **value, const char *end, const char **start)
{
	const char *p = *value, *last;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	*start = last = p;
	for (; p < end && *p != ','; p++)
		if (*p != ' ' && *p != '\t')
			last = p + 1;
	*value = p < end ? p + 1 : NULL;
	return last;
}

const struct lease_span *
http_field_find(const struct lease_field *fields, size_t field_count, const char *buf,
    const char *name)
{
	for (size_t i = 0; i < field_count; i++)
		if (http_word_is(buf + fields[i].name.off, fields[i].name.len, name))
			return &fields[i].value;
	return NULL;
}
