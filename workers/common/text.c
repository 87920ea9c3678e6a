/* SPDX-License-Identifier: ISC */
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT	"\xef\xbf\xbd" /* U+FFFD */
#define REPLACEMENT_LEN 3

static bool
is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t
text_utf8_length(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte */
	size_t i, need;

	if (len == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		need = 2;
	else if (u[0] >= 0xe0 && u[0] <= 0xef)
		need = 3;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		need = 4;
	else
		return 0;

	switch (u[0]) {
	case 0xe0:
		low = 0xa0;
		break; /* overlong */
	case 0xed:
		high = 0x9f;
		break; /* surrogates */
	case 0xf0:
		low = 0x90;
		break; /* overlong */
	case 0xf4:
		high = 0x8f;
		break; /* beyond U+10FFFF */
	}
	if (len < need || u[1] < low || u[1] > high)
		return 0;
	for (i = 2; i < need; i++)
		if (!is_tail(u[i]))
			return 0;
	return need;
}

char *
text_utf8_copy(const char *s, size_t len, size_t max)
{
	size_t in = 0, out = 0, n;
	char *copy;

	if (max > len)
		max = len;
	if (max > (SIZE_MAX - 1) / REPLACEMENT_LEN ||
	    (copy = malloc(max * REPLACEMENT_LEN + 1)) == NULL)
		return NULL;
	while (in < max) {
		n = text_utf8_length(s + in, len - in);
		if (n > max - in)
			break;
		if (n == 0 || s[in] == '\0') {
			memcpy(copy + out, REPLACEMENT, REPLACEMENT_LEN);
			out += REPLACEMENT_LEN;
			in++;
			continue;
		}
		memcpy(copy + out, s + in, n);
		out += n;
		in += n;
	}
	copy[out] = '\0';
	return copy;
}

void
text_squeeze(char *s)
{
	const char *in;
	char *out = s;
	bool space = false;

	for (in = s; *in != '\0'; in++) {
		if (strchr(" \t\r\n\v\f", *in) != NULL) {
			space = true;
			continue;
		}
		if (space && out != s)
			*out++ = ' ';
		space = false;
		*out++ = *in;
	}
	*out = '\0';
}
