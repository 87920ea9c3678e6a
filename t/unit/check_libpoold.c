/* SPDX-License-Identifier: ISC */
/* libpoold: its parts that need no process; libpoold_*.c have the others. */
#include "libpoold_rig.h"

#include <stdlib.h>
#include <string.h>

#include "libpoold/internal.h"

START_TEST(parameters_are_decoded)
{
	struct pairs pairs = { 0 };
	static const char text[] = "a=1+2&b&&=x&c=%41%zz%4&d=%00&a=3&e=%C3%A9";

	ck_assert_int_eq(pairs_parse(&pairs, text, strlen(text)), 0);
	ck_assert_str_eq(pairs_find(&pairs, "a"), "1 2");
	ck_assert_str_eq(pairs_find(&pairs, "b"), "");
	ck_assert_str_eq(pairs_find(&pairs, ""), "x");
	ck_assert_str_eq(pairs_find(&pairs, "c"), "A%zz%4");
	ck_assert_str_eq(pairs_find(&pairs, "d"), "%00");
	ck_assert_str_eq(pairs_find(&pairs, "e"), "\xc3\xa9");
	ck_assert_ptr_null(pairs_find(&pairs, "f"));
	free(pairs.text);
}
END_TEST

START_TEST(the_longest_parameters_fit)
{
	struct pairs pairs = { 0 };
	char text[4001];

	for (int i = 0; i < 4001; i++)
		text[i] = i % 2 == 0 ? 'a' : '&';
	ck_assert_int_eq(pairs_parse(&pairs, text, sizeof(text)), 0);
	ck_assert_uint_le(pairs.len, pairs.size);
	ck_assert_str_eq(pairs_find(&pairs, "a"), "");
	free(pairs.text);
}
END_TEST

START_TEST(dates_are_formatted_and_parsed)
{
	char buf[POOLD_DATE_SIZE];

	poold_format_date(784111777, buf);
	ck_assert_str_eq(buf, "Sun, 06 Nov 1994 08:49:37 GMT");
	ck_assert_int_eq(poold_parse_date(buf), 784111777);
	ck_assert_int_eq(poold_parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	ck_assert_int_eq(poold_parse_date("Sun Nov  6 08:49:37 1994"), 784111777);
	ck_assert_int_eq(poold_parse_date("Thu, 29 Feb 2024 00:00:00 GMT"), 1709164800);
}
END_TEST

START_TEST(what_is_no_date_is_refused)
{
	static const char *const bad[] = { "", "now", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT", "Wed, 29 Feb 2023 00:00:00 GMT",
		"784111777" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(poold_parse_date(bad[i]) == -1, "%s", bad[i]);
}
END_TEST

static char logged[LOG_LINE_MAX + 1];

static void
log_keep(const char *line, void *arg)
{
	(void)arg;
	snprintf(logged, sizeof(logged), "%s", line);
}

START_TEST(a_log_line_is_one_bounded_line)
{
	char large[2 * LOG_LINE_MAX];

	poold_set_log(log_keep, NULL);
	poold_log(NULL, "a\nb\x1b[2J\n");
	ck_assert_str_eq(logged, "a\\x0ab\\x1b[2J");
	memset(large, '\n', sizeof(large));
	large[0] = 'x';
	large[sizeof(large) - 2] = 'y';
	large[sizeof(large) - 1] = '\0';
	poold_log(NULL, "%s", large);
	ck_assert_uint_lt(strlen(logged), LOG_LINE_MAX);
	poold_set_log(NULL, NULL);
}
END_TEST

static void
suite_parts(Suite *suite)
{
	CASE(suite, "parts", NULL, parameters_are_decoded, the_longest_parameters_fit,
	    dates_are_formatted_and_parsed, what_is_no_date_is_refused,
	    a_log_line_is_one_bounded_line);
}

int
main(void)
{
	Suite *suite = suite_create("libpoold");
	SRunner *runner;
	int failed;

	suite_request(suite);
	suite_contract(suite);
	suite_own(suite);
	suite_many(suite);
	suite_timing(suite);
	suite_parts(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
