/* SPDX-License-Identifier: ISC */
/*
 * The decoder of chunked bodies.  Each body is fed whole, byte by byte, and
 * with room for one byte at a time.
 */
#include "common/http.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

struct fed {
	char out[32768];
	size_t out_len;
	size_t used;
	bool broken;
	bool done;
};

/* Feeds in, at most in_step bytes at a time, with room for out_step bytes. */
static struct fed *
feed(const char *in, size_t len, size_t in_step, size_t out_step)
{
	static struct fed fed;
	struct http_chunked c;

	memset(&fed, 0, sizeof(fed));
	http_chunked_init(&c);
	while (!c.done && fed.used < len) {
		size_t n = len - fed.used < in_step ? len - fed.used : in_step;
		size_t room = sizeof(fed.out) - fed.out_len, used;
		char *copy = malloc(n);
		ssize_t got;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, in + fed.used, n);
		got = http_chunked_decode(&c, copy, n, &used, fed.out + fed.out_len,
		    room < out_step ? room : out_step);
		free(copy);
		ck_assert_uint_le(used, n);
		fed.used += used;
		if (got < 0) {
			ck_assert(!c.done);
			fed.broken = true;
			break;
		}
		ck_assert_uint_le((size_t)got, out_step);
		ck_assert(used > 0);
		fed.out_len += (size_t)got;
	}
	fed.done = c.done;
	return &fed;
}

static const size_t steps[][2] = { { SIZE_MAX, SIZE_MAX }, { 1, SIZE_MAX },
	{ SIZE_MAX, 1 }, { 1, 1 }, { 3, 2 } };
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* in is a body of data; what follows it is left alone; cut off, it goes on. */
static void
body_is(const char *in, size_t len, const char *data, size_t data_len)
{
	char *longer = malloc(len + 4);

	ck_assert_ptr_nonnull(longer);
	memcpy(longer, in, len);
	memcpy(longer + len, "0\r\n!", 4);
	for (size_t i = 0; i < STEPS; i++) {
		struct fed *fed = feed(longer, len + 4, steps[i][0], steps[i][1]);

		ck_assert(fed->done && !fed->broken);
		ck_assert_uint_eq(fed->used, len);
		ck_assert_uint_eq(fed->out_len, data_len);
		ck_assert_mem_eq(fed->out, data, data_len);
	}
	free(longer);
	for (size_t cut = 0; cut<len; cut += len> 1000 ? 101 : 1) {
		struct fed *fed = feed(in, cut, SIZE_MAX, SIZE_MAX);

		ck_assert(!fed->done && !fed->broken);
		ck_assert_uint_eq(fed->used, cut);
	}
}

/* The last of proof bytes breaks it; 0: some byte does. */
static void
body_breaks(const char *in, size_t len, size_t proof)
{
	for (size_t i = 0; i < STEPS; i++) {
		struct fed *fed = feed(in, len, steps[i][0], steps[i][1]);

		ck_assert_msg(fed->broken && !fed->done, "taken: %s", in);
		if (proof != 0)
			ck_assert_uint_eq(fed->used, proof);
	}
}

#define good(in, data) body_is(in, sizeof(in) - 1, data, sizeof(data) - 1)
#define bad_at(proof, rest) \
	body_breaks(proof rest, sizeof(proof rest) - 1, sizeof(proof) - 1)

START_TEST(chunks_are_joined)
{
	good("0\r\n\r\n", "");
	good("5\r\nhello\r\n0\r\n\r\n", "hello");
	good("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc");
	good("4\r\n\r\n\0\n\r\n0\r\n\r\n", "\r\n\0\n");
}
END_TEST

START_TEST(sizes_are_hex_in_any_case)
{
	good("a\r\n0123456789\r\n0\r\n\r\n", "0123456789");
	good("0B\r\n0123456789A\r\n00\r\n\r\n", "0123456789A");
	good("0000000000000001\r\na\r\n0000000000000000\r\n\r\n", "a");
}
END_TEST

START_TEST(a_size_has_1_to_16_digits)
{
	bad_at("\r", "\n0\r\n\r\n");
	bad_at(";", "a\r\n\r\n");
	bad_at(" ", "1\r\na\r\n0\r\n\r\n");
	bad_at("00000000000000000", "\r\n\r\n");
	bad_at("0x", "1\r\na\r\n0\r\n\r\n");
	bad_at("-", "1\r\n");
	bad_at("+", "1\r\n");
	bad_at("1g", "\r\n");
}
END_TEST

