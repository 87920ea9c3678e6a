/* SPDX-License-Identifier: ISC */
#include "common/exposition.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Backslash and the end of a line; between quotes the quote as well. */
static void
put_escaped(FILE *out, const char *text, bool quoted)
{
	for (; *text != '\0'; text++)
		if (*text == '\\')
			fputs("\\\\", out);
		else if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' && quoted)
			fputs("\\\"", out);
		else
			putc(*text, out);
}

static void
put_number(FILE *out, const json_t *number)
{
	if (json_is_integer(number))
		fprintf(out, " %lld\n", (long long)json_integer_value(number));
	else
		fprintf(out, " %.15g\n", json_real_value(number));
}

/* bound: of a bucket, or NULL. */
static void
put_name(FILE *out, const char *name, const char *suffix, const json_t *labels,
    const char *bound)
{
	json_t *object = (json_t *)labels; /* jansson iterates over no const */
	const char *separator = "{";
	void *at;

	fprintf(out, "%s%s", name, suffix);
	for (at = json_object_iter(object); at != NULL;
	     at = json_object_iter_next(object, at)) {
		const char *value = json_string_value(json_object_iter_value(at));

		fprintf(out, "%s%s=\"", separator, json_object_iter_key(at));
		put_escaped(out, value != NULL ? value : "", true);
		putc('"', out);
		separator = ",";
	}
	if (bound != NULL) {
		fprintf(out, "%sle=\"%s\"", separator, bound);
		separator = ",";
	}
	if (*separator == ',')
		putc('}', out);
}

static void
put_histogram(FILE *out, const char *name, const json_t *sample)
{
	const json_t *labels = json_object_get(sample, "labels");
	const json_t *buckets = json_object_get(sample, "buckets");
	const json_t *count = json_object_get(sample, "count");
	const json_t *sum = json_object_get(sample, "sum");
	char bound[32];

	if (!json_is_number(count) || !json_is_number(sum))
		return;
	for (size_t i = 0; i < json_array_size(buckets); i++) {
		const json_t *bucket = json_array_get(buckets, i);

		snprintf(bound, sizeof(bound), "%.15g",
		    json_number_value(json_array_get(bucket, 0)));
		put_name(out, name, "_bucket", labels, bound);
		put_number(out, json_array_get(bucket, 1));
	}
	put_name(out, name, "_bucket", labels, "+Inf");
	put_number(out, count);
	put_name(out, name, "_sum", labels, NULL);
	put_number(out, sum);
	put_name(out, name, "_count", labels, NULL);
	put_number(out, count);
}

static void
put_sample(FILE *out, const char *name, const json_t *sample)
{
	const json_t *value = json_object_get(sample, "value");

	if (!json_is_number(value))
		return;
	put_name(out, name, "", json_object_get(sample, "labels"), NULL);
	put_number(out, value);
}

static void
put_family(FILE *out, const json_t *family)
{
	const char *name = json_string_value(json_object_get(family, "name"));
	const char *type = json_string_value(json_object_get(family, "type"));
	const char *help = json_string_value(json_object_get(family, "help"));
	const json_t *samples = json_object_get(family, "samples");
	bool histogram = type != NULL && strcmp(type, "histogram") == 0;

	if (name == NULL || type == NULL || json_array_size(samples) == 0)
		return;
	if (help != NULL) {
		fprintf(out, "# HELP %s ", name);
		put_escaped(out, help, false);
		putc('\n', out);
	}
	fprintf(out, "# TYPE %s %s\n", name, type);
	for (size_t i = 0; i < json_array_size(samples); i++)
		if (histogram)
			put_histogram(out, name, json_array_get(samples, i));
		else
			put_sample(out, name, json_array_get(samples, i));
}

char *
exposition_text(const json_t *families, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < json_array_size(families); i++)
		put_family(out, json_array_get(families, i));
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
