/* SPDX-License-Identifier: ISC */
/* Text that grows.  Running out of memory ends the program: this is for
 * poold-index, which nobody's request depends on. */
#ifndef SEARCH_BUFFER_H
#define SEARCH_BUFFER_H

#include <stddef.h>

struct buffer {
	char *text; /* NUL-terminated; NULL while nothing was added */
	size_t len;
	size_t size;
};

void buffer_add(struct buffer *buffer, const char *text, size_t len);
void buffer_puts(struct buffer *buffer, const char *text);
void buffer_putc(struct buffer *buffer, char c);
void buffer_free(struct buffer *buffer);

#endif
