/* SPDX-License-Identifier: ISC */
#include "buffer.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void
buffer_add(struct buffer *buffer, const char *text, size_t len)
{
	while (buffer->text == NULL || buffer->size - buffer->len <= len) {
		buffer->size = buffer->size == 0 ? 4096 : buffer->size * 2;
		buffer->text = realloc(buffer->text, buffer->size);
		if (buffer->text == NULL)
			err(EX_OSERR, "realloc");
	}
	memcpy(buffer->text + buffer->len, text, len);
	buffer->len += len;
	buffer->text[buffer->len] = '\0';
}

void
buffer_puts(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void
buffer_putc(struct buffer *buffer, char c)
{
	buffer_add(buffer, &c, 1);
}

void
buffer_free(struct buffer *buffer)
{
	free(buffer->text);
	*buffer = (struct buffer){ 0 };
}
