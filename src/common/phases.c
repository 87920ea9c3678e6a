/* SPDX-License-Identifier: ISC */
#include "common/phases.h"

#include <string.h>

#include "common/http.h"

/* How many bytes of text, at most max, are those of a token. */
static size_t
token_len(const char *text, size_t max)
{
	size_t len = 0;

	while (
	    len < max && (http_class[(unsigned char)text[len]] & HTTP_CLASS_TOKEN) != 0)
		len++;
	return len;
}

bool
phases_name_valid(const char *name)
{
	size_t len = strnlen(name, LEASE_PHASE_NAME_MAX + 1);

	return len > 0 && len <= LEASE_PHASE_NAME_MAX && token_len(name, len) == len;
}

static struct phase *
find(struct phases *phases, const char *name, size_t len)
{
	for (uint32_t i = 0; i < phases->count; i++)
		if (strlen(phases->list[i].name) == len &&
		    memcmp(phases->list[i].name, name, len) == 0)
			return &phases->list[i];
	return NULL;
}

/* One more, whose name fits; NULL: there are too many. */
static struct phase *
append(struct phases *phases, const char *name, size_t len)
{
	struct phase *phase;

	if (phases->count == LEASE_PHASES_MAX)
		return NULL;
	phase = &phases->list[phases->count++];
	memcpy(phase->name, name, len);
	phase->name[len] = '\0';
	phase->us = 0;
	return phase;
}

bool
phases_add(struct phases *phases, const char *name, uint64_t us)
{
	size_t len = strlen(name);
	struct phase *phase = find(phases, name, len);

	if (phase == NULL && (phase = append(phases, name, len)) == NULL)
		return false;
	phase->us = us < UINT32_MAX - phase->us ? phase->us + (uint32_t)us : UINT32_MAX;
	return true;
}

static char *
put_number(char *at, uint32_t n)
{
	char digits[10];
	int count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

size_t
phases_format(const struct phases *phases, char text[LEASE_PHASES_SIZE])
{
	char *at = text;

	for (uint32_t i = 0; i < phases->count; i++) {
		size_t len = strlen(phases->list[i].name);

		if (i > 0)
			*at++ = ',';
		memcpy(at, phases->list[i].name, len);
		at += len;
		*at++ = '=';
		at = put_number(at, phases->list[i].us);
	}
	return (size_t)(at - text);
}

/* Reads digits up to a comma or end; NULL when there are none, too many, or
 * something else. */
static const char *
read_number(const char *at, const char *end, uint32_t *number)
{
	uint64_t n = 0;
	const char *begin = at;

	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		n = n * 10 + (uint64_t)(*at - '0');
		if (n > UINT32_MAX || (at > begin && *begin == '0'))
			return NULL;
	}
	*number = (uint32_t)n;
	return at > begin && (at == end || *at == ',') ? at : NULL;
}

static bool
parse(struct phases *phases, const char *at, const char *end)
{
	struct phase *phase;
	size_t len;

	for (;; at++) {
		len = token_len(at, (size_t)(end - at));
		if (len == 0 || len > LEASE_PHASE_NAME_MAX || at + len == end ||
		    at[len] != '=' || find(phases, at, len) != NULL ||
		    (phase = append(phases, at, len)) == NULL)
			return false;
		at = read_number(at + len + 1, end, &phase->us);
		if (at == NULL)
			return false;
		if (at == end)
			return true;
	}
}

bool
phases_parse(struct phases *phases, const char *text, size_t len)
{
	phases->count = 0;
	if (len == 0)
		return true;
	if (len <= LEASE_PHASES_SIZE && parse(phases, text, text + len))
		return true;
	phases->count = 0;
	return false;
}
