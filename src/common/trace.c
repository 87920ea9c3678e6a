/* SPDX-License-Identifier: ISC */
#include "common/trace.h"

#include <string.h>

#include "common/http.h"
#include "common/util.h"

#define TEXT_LEN     (TRACE_TEXT_SIZE - 1) /* of version 00 */
#define FLAG_SAMPLED 1

/* Reads 2 * count lower-case hex digits into out. */
static bool
hex_lower(const char *text, uint8_t *out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int high = http_hex(text[2 * i]);
		int low = http_hex(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		if ((text[2 * i] >= 'A' && text[2 * i] <= 'F') ||
		    (text[2 * i + 1] >= 'A' && text[2 * i + 1] <= 'F'))
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/*
 * version "-" trace-id "-" parent-id "-" trace-flags, where version 00 ends
 * and a later one may go on with "-" and more.
 */
bool
trace_parse(const char *value, size_t len, struct trace *trace)
{
	static const uint8_t zero[16];
	struct trace read;
	uint8_t version, flags;

	if (len < TEXT_LEN)
		return false;
	if (value[2] != '-' || value[35] != '-' || value[52] != '-')
		return false;
	if (!hex_lower(value, &version, 1) || !hex_lower(value + 3, read.id, 16) ||
	    !hex_lower(value + 36, read.parent, 8) || !hex_lower(value + 53, &flags, 1))
		return false;
	if (version == 0xff)
		return false;
	if (len > TEXT_LEN && (version == 0 || value[TEXT_LEN] != '-'))
		return false;
	if (memcmp(read.id, zero, sizeof(read.id)) == 0 ||
	    memcmp(read.parent, zero, sizeof(read.parent)) == 0)
		return false;
	read.sampled = (flags & FLAG_SAMPLED) != 0;
	*trace = read;
	return true;
}

bool
trace_find(const struct lease_field *fields, size_t field_count, const char *buf,
    struct trace *trace)
{
	static const char name[] = "traceparent";
	const struct lease_span *value;
	size_t next;

	value = http_field_find(fields, field_count, buf, name);
	if (value == NULL)
		return false;
	/* the field that value lies in, and those behind it */
	next = (size_t)((const struct lease_field *)(const void *)((const char *)value -
			    offsetof(struct lease_field, value)) -
		   fields) +
	    1;
	return http_field_find(fields + next, field_count - next, buf, name) == NULL &&
	    trace_parse(buf + value->off, value->len, trace);
}

void
trace_format(char text[TRACE_TEXT_SIZE], const uint8_t id[16], const uint8_t span[8],
    bool sampled)
{
	memcpy(text, "00-", 3);
	util_hex(id, 16, text + 3);
	text[35] = '-';
	util_hex(span, 8, text + 36);
	memcpy(text + 52, sampled ? "-01" : "-00", 4);
}
