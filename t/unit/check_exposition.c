/* SPDX-License-Identifier: ISC */
/* Metrics as text: names, labels with anything in them, histograms. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/exposition.h"

/* The text of families that are written in JSON. */
static char *
text_of(const char *families)
{
	json_t *json = json_loads(families, 0, NULL);
	size_t len = 0;
	char *text;

	ck_assert_ptr_nonnull(json);
	text = exposition_text(json, &len);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(len, strlen(text));
	json_decref(json);
	return text;
}

static void
is_text(const char *families, const char *expected)
{
	char *text = text_of(families);

	ck_assert_str_eq(text, expected);
	free(text);
}

START_TEST(a_family_has_help_type_and_samples)
{
	is_text("[{\"name\":\"a_total\",\"type\":\"counter\",\"help\":\"What.\","
		"\"samples\":[{\"labels\":{},\"value\":3},"
		"{\"labels\":{\"x\":\"1\",\"y\":\"2\"},\"value\":0.25}]}]",
	    "# HELP a_total What.\n# TYPE a_total counter\n"
	    "a_total 3\na_total{x=\"1\",y=\"2\"} 0.25\n");
}
END_TEST

START_TEST(what_would_end_a_label_or_a_line_is_escaped)
{
	is_text("[{\"name\":\"a\",\"type\":\"gauge\",\"help\":\"b\\\\c\\nd \\\"e\\\"\","
		"\"samples\":[{\"labels\":{\"x\":\"q\\\"b\\\\n\\ne\"},\"value\":1}]}]",
	    "# HELP a b\\\\c\\nd \"e\"\n# TYPE a gauge\na{x=\"q\\\"b\\\\n\\ne\"} 1\n");
}
END_TEST

START_TEST(a_histogram_has_buckets_sum_and_count)
{
	is_text("[{\"name\":\"h\",\"type\":\"histogram\",\"help\":\"H.\","
		"\"samples\":[{\"labels\":{\"s\":\"a\"},\"buckets\":[[0.0005,1],[2.5,2]],"
		"\"sum\":7.5,\"count\":3},"
		"{\"labels\":{},\"buckets\":[],\"sum\":0.0,\"count\":0}]}]",
	    "# HELP h H.\n# TYPE h histogram\n"
	    "h_bucket{s=\"a\",le=\"0.0005\"} 1\nh_bucket{s=\"a\",le=\"2.5\"} 2\n"
	    "h_bucket{s=\"a\",le=\"+Inf\"} 3\nh_sum{s=\"a\"} 7.5\nh_count{s=\"a\"} 3\n"
	    "h_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0\n");
}
END_TEST

START_TEST(large_counters_keep_all_their_digits)
{
	is_text("[{\"name\":\"a\",\"type\":\"counter\",\"help\":\"A.\","
		"\"samples\":[{\"labels\":{},\"value\":9223372036854775807}]}]",
	    "# HELP a A.\n# TYPE a counter\na 9223372036854775807\n");
}
END_TEST

START_TEST(what_is_not_of_the_form_is_left_out)
{
	is_text("[]", "");
	is_text("[1,{\"name\":\"a\"},{\"name\":\"a\",\"type\":\"gauge\",\"samples\":[]},"
		"{\"name\":\"b\",\"type\":\"gauge\",\"samples\":[{\"labels\":{}},"
		"{\"value\":\"x\"},{\"labels\":{},\"value\":1}]},"
		"{\"name\":\"c\",\"type\":\"histogram\",\"samples\":[{\"labels\":{}}]}]",
	    "# TYPE b gauge\nb 1\n# TYPE c histogram\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("exposition");
	TCase *tc = tcase_create("exposition");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, a_family_has_help_type_and_samples);
	tcase_add_test(tc, what_would_end_a_label_or_a_line_is_escaped);
	tcase_add_test(tc, a_histogram_has_buckets_sum_and_count);
	tcase_add_test(tc, large_counters_keep_all_their_digits);
	tcase_add_test(tc, what_is_not_of_the_form_is_left_out);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
