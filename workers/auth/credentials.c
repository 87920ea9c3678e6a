/* SPDX-License-Identifier: ISC */
#include "credentials.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

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

/* Decodes in[0, len) to out, which has room for as many bytes and a NUL. */
static bool
form_decode(const char *in, size_t len, char *out)
{
	size_t i;
	int high, low;

	for (i = 0; i < len; i++) {
		char c = in[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (len - i < 3 || (high = hex_value(in[i + 1])) == -1 ||
			    (low = hex_value(in[i + 2])) == -1)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return false;
		*out++ = c;
	}
	*out = '\0';
	return true;
}

static bool
is_name(const char *field, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(field, name, len) == 0;
}

const char *
credentials_from_form(struct credentials *c, const char *body, size_t len)
{
	const char *end = body + len, *equals, *field, *next, *value;
	size_t name_len;
	bool ok = true;

	if (len > CREDENTIALS_BODY_MAX)
		return "the body is too long";
	for (field = body; field < end; field = next + 1) {
		if ((next = memchr(field, '&', (size_t)(end - field))) == NULL)
			next = end;
		equals = memchr(field, '=', (size_t)(next - field));
		name_len = (size_t)((equals ? equals : next) - field);
		value = equals ? equals + 1 : next;
		if (is_name(field, name_len, "user") && !c->has_user) {
			ok &= form_decode(value, (size_t)(next - value), c->user);
			c->has_user = true;
		} else if (is_name(field, name_len, "password") && !c->has_password) {
			ok &= form_decode(value, (size_t)(next - value), c->password);
			c->has_password = true;
		}
	}
	return ok ? NULL : "the body is no well-formed form";
}

/* Copies a member if it is there; false when it is no string. */
static bool
json_member(const json_t *object, const char *name, char *out, bool *has)
{
	const json_t *member = json_object_get(object, name);

	if (member == NULL)
		return true;
	if (!json_is_string(member) || json_string_length(member) > CREDENTIALS_BODY_MAX)
		return false;
	memcpy(out, json_string_value(member), json_string_length(member) + 1);
	*has = true;
	return true;
}

const char *
credentials_from_json(struct credentials *c, const char *body, size_t len)
{
	const char *error = NULL;
	json_t *object;

	/* Without JSON_ALLOW_NUL, "\u0000" is an error. */
	object = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object))
		error = "the body is no JSON object";
	else if (!json_member(object, "user", c->user, &c->has_user) ||
	    !json_member(object, "password", c->password, &c->has_password))
		error = "'user' and 'password' must be strings";
	json_decref(object);
	return error;
}

void
credentials_wipe(struct credentials *c)
{
	explicit_bzero(c, sizeof(*c));
}

static void
wiping_free(void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void
credentials_wipe_json(void)
{
	json_set_alloc_funcs(malloc, wiping_free);
}
