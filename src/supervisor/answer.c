/* SPDX-License-Identifier: ISC */
#include "supervisor/answer.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 4096

void
answer_init(struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
}

void
answer_free(struct answer *answer)
{
	free(answer->buf);
	answer_init(answer);
}

char *
answer_room(struct answer *answer, size_t *room)
{
	size_t size = answer->size == 0 ? SIZE_FIRST : answer->size * 2;
	char *buf;

	if (answer->total >= ANSWER_MAX)
		return NULL;
	if (answer->len == answer->size) {
		buf = realloc(answer->buf, size);
		if (buf == NULL)
			return NULL;
		answer->buf = buf;
		answer->size = size;
	}
	*room = answer->size - answer->len;
	if (*room > ANSWER_MAX - answer->total)
		*room = ANSWER_MAX - answer->total;
	return answer->buf + answer->len;
}

/* "HTTP/1.1 200 OK" (RFC 9112 section 4); 0: it is none. */
static unsigned
parse_status(const char *line, size_t len)
{
	unsigned status = 0;

	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[7] < '0' ||
	    line[7] > '9' || line[8] != ' ' || (len > 12 && line[12] != ' '))
		return 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(line[i] - '0');
	}
	return status >= 100 ? status : 0;
}

/* Digits alone, and not too many; false: they are no length. */
static bool
parse_length(const char *text, size_t len, uint64_t *out)
{
	uint64_t n = 0;

	if (len == 0 || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	*out = n;
	return true;
}

/* What a field says of the body's framing (RFC 9112 section 6.3).  False: it is
 * broken. */
static bool
read_field(struct answer *answer, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value, *end = line + len;
	size_t name_len;

	if (colon == NULL)
		return false;
	name_len = (size_t)(colon - line);
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (http_word_is(line, name_len, "transfer-encoding")) {
		if (!http_word_is(value, (size_t)(end - value), "chunked"))
			return false;
		answer->state = ANSWER_CHUNKED;
	} else if (http_word_is(line, name_len, "content-length") &&
	    answer->state != ANSWER_CHUNKED) {
		answer->state = ANSWER_LENGTH;
		return parse_length(value, (size_t)(end - value), &answer->left);
	}
	return true;
}

/* The head in buf[head_off, end), with the line break of its last field. */
static bool
read_head(struct answer *answer, const char *end)
{
	const char *line = answer->buf + answer->head_off, *line_end;

	answer->state = ANSWER_CLOSE;
	for (bool first = true; line < end; first = false, line = line_end + 2) {
		line_end = memmem(line, (size_t)(end - line), "\r\n", 2);
		if (line_end == NULL)
			return false;
		if (!first) {
			if (!read_field(answer, line, (size_t)(line_end - line)))
				return false;
			continue;
		}
		answer->status = parse_status(line, (size_t)(line_end - line));
		if (answer->status == 0)
			return false;
	}
	return true;
}

static void
add_body(struct answer *answer, size_t from)
{
	size_t n = answer->len - from, used;
	ssize_t decoded;

	if (answer->state == ANSWER_LENGTH) {
		answer->left -= n < answer->left ? n : answer->left;
		if (answer->left == 0)
			answer->state = ANSWER_WHOLE;
	} else if (answer->state == ANSWER_CHUNKED) {
		decoded = http_chunked_decode(&answer->chunked, answer->buf + from, n,
		    &used, answer->buf + from, n);
		if (decoded == -1) {
			answer->state = ANSWER_BROKEN;
			return;
		}
		answer->len = from + (size_t)decoded;
		if (answer->chunked.done)
			answer->state = ANSWER_WHOLE;
	}
}

/* Reads heads, interim ones first, as far as they are whole; from: the first
 * byte that was not looked at yet. */
static void
add_head(struct answer *answer, size_t from)
{
	char *end;

	while (answer->state == ANSWER_HEAD) {
		/* the end may have begun among the bytes before */
		from = from > answer->head_off + 3 ? from - 3 : answer->head_off;
		end = memmem(answer->buf + from, answer->len - from, "\r\n\r\n", 4);
		if (end == NULL)
			return;
		if (!read_head(answer, end + 2)) {
			answer->state = ANSWER_BROKEN;
			return;
		}
		answer->body_off = from = (size_t)(end + 4 - answer->buf);
		if (answer->status == 204 || answer->status == 304)
			answer->state = ANSWER_WHOLE;
		else if (answer->status < 200) {
			answer->state = ANSWER_HEAD;
			answer->status = 0;
			answer->head_off = answer->body_off;
		}
	}
	add_body(answer, answer->body_off);
}

bool
answer_add(struct answer *answer, size_t n)
{
	size_t from = answer->len;

	answer->len += n;
	answer->total += n;
	if (answer->state == ANSWER_HEAD)
		add_head(answer, from);
	else
		add_body(answer, from);
	return answer->state != ANSWER_WHOLE && answer->state != ANSWER_BROKEN;
}

const char *
answer_body(const struct answer *answer, size_t *len)
{
	if (answer->status == 0) {
		*len = 0;
		return "";
	}
	*len = answer->len - answer->body_off;
	return answer->buf + answer->body_off;
}
