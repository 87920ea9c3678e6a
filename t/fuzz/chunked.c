/* SPDX-License-Identifier: ISC */
/*
 * The decoder of chunked bodies.  What comes out, and where the body ends,
 * must not depend on how the bytes arrive or on the room there is for them.
 */
#include "common/http.h"
#include "t/fuzz/fuzz.h"

#define CUTS_MAX 32 /* places where a long input is cut in two */

/* What became of an input. */
struct outcome {
	char *out;
	size_t len;  /* bytes in out */
	size_t used; /* of the input; what a broken one has is not promised */
	bool done;
	bool broken;
};

/*
 * Gives data[0, size) to the decoder, on from where o stands: at most step
 * bytes at a time and as much room for what comes out.
 */
static void
feed(struct http_chunked *c, struct outcome *o, const char *data, size_t size,
    size_t step)
{
	size_t at = 0, idle = 0;

	while (at < size && !o->broken && !o->done && idle < 2) {
		size_t n = size - at < step ? size - at : step, used = SIZE_MAX;
		char *in = fuzz_copy(data + at, n), *out = malloc(step);
		ssize_t got;

		FUZZ_CHECK(out != NULL);
		got = http_chunked_decode(c, in, n, &used, out, step);
		FUZZ_CHECK(used <= n);
		o->broken = got == -1;
		FUZZ_CHECK(got >= -1 && (got == -1 || (size_t)got <= used));
		if (got > 0)
			memcpy(o->out + o->len, out, (size_t)got);
		o->len += got > 0 ? (size_t)got : 0;
		o->done = c->done;
		o->used += used;
		at += used;
		idle = used == 0 ? idle + 1 : 0;
		free(out);
		free(in);
	}
	FUZZ_CHECK(idle == 0); /* with room and input it goes on */
}

static void
begin(struct http_chunked *c, struct outcome *o, size_t size)
{
	memset(o, 0, sizeof(*o));
	o->out = malloc(size + 1);
	FUZZ_CHECK(o->out != NULL);
	http_chunked_init(c);
}

static void
same(const struct outcome *a, const struct outcome *b)
{
	FUZZ_CHECK(a->done == b->done && a->broken == b->broken);
	if (!a->broken) {
		FUZZ_CHECK(a->used == b->used && a->len == b->len);
		FUZZ_CHECK(memcmp(a->out, b->out, a->len) == 0);
	}
}

/* A decoder that is over stays so. */
static void
end_check(struct http_chunked *c, const struct outcome *o)
{
	char in[] = "0\r\n\r\n", out[8];
	size_t used = SIZE_MAX;

	if (!o->done && !o->broken)
		return;
	FUZZ_CHECK(http_chunked_decode(c, in, sizeof(in) - 1, &used, out, sizeof(out)) ==
	    (o->broken ? -1 : 0));
	FUZZ_CHECK(used == 0);
}

static void
decode_check(const char *data, size_t size)
{
	struct outcome whole, other;
	struct http_chunked c;
	size_t stride = size / CUTS_MAX + 1, used = 0;
	ssize_t got;
	char *copy;

	begin(&c, &whole, size);
	feed(&c, &whole, data, size, size + 1);
	end_check(&c, &whole);
	if (whole.done) /* the body's end is the end of its final line */
		FUZZ_CHECK(memcmp(data + whole.used - 2, "\r\n", 2) == 0);

	for (size_t step = 1; step <= 2 && step <= size; step++) {
		begin(&c, &other, size);
		feed(&c, &other, data, size, step);
		same(&whole, &other);
		free(other.out);
	}
	for (size_t cut = 1; cut < size; cut += stride) {
		begin(&c, &other, size);
		feed(&c, &other, data, cut, size);
		if (!other.done)
			feed(&c, &other, data + cut, size - cut, size);
		same(&whole, &other);
		free(other.out);
	}
	/* In place. */
	copy = fuzz_copy(data, size);
	http_chunked_init(&c);
	got = http_chunked_decode(&c, copy, size, &used, copy, size);
	FUZZ_CHECK((got == -1) == whole.broken);
	if (got != -1) {
		FUZZ_CHECK((size_t)got == whole.len && used == whole.used);
		FUZZ_CHECK(memcmp(copy, whole.out, whole.len) == 0);
	}
	free(copy);
	free(whole.out);
}

/* The bytes as a body, in chunks whose sizes are taken from it: what goes in
 * comes out, and what follows the body is left alone. */
static void
encode_check(const char *data, size_t size)
{
	static const char end[] = "0;x=\"y\"\r\nA: b\r\n\r\n";
	char *text = malloc(size * 24 + sizeof(end) + 1);
	struct outcome o;
	struct http_chunked c;
	size_t len = 0;

	FUZZ_CHECK(text != NULL);
	for (size_t at = 0, n; at < size; at += n) {
		n = (unsigned char)data[at] % 40 + 1u;
		n = n < size - at ? n : size - at;
		len += (size_t)sprintf(text + len, "%zX%s\r\n", n, n % 2 ? " \t;e" : "");
		memcpy(text + len, data + at, n);
		memcpy(text + len + n, "\r\n", 2);
		len += n + 2;
	}
	memcpy(text + len, end, sizeof(end) - 1);
	len += sizeof(end) - 1;
	text[len] = 'G'; /* of a pipelined request */

	begin(&c, &o, len + 1);
	feed(&c, &o, text, len + 1, len + 1);
	FUZZ_CHECK(o.done && !o.broken && o.used == len && o.len == size);
	FUZZ_CHECK(size == 0 || memcmp(o.out, data, size) == 0);
	free(o.out);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);

	decode_check(copy, size);
	encode_check(copy, size);
	free(copy);
	return 0;
}
