/* SPDX-License-Identifier: ISC */
/* The canonical path, on which all routing is decided. */
#include "common/http.h"

static const char *const too_long = "the path is too long";
static const char *const not_absolute = "the path does not begin with a slash";
static const char *const bad_percent =
    "a % in the path is not followed by two hex digits";
static const char *const bad_character = "a control character or backslash in the path";
static const char *const above_root = "the path climbs above the root";
static const char *const hidden_dots = "dot segments hidden by encoding the path twice";

struct canonical {
	const char *raw; /* next byte of the raw path */
	const char *end;
	char *out;
	size_t len;   /* bytes in out; out[0] is always the root's slash */
	bool percent; /* the current segment has a '%' after decoding */
	bool encoded_slash;
};

static bool
is_dots(const char *segment, size_t len)
{
	return (len == 1 && segment[0] == '.') ||
	    (len == 2 && segment[0] == '.' && segment[1] == '.');
}

/*
 * Whether a segment, if somebody decoded it once more, would hold a dot
 * segment: "%2e%2e" (sent as "%252e%252e"), "..%2Fx" (sent as that).  Notes
 * encoded slashes on the way.
 */
static bool
has_hidden_dots(struct canonical *c, const char *segment, size_t len)
{
	char part[3]; /* enough of a part to tell "." and ".." from the rest */
	size_t part_len = 0;

	for (size_t i = 0; i < len; i++) {
		char ch = segment[i];

		if (ch == '%' && len - i > 2 && http_hex(segment[i + 1]) >= 0 &&
		    http_hex(segment[i + 2]) >= 0) {
			ch = (char)(http_hex(segment[i + 1]) << 4 |
			    http_hex(segment[i + 2]));
			i += 2;
		}
		if (ch == '/' || ch == '\\') {
			if (ch == '/')
				c->encoded_slash = true;
			if (is_dots(part, part_len))
				return true;
			part_len = 0;
		} else if (part_len < sizeof(part))
			part[part_len++] = ch;
	}
	return is_dots(part, part_len);
}

/* Decodes the "%" at c->raw. */
static const char *
percent_decode(struct canonical *c)
{
	int high, low;
	unsigned char ch;

	if (c->end - c->raw < 3)
		return bad_percent;
	high = http_hex(c->raw[1]);
	low = http_hex(c->raw[2]);
	if (high < 0 || low < 0)
		return bad_percent;
	c->raw += 3;
	ch = (unsigned char)(high << 4 | low);
	if (ch < 0x20 || ch == 0x7f || ch == '\\')
		return bad_character;
	if (ch == '/' || ch == '%')
		c->percent = true;
	if (ch == '/') {
		c->out[c->len++] = '%';
		c->out[c->len++] = '2';
		ch = 'F';
	}
	c->out[c->len++] = (char)ch;
	return NULL;
}

/* Decodes up to the next slash or the end. */
static const char *
segment_decode(struct canonical *c)
{
	const char *why;

	c->percent = false;
	while (c->raw < c->end && *c->raw != '/') {
		unsigned char ch = (unsigned char)*c->raw;

		if (ch == '%') {
			if ((why = percent_decode(c)) != NULL)
				return why;
		} else if (ch < 0x20 || ch == 0x7f || ch == '\\') {
			return bad_character;
		} else {
			c->out[c->len++] = (char)ch;
			c->raw++;
		}
	}
	return NULL;
}

/*
 * Resolves the segment that begins at out[start], behind a slash: an empty one
 * and "." vanish, ".." takes its parent along.  Each leaves that slash in
 * place, so "/a/." is "/a/" and "/a/b/.." is "/a/".
 */
static const char *
segment_resolve(struct canonical *c, size_t start)
{
	const char *segment = c->out + start;
	size_t len = c->len - start;

	if (len == 0)
		return NULL;
	if (is_dots(segment, len)) {
		c->len = start;
		if (len == 1)
			return NULL;
		if (start == 1)
			return above_root;
		do
			c->len--;
		while (c->out[c->len - 1] != '/');
		return NULL;
	}
	if (c->percent && has_hidden_dots(c, segment, len))
		return hidden_dots;
	if (c->raw < c->end)
		c->out[c->len++] = '/';
	return NULL;
}

const char *
http_path_canonical(const char *raw, size_t raw_len, char *out, size_t size,
    size_t *out_len, bool *encoded_slash)
{
	struct canonical c = { .raw = raw, .end = raw + raw_len, .out = out };

	/* Then nothing below needs to look at size: nothing grows. */
	if (size == 0 || raw_len > size)
		return too_long;
	if (raw_len > 0 && raw[0] != '/')
		return not_absolute;

	c.out[c.len++] = '/';
	while (c.raw < c.end) {
		size_t start = c.len;
		const char *why;

		c.raw++; /* the slash, which out has already */
		if ((why = segment_decode(&c)) != NULL ||
		    (why = segment_resolve(&c, start)) != NULL)
			return why;
	}
	*out_len = c.len;
	*encoded_slash = c.encoded_slash;
	return NULL;
}
