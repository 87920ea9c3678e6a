/* SPDX-License-Identifier: ISC */
#include "record.h"

#include <string.h>

#define FCGI_VERSION 1
#define RESPONDER    1
#define KEEP_CONN    1
#define LENGTH_LONG  128 /* a length from here on takes four bytes */

void
record_header(char out[RECORD_HEADER], enum record_type type, unsigned id, size_t len)
{
	out[0] = FCGI_VERSION;
	out[1] = (char)type;
	out[2] = (char)(id >> 8);
	out[3] = (char)id;
	out[4] = (char)(len >> 8);
	out[5] = (char)len;
	out[6] = out[7] = 0;
}

void
record_begin(char out[RECORD_BEGIN_SIZE])
{
	char *body = out + RECORD_HEADER;

	record_header(out, RECORD_BEGIN_REQUEST, RECORD_ID, 8);
	memset(body, 0, 8);
	body[1] = RESPONDER;
	body[2] = KEEP_CONN;
}

static size_t
length_size(size_t len)
{
	return len < LENGTH_LONG ? 1 : 4;
}

size_t
record_pair_size(size_t name_len, size_t value_len)
{
	return length_size(name_len) + length_size(value_len) + name_len + value_len;
}

static char *
length_write(char *out, size_t len)
{
	if (len < LENGTH_LONG) {
		*out++ = (char)len;
		return out;
	}
	*out++ = (char)(len >> 24 | 0x80);
	*out++ = (char)(len >> 16);
	*out++ = (char)(len >> 8);
	*out++ = (char)len;
	return out;
}

char *
record_pair(char *out, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	out = length_write(out, name_len);
	out = length_write(out, value_len);
	memcpy(out, name, name_len);
	memcpy(out + name_len, value, value_len);
	return out + name_len + value_len;
}

/* --- reading -------------------------------------------------------------- */

static void
skip(const char **buf, size_t *len, size_t n)
{
	*buf += n;
	*len -= n;
}

/* False: the header is not whole. */
static bool
header_take(struct record_reader *reader, const char **buf, size_t *len)
{
	size_t n = RECORD_HEADER - reader->header_len;

	if (n > *len)
		n = *len;
	memcpy(reader->header + reader->header_len, *buf, n);
	reader->header_len += n;
	skip(buf, len, n);
	if (reader->header_len < RECORD_HEADER)
		return false;
	reader->content_left = (size_t)reader->header[4] << 8 | reader->header[5];
	reader->padding_left = reader->header[6];
	reader->body_len = 0;
	return true;
}

static void
content_take(struct record_reader *reader, const char **buf, size_t *len,
    struct record_part *part)
{
	size_t n = reader->content_left < *len ? reader->content_left : *len;
	size_t room = sizeof(reader->body) - reader->body_len;

	*part = (struct record_part){
		.type = reader->header[1],
		.id = (unsigned)reader->header[2] << 8 | reader->header[3],
		.data = *buf,
		.len = n,
		.last = n == reader->content_left,
	};
	if (room > n)
		room = n;
	memcpy(reader->body + reader->body_len, *buf, room);
	reader->body_len += room;
	reader->content_left -= n;
	skip(buf, len, n);
}

int
record_next(struct record_reader *reader, const char **buf, size_t *len,
    struct record_part *part)
{
	bool fresh = false;
	size_t n;

	for (;;) {
		if (reader->header_len == RECORD_HEADER &&
		    (reader->content_left > 0 || fresh)) {
			if (*len == 0 && reader->content_left > 0)
				return 0;
			content_take(reader, buf, len, part);
			return 1;
		}
		n = reader->padding_left < *len ? reader->padding_left : *len;
		reader->padding_left -= n;
		skip(buf, len, n);
		if (*len == 0)
			return 0;
		if (reader->header_len == RECORD_HEADER)
			reader->header_len = 0;
		if (!header_take(reader, buf, len))
			return 0;
		if (reader->header[0] != FCGI_VERSION)
			return -1;
		fresh = true;
	}
}

bool
record_end(const struct record_reader *reader, uint32_t *app_status,
    unsigned *protocol_status)
{
	const unsigned char *b = reader->body;

	if (reader->body_len < 8)
		return false;
	*app_status = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
	    b[3];
	*protocol_status = b[4];
	return true;
}
