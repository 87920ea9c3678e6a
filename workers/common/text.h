/* SPDX-License-Identifier: ISC */
/* Text that came from somebody else, made fit for JSON and for a log line. */
#ifndef WORKERS_TEXT_H
#define WORKERS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The length in bytes of the well-formed UTF-8 sequence that begins at s, of
 * which len bytes may be read; 0 when there is none (Unicode, table 3-7).
 */
size_t text_utf8_length(const char *s, size_t len);

/*
 * A copy of the first len bytes of s in which every byte that is not part of
 * well-formed UTF-8, and every NUL, is U+FFFD.  At most max bytes of s are
 * copied, cut at a character.  The caller frees it; NULL when out of memory.
 */
char *text_utf8_copy(const char *s, size_t len, size_t max);

/* Makes each run of white space in s one space, none at its ends. */
void text_squeeze(char *s);

#endif
