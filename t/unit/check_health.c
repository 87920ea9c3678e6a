/* SPDX-License-Identifier: ISC */
/* What a health check expects, and how an answer is taken apart and judged. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/answer.h"
#include "supervisor/expect.h"

static char why[CONFIG_WHY_SIZE], got[EXPECT_GOT_SIZE];

START_TEST(values_that_are_none_are_refused)
{
	static const char *const bad[] = { "", "ok", "20", "2000", "099", "600", "2x",
		"6xx", "0xx", "200,", ",200", "200-", "-200", "399-200", "200 ok",
		"200 \"ok", "200 \"\"", "200 \"ok\" x", "\"ok\"", "200 201", "2xx-3xx",
		"200-600", "200,200,200,200,200,200,200,200,200" };
	struct expect expect;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		ck_assert_msg(!expect_parse(&expect, bad[i], why), "%s", bad[i]);
		ck_assert_msg(why[0] != '\0', "%s", bad[i]);
	}
}
END_TEST

/* Feeds text in pieces of step bytes; returns whether more is wanted. */
static bool
feed(struct answer *answer, const char *text, size_t len, size_t step)
{
	bool more = true;
	size_t room, n;
	char *buf;

	for (size_t i = 0; i < len && more; i += n) {
		buf = answer_room(answer, &room);
		if (buf == NULL)
			return more;
		n = len - i < step ? len - i : step;
		if (n > room)
			n = room;
		memcpy(buf, text + i, n);
		more = answer_add(answer, n);
	}
	return more;
}

/* The verdict on text, which must not depend on how it comes. */
static bool
judged(const char *value, const char *text, size_t len)
{
	static const size_t steps[] = { 1, 2, 3, 7, 1000000 };
	char first[EXPECT_GOT_SIZE] = "";
	struct expect expect;
	struct answer answer;
	bool passed = false, one;

	ck_assert_msg(expect_parse(&expect, value, why), "%s: %s", value, why);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		answer_init(&answer);
		feed(&answer, text, len, steps[i]);
		one = expect_judge(&expect, &answer, got);
		answer_free(&answer);
		if (i == 0) {
			passed = one;
			strcpy(first, got);
		}
		ck_assert_msg(one == passed && strcmp(first, got) == 0,
		    "%s in steps of %zu: %s, not %s", text, steps[i], got, first);
	}
	return passed;
}

#define passes(value, text) ck_assert_msg(judged(value, text, strlen(text)), "%s", got)
#define fails(value, text, what)                                               \
	do {                                                                   \
		ck_assert_msg(!judged(value, text, strlen(text)), "%s", text); \
		ck_assert_str_eq(got, what);                                   \
	} while (0)

#define OK "HTTP/1.1 200 OK\r\n"

START_TEST(a_status_is_a_number_a_class_or_a_range)
{
	passes("200", OK "Content-Length: 0\r\n\r\n");
	passes("2xx", OK "\r\n");
	passes("200-399", OK "\r\n");
	passes("404, 200", OK "\r\n");
	passes("200-399", "HTTP/1.0 302\r\nLocation: /\r\n\r\n");
	fails("201", OK "\r\n", "status 200");
	fails("2xx", "HTTP/1.1 300 x\r\n\r\n", "status 300");
	fails("200-399", "HTTP/1.1 503 Unwell\r\nContent-Length: 1\r\n\r\nx",
	    "status 503");
}
END_TEST

START_TEST(the_text_may_be_asked_for)
{
	passes("200 \"ok\"", OK "Content-Length: 5\r\n\r\nis ok");
	passes("200 \"ok\"", OK "\r\nok");
	passes("200\"say \"ok\" \"", OK "\r\nsay \"ok\" ");
	passes("2xx, 404  \"ok\"",
	    OK "Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x\r\nk\r\n0\r\n\r\n");
	fails("200 \"ok\"", OK "X: ok\r\n\r\nno", "status 200 without the text \"ok\"");
	fails("200 \"ok\"", "HTTP/1.1 500 ok\r\n\r\nok", "status 500");
	fails("204 \"ok\"", "HTTP/1.1 204 No\r\n\r\n",
	    "status 204 without the text \"ok\"");
}
END_TEST

START_TEST(an_answer_must_be_complete)
{
	fails("200", "", "no answer");
	fails("200", "HTTP/1.1 200 OK\r\nX", "an answer that ends in its head");
	fails("200", OK "Content-Length: 3\r\n\r\nok",
	    "status 200 and an answer that is not complete");
	fails("200", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
	    "status 200 and an answer that is not complete");
	passes("204", "HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n");
}
END_TEST

START_TEST(interim_responses_do_not_count)
{
	passes("200",
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" OK
	    "\r\n");
	fails("200", "HTTP/1.1 100 Continue\r\n\r\n", "an answer that ends in its head");
}
END_TEST

START_TEST(what_is_not_http_is_said_to_be_so)
{
	static const char *const bad[] = { "hello\r\n\r\n", "\r\n\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1  200\r\n\r\n", "HTTP/1.1 2000\r\n\r\n",
		"HTTP/1.1 099 x\r\n\r\n", OK "no colon\r\n\r\n" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(!judged("200-599", bad[i], strlen(bad[i])), "%s", bad[i]);
		ck_assert_msg(strstr(got, "not HTTP") != NULL, "%s: %s", bad[i], got);
	}
	ck_assert(!judged("200", OK "Content-Length: 1x\r\n\r\n1", 38));
	ck_assert(!judged("200", OK "Content-Length: 9999999999999999999\r\n\r\n", 57));
	ck_assert(!judged("200", OK "Transfer-Encoding: gzip\r\n\r\n", 44));
	ck_assert(!judged("200", OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", 50));
}
END_TEST

START_TEST(no_more_is_read_than_64_kib)
{
	struct answer answer;
	struct expect expect;
	static char text[100000];
	size_t room;

	memset(text, 'x', sizeof(text));
	ck_assert(!judged("200", text, sizeof(text)));
	ck_assert_str_eq(got, "a head that does not end");

	/* of a longer body the first part is judged */
	memcpy(text, OK "Content-Length: 1000000\r\n\r\nok", 46);
	ck_assert(judged("200 \"ok\"", text, sizeof(text)));
	answer_init(&answer);
	ck_assert(feed(&answer, text, sizeof(text), 1000));
	ck_assert_uint_eq(answer.total, ANSWER_MAX);
	ck_assert_ptr_null(answer_room(&answer, &room));
	ck_assert(expect_parse(&expect, "200 \"y\"", why));
	ck_assert(!expect_judge(&expect, &answer, got));
	answer_free(&answer);
}
END_TEST

START_TEST(an_answer_ends_where_its_length_says)
{
	struct answer answer;
	static const char whole[] = OK "Content-Length: 2\r\n\r\nok";

	answer_init(&answer);
	ck_assert(feed(&answer, whole, strlen(whole) - 1, 5));
	ck_assert(!feed(&answer, "k", 1, 1));
	answer_free(&answer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("health");
	TCase *tcase = tcase_create("health");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, values_that_are_none_are_refused);
	tcase_add_test(tcase, a_status_is_a_number_a_class_or_a_range);
	tcase_add_test(tcase, the_text_may_be_asked_for);
	tcase_add_test(tcase, an_answer_must_be_complete);
	tcase_add_test(tcase, interim_responses_do_not_count);
	tcase_add_test(tcase, what_is_not_http_is_said_to_be_so);
	tcase_add_test(tcase, no_more_is_read_than_64_kib);
	tcase_add_test(tcase, an_answer_ends_where_its_length_says);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
