/* SPDX-License-Identifier: ISC */
/* What a user typed, as a query that FTS5 understands. */
#ifndef SEARCH_QUERY_H
#define SEARCH_QUERY_H

#define QUERY_WORDS_MAX 32  /* words looked for; more are left out */
#define QUERY_WORD_MAX	128 /* bytes of a word looked at */

/* How the words of a query are joined. */
enum query_join {
	QUERY_ALL, /* a document has every word */
	QUERY_ANY, /* it has at least one of them */
};

/*
 * The MATCH expression for text, which is UTF-8: each word quoted, so that
 * nothing in it is syntax, and the last one a prefix.  "" when there is no
 * word in text.  The caller frees it; NULL when out of memory.
 */
char *query_match(const char *text, enum query_join join);

#endif
