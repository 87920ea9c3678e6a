/* SPDX-License-Identifier: ISC */
#include "supervisor/config_read.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/config_keys.h"

#define BLANK " \t"

static void refuse(struct config_reader *reader, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* An error at the current line, which inih then never sees. */
static void
refuse(struct config_reader *reader, const char *fmt, ...)
{
	const struct config_origin origin = { reader->file, reader->line };
	va_list ap;

	va_start(ap, fmt);
	config_error_vadd(reader->errors, &origin, fmt, ap);
	va_end(ap);
	reader->buf[0] = '\0';
}

/* inih's own rule: a ';' behind white space.  Applied here since inih's
 * versions differ on continuation lines. */
static void
comment_cut(char *text)
{
	for (char *p = text; *p != '\0'; p++) {
		if (*p == ';' && (p == text || strchr(BLANK, p[-1]) != NULL)) {
			*p = '\0';
			break;
		}
	}
	for (size_t len = strlen(text); len > 0 && strchr(BLANK, text[len - 1]) != NULL;
	     len--)
		text[len - 1] = '\0';
}

/* Whether the bytes of a line are fit to be looked at; *len without its end. */
static bool
bytes_check(struct config_reader *reader, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)reader->buf[i];

		if (c == '\0') {
			refuse(reader, "the line has a NUL byte");
			return false;
		}
		if ((c < ' ' && c != '\t') || c == 0x7f) {
			refuse(reader, "the line has a control character (byte 0x%02x)",
			    c);
			return false;
		}
	}
	if (len > CONFIG_LINE_MAX) {
		refuse(reader,
		    "the line is %zu bytes long, %d are allowed: go "
		    "on in a second line that begins with white space",
		    len, CONFIG_LINE_MAX);
		return false;
	}
	return true;
}

static void
section_check(struct config_reader *reader)
{
	char *text = reader->buf, *end;

	reader->key_above = false;
	reader->swallow = true;
	comment_cut(text);
	end = strchr(text, ']');
	if (end == NULL) {
		refuse(reader, "the section header has no ']'");
		reader->section(reader->arg, NULL);
	} else if (end[1] != '\0') {
		refuse(reader,
		    "there is more behind the ']' of the section "
		    "header");
		reader->section(reader->arg, NULL);
	} else if (end - text - 1 > CONFIG_SECTION_MAX) {
		refuse(reader, "the section header is longer than %d bytes",
		    CONFIG_SECTION_MAX);
		reader->section(reader->arg, NULL);
	} else {
		reader->swallow = false;
		*end = '\0';
		reader->section(reader->arg, text + 1);
		*end = ']';
	}
}

static void
continuation_check(struct config_reader *reader, const char *text)
{
	if (reader->swallow) {
		reader->buf[0] = '\0';
	} else if (config_line_is_key(text)) {
		refuse(reader,
		    "a key begins in the first column: a line that "
		    "begins with white space goes on with the value above it");
	} else if (!reader->key_above) {
		refuse(reader,
		    "the line begins with white space, but there is "
		    "no value above to go on with");
	} else {
		reader->continuation = true;
		comment_cut(reader->buf);
	}
}

static void
key_check(struct config_reader *reader)
{
	const char *text = reader->buf;
	size_t len = strcspn(text, "=:");
	size_t name_len = strcspn(text, "=: \t");

	reader->key_above = false;
	reader->swallow = true;
	if (text[len] == '\0') {
		refuse(reader, "the line is no 'key = value'");
	} else if (text[len] == ':') {
		refuse(reader,
		    "the line has a ':' before any '=': write "
		    "'key = value'");
	} else if (name_len == 0) {
		refuse(reader, "there is no key before the '='");
	} else if (name_len + strspn(text + name_len, BLANK) != len) {
		refuse(reader, "there is white space within the key");
	} else {
		reader->key_above = true;
		reader->swallow = false;
		comment_cut(reader->buf);
	}
}

bool
config_line_is_key(const char *text)
{
	size_t len = strcspn(text, "=: \t");
	size_t equals = len + strspn(text + len, BLANK);

	return text[equals] == '=' && config_key_known(text, len);
}

/* Looks at the line in buf; leaves there what inih shall see. */
static void
line_check(struct config_reader *reader, size_t len)
{
	const char *text;

	if (!bytes_check(reader, len)) {
		reader->swallow = true;
		return;
	}
	text = reader->buf + strspn(reader->buf, BLANK);
	if (*text == '\0' || *text == ';' || *text == '#')
		reader->buf[0] = '\0';
	else if (text != reader->buf)
		continuation_check(reader, text);
	else if (*text == '[')
		section_check(reader);
	else
		key_check(reader);
}

char *
config_reader_next(char *str, int num, void *stream)
{
	struct config_reader *reader = stream;
	ssize_t got = getline(&reader->buf, &reader->size, reader->in);
	size_t len;

	if (got == -1)
		return NULL;
	len = (size_t)got;
	reader->line++;
	reader->continuation = false;
	if (len > 0 && reader->buf[len - 1] == '\n')
		reader->buf[--len] = '\0';
	if (len > 0 && reader->buf[len - 1] == '\r')
		reader->buf[--len] = '\0';
	if (reader->line == 1 && len >= 3 &&
	    memcmp(reader->buf, "\xef\xbb\xbf", 3) == 0) {
		len -= 3; /* the byte order mark of UTF-8 */
		memmove(reader->buf, reader->buf + 3, len + 1);
	}
	line_check(reader, len);
	/* a build of inih with a smaller buffer than CONFIG_LINE_MAX needs */
	if (strlen(reader->buf) + 2 > (size_t)num)
		refuse(reader,
		    "the line is longer than the %d bytes that this "
		    "build of inih can read",
		    num - 2);
	snprintf(str, (size_t)num, "%s\n", reader->buf);
	return str;
}

void
config_reader_close(struct config_reader *reader)
{
	free(reader->buf);
	reader->buf = NULL;
}
