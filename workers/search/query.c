/* SPDX-License-Identifier: ISC */
#include "query.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SPACES " \t\r\n\v\f"

/* Bytes of a word in the expression: quotes, and " AND " before it. */
#define WORD_COST (QUERY_WORD_MAX + 8)

/*
 * Whether the character of several bytes at s is one that the tokenizer drops:
 * punctuation, arrows, symbols (U+2000 to U+2BFF and U+3000 to U+303F), emoji,
 * U+FFFD.  Not all such characters, but those that people type by themselves.
 */
static bool
is_symbol(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;

	return len >= 3 &&
	    ((u[0] == 0xe2 && u[1] <= 0xaf) || (u[0] == 0xe3 && u[1] == 0x80) ||
		(u[0] == 0xef && u[1] == 0xbf && u[2] == 0xbd) ||
		(u[0] == 0xf0 && u[1] == 0x9f));
}

/*
 * Whether the tokenizer finds something in a word.  A phrase in which it finds
 * nothing is no error for FTS5, but no document matches it.
 */
static bool
has_token(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (isalnum((unsigned char)word[i]))
			return true;
		if ((unsigned char)word[i] >= 0xc2 && !is_symbol(word + i, len - i))
			return true;
	}
	return false;
}

/* Where to cut a long word so that no character is torn. */
static size_t
word_cut(const char *word, size_t len)
{
	if (len <= QUERY_WORD_MAX)
		return len;
	len = QUERY_WORD_MAX;
	while (len > 0 && ((unsigned char)word[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static char *
append(char *out, const char *s, size_t len)
{
	memcpy(out, s, len);
	return out + len;
}

/* A word in quotes.  A quote within it separates tokens like any other
 * punctuation, so a space stands for it. */
static char *
append_word(char *out, const char *word, size_t len)
{
	size_t i;

	*out++ = '"';
	for (i = 0; i < len; i++)
		*out++ = word[i] == '"' ? ' ' : word[i];
	*out++ = '"';
	return out;
}

char *
query_match(const char *text, enum query_join join)
{
	const char *joint = join == QUERY_ALL ? " AND " : " OR ";
	char *match, *out;
	size_t len, count = 0;

	if ((match = malloc(QUERY_WORDS_MAX * WORD_COST + 2)) == NULL)
		return NULL;
	out = match;
	for (; *text != '\0' && count < QUERY_WORDS_MAX; text += len) {
		text += strspn(text, SPACES);
		len = strcspn(text, SPACES);
		if (!has_token(text, word_cut(text, len)))
			continue;
		if (count++ > 0)
			out = append(out, joint, strlen(joint));
		out = append_word(out, text, word_cut(text, len));
	}
	if (count > 0)
		*out++ = '*';
	*out = '\0';
	return match;
}
