/* SPDX-License-Identifier: ISC */
/* One file as the search database wants it: a title and a text. */
#ifndef SEARCH_DOCUMENT_H
#define SEARCH_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#define DOCUMENT_TITLE_MAX 160 /* bytes */

struct document {
	char *title;
	char *body;
};

/*
 * Reads a document out of the len bytes at text, which a NUL follows; name is
 * the last part of the file's path.  The title is that of the manual page, or
 * the first heading, or else name.  False when it is not text: binary (it has
 * a NUL), HTML or XML.  The caller frees it with document_free.
 */
bool document_read(struct document *document, const char *name, const char *text,
    size_t len);
void document_free(struct document *document);

#endif
