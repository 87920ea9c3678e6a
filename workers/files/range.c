/* SPDX-License-Identifier: ISC */
#include "range.h"

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

/* Reads digits; a number too large for any file stays at the largest. */
static bool
read_number(const char **s, uint64_t *number)
{
	const char *start = *s;
	unsigned digit;

	for (*number = 0; **s >= '0' && **s <= '9'; (*s)++) {
		digit = (unsigned)(**s - '0');
		if (*number > (UINT64_MAX - digit) / 10)
			*number = UINT64_MAX;
		else
			*number = *number * 10 + digit;
	}
	return *s != start;
}

static void
skip_spaces(const char **s)
{
	while (**s == ' ' || **s == '\t')
		(*s)++;
}

static enum range_result
suffix(uint64_t wanted, uint64_t size, struct range *range)
{
	if (wanted == 0 || size == 0)
		return RANGE_UNSATISFIABLE;
	range->len = wanted < size ? wanted : size;
	range->start = size - range->len;
	return RANGE_PART;
}

enum range_result
range_parse(const char *value, uint64_t size, struct range *range)
{
	uint64_t first = 0, last = UINT64_MAX;
	bool has_first, has_last;

	if (strncasecmp(value, "bytes=", 6) != 0)
		return RANGE_WHOLE;
	value += 6;
	skip_spaces(&value);
	has_first = read_number(&value, &first);
	if (*value++ != '-')
		return RANGE_WHOLE;
	has_last = read_number(&value, &last);
	skip_spaces(&value);
	if (*value != '\0' || (!has_first && !has_last))
		return RANGE_WHOLE;
	if (!has_first)
		return suffix(last, size, range);
	if (!has_last)
		last = UINT64_MAX;
	if (last < first)
		return RANGE_WHOLE; /* not well-formed */
	if (first >= size)
		return RANGE_UNSATISFIABLE;
	if (last >= size)
		last = size - 1;
	range->start = first;
	range->len = last - first + 1;
	return RANGE_PART;
}
