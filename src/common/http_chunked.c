/* SPDX-License-Identifier: ISC */
/* The decoder of chunked bodies (RFC 9112 section 7.1), strict. */
#include "common/http.h"

#include <string.h>

enum chunked_state {
	CHUNKED_SIZE = 0,  /* hex digits */
	CHUNKED_SPACE,	   /* white space before the ";" of an extension */
	CHUNKED_EXTENSION, /* behind the ";" */
	CHUNKED_SIZE_LF,   /* the LF that ends the size line */
	CHUNKED_DATA,	   /* c->left bytes of it */
	CHUNKED_DATA_CR,   /* the CRLF behind the data */
	CHUNKED_DATA_LF,
	CHUNKED_TRAILER, /* the first byte of a trailer line */
	CHUNKED_TRAILER_NAME,
	CHUNKED_TRAILER_VALUE,
	CHUNKED_TRAILER_LF,
	CHUNKED_END_LF, /* the LF that ends the body */
	CHUNKED_END,
	CHUNKED_BROKEN,
};

#define CHUNKED_DIGITS_MAX 16

void
http_chunked_init(struct http_chunked *c)
{
	memset(c, 0, sizeof(*c));
}

static bool
is_class(char b, enum http_class class)
{
	return (http_class[(unsigned char)b] & class) != 0;
}

static bool
goes_to(struct http_chunked *c, enum chunked_state state)
{
	c->state = (uint8_t)state;
	return true;
}

/* A byte in the size: sizes are bounded as Content-Length is, by 2^63 - 1. */
static bool
size_step(struct http_chunked *c, char b)
{
	int digit = http_hex(b);

	if (digit >= 0) {
		if (c->digits == CHUNKED_DIGITS_MAX || c->left > INT64_MAX >> 4)
			return false;
		c->digits++;
		c->left = c->left << 4 | (uint64_t)digit;
		return true;
	}
	if (c->digits == 0)
		return false;
	c->ext_len = 1;
	switch (b) {
	case '\r':
		return goes_to(c, CHUNKED_SIZE_LF);
	case ';':
		return goes_to(c, CHUNKED_EXTENSION);
	case ' ':
	case '\t':
		return goes_to(c, CHUNKED_SPACE);
	default:
		return false;
	}
}

/* A byte behind the size; what extensions say is nothing to us. */
static bool
extension_step(struct http_chunked *c, char b)
{
	if (b == '\r' && c->state == CHUNKED_EXTENSION)
		return goes_to(c, CHUNKED_SIZE_LF);
	if (++c->ext_len > HTTP_CHUNK_EXT_MAX)
		return false;
	if (c->state == CHUNKED_EXTENSION)
		return is_class(b, HTTP_CLASS_VALUE);
	if (b == ';')
		return goes_to(c, CHUNKED_EXTENSION);
	return b == ' ' || b == '\t';
}

static bool
size_end(struct http_chunked *c)
{
	c->digits = 0;
	c->ext_len = 0;
	return goes_to(c, c->left == 0 ? CHUNKED_TRAILER : CHUNKED_DATA);
}

/* A byte behind the last chunk. */
static bool
trailer_step(struct http_chunked *c, char b)
{
	if (c->state == CHUNKED_TRAILER && b == '\r')
		return goes_to(c, CHUNKED_END_LF);
	if (++c->ext_len > HTTP_CHUNK_TRAILER_MAX)
		return false;
	switch (c->state) {
	case CHUNKED_TRAILER:
		c->state = CHUNKED_TRAILER_NAME;
		return is_class(b, HTTP_CLASS_TOKEN);
	case CHUNKED_TRAILER_NAME:
		if (b == ':')
			return goes_to(c, CHUNKED_TRAILER_VALUE);
		return is_class(b, HTTP_CLASS_TOKEN);
	case CHUNKED_TRAILER_VALUE:
		if (b == '\r')
			return goes_to(c, CHUNKED_TRAILER_LF);
		return is_class(b, HTTP_CLASS_VALUE);
	default: /* CHUNKED_TRAILER_LF */
		c->state = CHUNKED_TRAILER;
		return b == '\n';
	}
}

/* Takes one byte of anything but data; false when it may not be there. */
static bool
chunked_step(struct http_chunked *c, char b)
{
	switch ((enum chunked_state)c->state) {
	case CHUNKED_SIZE:
		return size_step(c, b);
	case CHUNKED_SPACE:
	case CHUNKED_EXTENSION:
		return extension_step(c, b);
	case CHUNKED_SIZE_LF:
		return b == '\n' && size_end(c);
	case CHUNKED_DATA_CR:
		return b == '\r' && goes_to(c, CHUNKED_DATA_LF);
	case CHUNKED_DATA_LF:
		return b == '\n' && goes_to(c, CHUNKED_SIZE);
	case CHUNKED_TRAILER:
	case CHUNKED_TRAILER_NAME:
	case CHUNKED_TRAILER_VALUE:
	case CHUNKED_TRAILER_LF:
		return trailer_step(c, b);
	case CHUNKED_END_LF:
		c->done = b == '\n';
		return c->done && goes_to(c, CHUNKED_END);
	case CHUNKED_DATA:
	case CHUNKED_END:
	case CHUNKED_BROKEN:
		break;
	}
	return false;
}

/* Copies what can be copied of the current chunk; returns how much. */
static size_t
chunked_copy(struct http_chunked *c, const char *in, size_t in_len, char *out,
    size_t out_size)
{
	size_t len = in_len < out_size ? in_len : out_size;

	if (len > c->left)
		len = (size_t)c->left;
	if (len == 0)
		return 0;
	memmove(out, in, len);
	c->left -= len;
	if (c->left == 0)
		c->state = CHUNKED_DATA_CR;
	return len;
}

ssize_t
http_chunked_decode(struct http_chunked *c, const char *in, size_t in_len, size_t *used,
    char *out, size_t out_size)
{
	size_t i = 0, written = 0;

	*used = 0;
	if (c->state == CHUNKED_BROKEN)
		return -1;
	while (i < in_len && c->state != CHUNKED_END) {
		if (c->state == CHUNKED_DATA) {
			size_t len = chunked_copy(c, in + i, in_len - i, out, out_size);

			if (len == 0)
				break; /* out is full */
			i += len;
			out += len;
			out_size -= len;
			written += len;
		} else if (!chunked_step(c, in[i++])) {
			c->state = CHUNKED_BROKEN;
			*used = i;
			return -1;
		}
	}
	*used = i;
	return (ssize_t)written;
}