START_TEST(a_size_does_not_overflow)
{
	static const char most[] = "7fffffffffffffff\r\nab";
	struct fed *fed = feed(most, sizeof(most) - 1, 1, SIZE_MAX);

	ck_assert(!fed->broken && !fed->done);
	ck_assert_uint_eq(fed->out_len, 2);
	bad_at("8000000000000000", "\r\n");
	bad_at("ffffffffffffffff", "\r\n");
	bad_at("10000000000000000", "\r\n");
}
END_TEST

START_TEST(lines_end_in_crlf_only)
{
	bad_at("1\n", "a\r\n0\r\n\r\n");
	bad_at("1\ra", "\r\n0\r\n\r\n");
	bad_at("1;a\n", "a\r\n0\r\n\r\n");
	bad_at("1;a\rb", "\na\r\n0\r\n\r\n");
	bad_at("1\r\na\n", "0\r\n\r\n");
	bad_at("1\r\na\r0", "\r\n\r\n");
	bad_at("0\r\n\n", "");
	bad_at("0\r\n\r\r", "\n");
	bad_at("0\r\na: b\n", "\r\n");
	bad_at("0\r\na: b\r\r", "\n\r\n");
}
END_TEST

START_TEST(data_is_as_long_as_its_size_says)
{
	bad_at("1\r\nab", "\r\n0\r\n\r\n");
	bad_at("3\r\nab\r\n", "0\r\n\r\n");
	bad_at("1\r\na0", "\r\n\r\n");
}
END_TEST

START_TEST(extensions_are_skipped)
{
	good("1;a\r\nx\r\n0;b=c;d=\"e f\"\r\n\r\n", "x");
	good("1 \t;a = b\r\nx\r\n0\r\n\r\n", "x");
	good("1;\xe4\r\nx\r\n0\r\n\r\n", "x");
	bad_at("1 \r", "\nx\r\n0\r\n\r\n");
	bad_at("1 2", "\r\nx\r\n0\r\n\r\n");
	bad_at("1,", "a\r\nx\r\n0\r\n\r\n");
	bad_at("1;a\0", "\r\nx\r\n0\r\n\r\n");
	bad_at("1;a\x7f", "\r\nx\r\n0\r\n\r\n");
}
END_TEST

static char big[HTTP_CHUNK_TRAILER_MAX + 4096];

/* before, count times fill, after; returns the length. */
static size_t
big_fill(const char *before, char fill, size_t count, const char *after)
{
	size_t len = strlen(before);

	memcpy(big, before, len);
	memset(big + len, fill, count);
	len += count;
	memcpy(big + len, after, strlen(after));
	return len + strlen(after);
}

START_TEST(extensions_of_a_chunk_have_at_most_1_kib)
{
	const char *rest = "\r\nx\r\n0\r\n\r\n";
	size_t len = big_fill("1;", 'e', HTTP_CHUNK_EXT_MAX - 1, rest);

	body_is(big, len, "x", 1);
	len = big_fill("1;", 'e', HTTP_CHUNK_EXT_MAX, rest);
	body_breaks(big, len, HTTP_CHUNK_EXT_MAX + 2);
	len = big_fill("1", ' ', HTTP_CHUNK_EXT_MAX - 1, ";\r\nx\r\n0\r\n\r\n");
	body_is(big, len, "x", 1);
	len = big_fill("1", ' ', HTTP_CHUNK_EXT_MAX, ";\r\nx\r\n0\r\n\r\n");
	body_breaks(big, len, HTTP_CHUNK_EXT_MAX + 2);
}
END_TEST

START_TEST(each_chunk_has_its_own_limit_of_extensions)
{
	size_t len = big_fill("1;", 'e', HTTP_CHUNK_EXT_MAX - 1, "\r\nx\r\n");
	char both[2 * HTTP_CHUNK_EXT_MAX + 64];

	memcpy(both, big, len);
	memcpy(both + len, big, len);
	memcpy(both + 2 * len, "0\r\n\r\n", 5);
	body_is(both, 2 * len + 5, "xx", 2);
}
END_TEST

