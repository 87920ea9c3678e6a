/* SPDX-License-Identifier: ISC */
/* Query parameters and form fields (application/x-www-form-urlencoded). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libpoold/internal.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Decodes in[0, len) to out and ends it with a NUL; returns the place behind.
 * A broken escape stays as it is, and so does %00, which C strings cannot hold.
 */
static char *
decode(const char *in, size_t len, char *out)
{
	size_t i;
	int high, low;

	for (i = 0; i < len; i++) {
		if (in[i] == '%' && len - i > 2 && (high = hex_value(in[i + 1])) != -1 &&
		    (low = hex_value(in[i + 2])) != -1 && high + low > 0) {
			*out++ = (char)(high << 4 | low);
			i += 2;
		} else if (in[i] == '\0') {
			*out++ = ' '; /* of a raw body only */
		} else
			*out++ = in[i] == '+' ? ' ' : in[i];
	}
	*out++ = '\0';
	return out;
}

static int
pairs_reserve(struct pairs *pairs, size_t size)
{
	char *text;

	if (size <= pairs->size)
		return 0;
	if (size < 1024)
		size = 1024;
	if ((text = realloc(pairs->text, size)) == NULL)
		return -1;
	pairs->text = text;
	pairs->size = size;
	return 0;
}

int
pairs_parse(struct pairs *pairs, const char *text, size_t len)
{
	const char *end = text + len, *next, *equals;
	char *out;

	/* The worst is "a&a&a": two bytes become three. */
	if (pairs_reserve(pairs, 2 * len + 2) == -1)
		return -1;
	out = pairs->text;
	for (; text < end; text = next + 1) {
		if ((next = memchr(text, '&', (size_t)(end - text))) == NULL)
			next = end;
		if (next == text)
			continue;
		equals = memchr(text, '=', (size_t)(next - text));
		if (equals == NULL) {
			out = decode(text, (size_t)(next - text), out);
			*out++ = '\0';
			continue;
		}
		out = decode(text, (size_t)(equals - text), out);
		out = decode(equals + 1, (size_t)(next - equals - 1), out);
	}
	pairs->len = (size_t)(out - pairs->text);
	pairs->parsed = true;
	return 0;
}

const char *
pairs_find(const struct pairs *pairs, const char *name)
{
	const char *p = pairs->text, *end = p + pairs->len, *value;

	while (p < end) {
		value = p + strlen(p) + 1;
		if (strcmp(p, name) == 0)
			return value;
		p = value + strlen(value) + 1;
	}
	return NULL;
}

void
pairs_reset(struct pairs *pairs)
{
	pairs->parsed = false;
	pairs->len = 0;
	if (pairs->size > BUFFER_KEEP_MAX) {
		free(pairs->text);
		pairs->text = NULL;
		pairs->size = 0;
	}
}

const char *
poold_param(struct poold_request *req, const char *name)
{
	struct pairs *pairs = &req->params;

	if (!pairs->parsed && pairs_parse(pairs, req->query, strlen(req->query)) == -1)
		return NULL;
	return pairs->len == 0 ? NULL : pairs_find(pairs, name);
}

static bool
is_form(struct poold_request *req)
{
	static const char form[] = "application/x-www-form-urlencoded";
	const char *type = poold_header(req, "Content-Type");

	if (type == NULL || strncasecmp(type, form, sizeof(form) - 1) != 0)
		return false;
	return strchr("; \t", type[sizeof(form) - 1]) != NULL;
}

const char *
poold_form(struct poold_request *req, const char *name)
{
	struct pairs *pairs = &req->form;
	const void *body;
	size_t len;

	if (!pairs->parsed) {
		/* A body known to be too large is left to the handler. */
		if (!is_form(req) ||
		    (!req->body.have_whole && !req->body.chunked &&
			req->body.left > FORM_MAX))
			return NULL;
		if ((body = poold_body(req, FORM_MAX, &len)) == NULL ||
		    pairs_parse(pairs, body, len) == -1)
			return NULL;
	}
	return pairs->len == 0 ? NULL : pairs_find(pairs, name);
}
