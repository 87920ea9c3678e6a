/* SPDX-License-Identifier: ISC */
/*
 * Manual pages as plain text, good enough to be searched: the words that a
 * reader of the page sees, a line for each heading, no layout.
 */
#ifndef SEARCH_MANUAL_H
#define SEARCH_MANUAL_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

#define MANUAL_NAME_SIZE 256

struct manual {
	struct buffer body;
	struct buffer title; /* "poold(8): the supervisor" */
	/* while rendering */
	char name[MANUAL_NAME_SIZE]; /* of .Nm or .TH */
	char section[16];	     /* of .Dt or .TH */
	bool in_name;		     /* within the NAME section of man(7) */
	bool in_definition;	     /* within .de or .ig, up to ".." */
	bool has_title;
};

/* Whether text is the source of a manual page, mdoc(7) or man(7). */
bool manual_is(const char *text);

/* Renders text.  The caller frees manual with manual_free. */
void manual_render(struct manual *manual, const char *text);
void manual_free(struct manual *manual);

/* Writes the line [line, line + len) to out without its roff(7) escapes. */
void manual_unescape(struct buffer *out, const char *line, size_t len);

#endif