START_TEST(trailers_are_checked_and_dropped)
{
	good("0\r\nX-Sum: b\r\nc:\r\nd: \t\xe4\r\n\r\n", "");
	good("1\r\nx\r\n0;e\r\nA: b\r\n\r\n", "x");
	bad_at("0\r\n:", " b\r\n\r\n");
	bad_at("0\r\n ", "a: b\r\n\r\n");
	bad_at("0\r\na ", ": b\r\n\r\n");
	bad_at("0\r\na\r", "\n\r\n");
	bad_at("0\r\na: \x01", "\r\n\r\n");
	bad_at("0\r\na: b\r\n ", "c\r\n\r\n");
}
END_TEST

START_TEST(trailers_have_at_most_8_kib)
{
	size_t len = big_fill("0\r\na:", 'x', HTTP_CHUNK_TRAILER_MAX - 4, "\r\n\r\n");

	body_is(big, len, "", 0);
	len = big_fill("0\r\na:", 'x', HTTP_CHUNK_TRAILER_MAX - 3, "\r\n\r\n");
	body_breaks(big, len, HTTP_CHUNK_TRAILER_MAX + 4);
	/* The extensions of the last chunk are not counted among them. */
	len = big_fill("0;e\r\na:", 'x', HTTP_CHUNK_TRAILER_MAX - 4, "\r\n\r\n");
	body_is(big, len, "", 0);
}
END_TEST

START_TEST(nothing_is_read_behind_the_end)
{
	struct http_chunked c;
	size_t used;
	char out[4];

	http_chunked_init(&c);
	ck_assert_int_eq(http_chunked_decode(&c, "0\r\n\r\n1", 6, &used, out, 4), 0);
	ck_assert_uint_eq(used, 5);
	ck_assert(c.done);
	ck_assert_int_eq(http_chunked_decode(&c, "1\r\n", 3, &used, out, 4), 0);
	ck_assert_uint_eq(used, 0);
	ck_assert(c.done);
}
END_TEST

START_TEST(what_is_broken_stays_broken)
{
	struct http_chunked c;
	size_t used;
	char out[4];

	http_chunked_init(&c);
	ck_assert_int_eq(http_chunked_decode(&c, "x", 1, &used, out, 4), -1);
	ck_assert_int_eq(http_chunked_decode(&c, "0\r\n\r\n", 5, &used, out, 4), -1);
	ck_assert_int_eq(http_chunked_decode(&c, "", 0, &used, out, 4), -1);
	ck_assert(!c.done);
}
END_TEST

START_TEST(the_end_is_seen_without_room_for_data)
{
	struct http_chunked c;
	size_t used;
	char out[1];

	http_chunked_init(&c);
	ck_assert_int_eq(http_chunked_decode(&c, "1\r\na\r\n0\r\n\r\n", 11, &used, out,
			     1),
	    1);
	ck_assert_uint_eq(used, 11);
	ck_assert(c.done);

	http_chunked_init(&c);
	ck_assert_int_eq(http_chunked_decode(&c, "1\r\na\r\n0\r\n\r\n", 11, &used, NULL,
			     0),
	    0);
	ck_assert_uint_eq(used, 3);
	ck_assert(!c.done);
}
END_TEST

START_TEST(a_body_is_decoded_in_place)
{
	char body[] = "3;x\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
	struct http_chunked c;
	size_t used;

	http_chunked_init(&c);
	ck_assert_int_eq(http_chunked_decode(&c, body, sizeof(body) - 1, &used, body,
			     sizeof(body)),
	    7);
	ck_assert_mem_eq(body, "abcdefg", 7);
	ck_assert_uint_eq(used, sizeof(body) - 1);
	ck_assert(c.done);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http chunked");
	TCase *tc = tcase_create("chunked");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, chunks_are_joined);
	tcase_add_test(tc, sizes_are_hex_in_any_case);
	tcase_add_test(tc, a_size_has_1_to_16_digits);
	tcase_add_test(tc, a_size_does_not_overflow);
	tcase_add_test(tc, lines_end_in_crlf_only);
	tcase_add_test(tc, data_is_as_long_as_its_size_says);
	tcase_add_test(tc, extensions_are_skipped);
	tcase_add_test(tc, extensions_of_a_chunk_have_at_most_1_kib);
	tcase_add_test(tc, each_chunk_has_its_own_limit_of_extensions);
	tcase_add_test(tc, trailers_are_checked_and_dropped);
	tcase_add_test(tc, trailers_have_at_most_8_kib);
	tcase_add_test(tc, nothing_is_read_behind_the_end);
	tcase_add_test(tc, what_is_broken_stays_broken);
	tcase_add_test(tc, the_end_is_seen_without_room_for_data);
	tcase_add_test(tc, a_body_is_decoded_in_place);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
