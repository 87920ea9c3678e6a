/* SPDX-License-Identifier: ISC */
/*
 * How the rules of request heads are tested.  Each head is tried whole and cut
 * off at each byte, in a buffer that ends where the bytes end, so that ASan
 * sees a byte read too many.
 */
#ifndef CHECK_HEAD_H
#define CHECK_HEAD_H

#include "common/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define HOST "Host: a\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define OLD  "GET / HTTP/1.0\r\n"

static struct http_head head;
static const char *parsed; /* what head was parsed from */

static enum http_result
parse_cut(const char *text, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	enum http_result result;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	memset(&head, 0xa5, sizeof(head));
	result = http_head_parse(&head, copy, len);
	free(copy);
	parsed = text;
	return result;
}

/* Whole: accepted, whatever follows.  Cut off: more is needed. */
static void
good_bytes(const char *text, size_t len)
{
	char *longer = malloc(len + 2);

	ck_assert_ptr_nonnull(longer);
	memcpy(longer, text, len);
	memcpy(longer + len, "\0\n", 2);
	ck_assert_int_eq(parse_cut(longer, len + 2), HTTP_OK);
	ck_assert_uint_eq(head.head_len, len);
	free(longer);

	for (size_t cut = 0; cut < len; cut++)
		ck_assert_msg(parse_cut(text, cut) == HTTP_MORE,
		    "cut at %zu: status %u (%s)", cut, head.status,
		    head.reason ? head.reason : "");
	ck_assert_msg(parse_cut(text, len) == HTTP_OK, "%u %s: %s", head.status,
	    head.reason ? head.reason : "", text);
	ck_assert_uint_eq(head.head_len, len);
	ck_assert_uint_eq(head.status, 0);
	ck_assert_ptr_null(head.reason);
}

/*
 * Refused with status as soon as proof bytes are there (0: at the latest when
 * all are), and with the same status however many follow.
 */
static void
bad_bytes(unsigned status, const char *text, size_t len, size_t proof)
{
	bool refused = false;

	for (size_t cut = 0; cut <= len; cut++) {
		enum http_result result = parse_cut(text, cut);

		ck_assert_int_ne(result, HTTP_OK);
		if (result == HTTP_MORE) {
			ck_assert_msg(!refused, "refused, then not, at %zu", cut);
			continue;
		}
		ck_assert_msg(head.status == status, "%u, not %u, at %zu: %s",
		    head.status, status, cut, text);
		ck_assert_ptr_nonnull(head.reason);
		if (!refused && proof != 0)
			ck_assert_uint_eq(cut, proof);
		refused = true;
	}
	ck_assert_msg(refused, "taken: %s", text);
}

#define good(text)	  good_bytes(text, sizeof(text) - 1)
#define bad(status, text) bad_bytes(status, text, sizeof(text) - 1, 0)
/* The last byte of proof is what proves it; rest may follow. */
#define bad_at(status, proof, rest) \
	bad_bytes(status, proof rest, sizeof(proof rest) - 1, sizeof(proof) - 1)

#define ck_span(span, text)                                                \
	do {                                                               \
		ck_assert_uint_eq((span).len, strlen(text));               \
		ck_assert_mem_eq(parsed + (span).off, text, strlen(text)); \
	} while (0)

struct head_case {
	const char *name;
	void (*add)(TCase *); /* its tests */
};

/* Runs all cases; returns the exit status. */
static int
head_run(const char *suite_name, const struct head_case *cases, size_t count)
{
	Suite *suite = suite_create(suite_name);
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < count; i++) {
		TCase *tc = tcase_create(cases[i].name);

		cases[i].add(tc);
		suite_add_tcase(suite, tc);
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
