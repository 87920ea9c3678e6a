/* SPDX-License-Identifier: ISC */
/* The escape sequences of roff(7), as far as manual pages use them. */
#include <string.h>

#include "manual.h"

/* Characters by name: \(xx and \[xx].  What is not here is a space. */
static const struct {
	const char *name;
	const char *text;
} characters[] = {
	{ "em", "\xe2\x80\x94" },
	{ "en", "\xe2\x80\x93" },
	{ "hy", "-" },
	{ "mi", "-" },
	{ "aq", "'" },
	{ "oq", "'" },
	{ "cq", "'" },
	{ "dq", "\"" },
	{ "lq", "\"" },
	{ "rq", "\"" },
	{ "ti", "~" },
	{ "ha", "^" },
	{ "rs", "\\" },
	{ "ga", "`" },
	{ "at", "@" },
	{ "sh", "#" },
	{ "Do", "$" },
	{ "ba", "|" },
	{ "bu", "\xe2\x80\xa2" },
	{ "mu", "\xc3\x97" },
	{ "co", "\xc2\xa9" },
	{ "->", "\xe2\x86\x92" },
	{ "<-", "\xe2\x86\x90" },
	{ "<=", "\xe2\x89\xa4" },
	{ ">=", "\xe2\x89\xa5" },
	{ "!=", "\xe2\x89\xa0" },
};

static void
put_character(struct buffer *out, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
		if (strlen(characters[i].name) == len &&
		    memcmp(characters[i].name, name, len) == 0) {
			buffer_puts(out, characters[i].text);
			return;
		}
	}
	buffer_putc(out, ' ');
}

/*
 * The name behind \f, \*, \n, or of a character: one byte, "(xx" or "[xxx]".
 * Points *name at it, and returns how many bytes all of it takes.
 */
static size_t
read_name(const char *s, size_t len, const char **name, size_t *name_len)
{
	const char *end;

	*name = s;
	*name_len = 0;
	if (len == 0)
		return 0;
	if (*s == '(') {
		*name = s + 1;
		*name_len = len < 3 ? len - 1 : 2;
		return *name_len + 1;
	}
	if (*s == '[') {
		*name = s + 1;
		if ((end = memchr(s, ']', len)) == NULL)
			return len;
		*name_len = (size_t)(end - s) - 1;
		return *name_len + 2;
	}
	*name_len = 1;
	return 1;
}

/* How many bytes the quoted argument of \h'...' and the like takes. */
static size_t
read_quoted(const char *s, size_t len)
{
	const char *end;

	if (len == 0)
		return 0;
	end = memchr(s + 1, *s, len - 1);
	return end != NULL ? (size_t)(end - s) + 1 : len;
}

/* \s0, \s+1, \s-12, \s(12: a size. */
static size_t
read_size(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && n < 2 && strchr("+-(", s[n]) != NULL)
		n++;
	if (n < len && s[n] >= '0' && s[n] <= '9')
		n++;
	return n;
}

/* One escape sequence, from behind its backslash; the bytes it takes. */
static size_t
put_escape(struct buffer *out, const char *s, size_t len)
{
	const char *name;
	size_t name_len, n;

	switch (*s) {
	case '-':
	case '.':
	case '\'':
	case '`':
		buffer_putc(out, *s);
		return 1;
	case 'e':
	case 'E':
	case '\\':
		buffer_putc(out, '\\');
		return 1;
	case ' ':
	case '~':
	case '0':
	case 't':
		buffer_putc(out, ' ');
		return 1;
	case '(':
	case '[':
		n = read_name(s, len, &name, &name_len);
		put_character(out, name, name_len);
		return n;
	case 'f':
	case 'F':
	case '*':
	case 'n':
	case 'm':
	case 'M':
		return 1 + read_name(s + 1, len - 1, &name, &name_len);
	case 's':
		return 1 + read_size(s + 1, len - 1);
	case 'h':
	case 'v':
	case 'w':
	case 'l':
	case 'L':
	case 'o':
	case 'D':
		return 1 + read_quoted(s + 1, len - 1);
	case '"':
	case '#':
		return len; /* a comment up to the line's end */
	default:
		return 1; /* \& \| \^ \/ \, \: \% \c and others: nothing */
	}
}

void
manual_unescape(struct buffer *out, const char *line, size_t len)
{
	size_t i = 0;

	while (i < len) {
		if (line[i] != '\\') {
			buffer_putc(out, line[i++]);
			continue;
		}
		if (++i < len)
			i += put_escape(out, line + i, len - i);
	}
}
