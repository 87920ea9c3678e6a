/* SPDX-License-Identifier: ISC */
/*
 * What a FastCGI application sends: its records, and the head of a response in
 * them.  The same comes out however the bytes arrive; nothing but content does; and
 * the fields of a head are none that could end it.
 */
#include <string.h>

#include "t/fuzz/fuzz.h"
#include "workers/fastcgi/record.h"
#include "workers/gateway/output.h"

#define CUTS_MAX 32

/* What became of an input. */
struct outcome {
	char *out; /* the content of STDOUT */
	size_t len;
	size_t parts_over; /* records whose content is whole */
	uint32_t app_status;
	unsigned protocol_status;
	bool broken;
};

static void
feed(struct record_reader *reader, struct outcome *o, const char *data, size_t size,
    size_t step)
{
	struct record_part part;

	for (size_t at = 0; at < size && !o->broken;) {
		size_t n = size - at < step ? size - at : step, left = n;
		char *in = fuzz_copy(data + at, n);
		const char *p = in;
		int found;

		while ((found = record_next(reader, &p, &left, &part)) == 1) {
			FUZZ_CHECK(part.data >= in && part.data + part.len <= in + n);
			if (part.type == RECORD_STDOUT) {
				memcpy(o->out + o->len, part.data, part.len);
				o->len += part.len;
			}
			o->parts_over += part.last;
			if (part.type == RECORD_END_REQUEST && part.last)
				(void)record_end(reader, &o->app_status,
				    &o->protocol_status);
		}
		o->broken = found == -1;
		FUZZ_CHECK(o->broken || left == 0);
		at += n;
		free(in);
	}
}

static void
run(struct outcome *o, const char *data, size_t size, size_t step, size_t cut)
{
	struct record_reader reader;

	memset(&reader, 0, sizeof(reader));
	memset(o, 0, sizeof(*o));
	o->out = malloc(size + 1);
	FUZZ_CHECK(o->out != NULL);
	feed(&reader, o, data, cut, step);
	feed(&reader, o, data + cut, size - cut, step);
	FUZZ_CHECK(o->len + RECORD_HEADER * o->parts_over <= size);
}

static void
same(const struct outcome *a, const struct outcome *b)
{
	FUZZ_CHECK(a->broken == b->broken && a->len == b->len);
	FUZZ_CHECK(memcmp(a->out, b->out, a->len) == 0);
	FUZZ_CHECK(a->parts_over == b->parts_over);
	FUZZ_CHECK(
	    a->app_status == b->app_status && a->protocol_status == b->protocol_status);
}

/* Nothing of a field may begin another one, or end the head. */
static void
text_check(const char *text, const char *from, size_t size)
{
	FUZZ_CHECK(text >= from && text < from + size);
	FUZZ_CHECK(strpbrk(text, "\r\n") == NULL);
}

static void
head_check(const char *data, size_t size)
{
	static struct output_head head;
	size_t len = size < OUTPUT_HEAD_MAX ? size : OUTPUT_HEAD_MAX;
	char *copy = malloc(len + 1);
	const char *why;
	ssize_t used;

	FUZZ_CHECK(copy != NULL);
	memcpy(copy, data, len);
	copy[len] = '\0';
	used = output_parse(copy, len, &head, &why);
	FUZZ_CHECK(used <= (ssize_t)len && (used == -1) == (why != NULL));
	for (size_t i = 0; used > 0 && i < head.field_count; i++) {
		text_check(head.fields[i].name, copy, (size_t)used);
		text_check(head.fields[i].value, copy, (size_t)used);
	}
	if (used > 0 && head.location != NULL)
		text_check(head.location, copy, (size_t)used);
	if (used > 0)
		FUZZ_CHECK(
		    head.status == 0 || (head.status >= 200 && head.status <= 599));
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const char *data = (const char *)input;
	size_t stride = size / CUTS_MAX + 1;
	struct outcome whole, other;

	run(&whole, data, size, size + 1, size);
	for (size_t step = 1; step <= 3; step++) {
		run(&other, data, size, step, size);
		same(&whole, &other);
		free(other.out);
	}
	for (size_t cut = 1; cut < size; cut += stride) {
		run(&other, data, size, size, cut);
		same(&whole, &other);
		free(other.out);
	}
	head_check(whole.out, whole.len);
	free(whole.out);
	return 0;
}
