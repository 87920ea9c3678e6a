/* SPDX-License-Identifier: ISC */
/* Trace contexts, and the phases of a worker's work. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/http.h"
#include "common/phases.h"
#include "common/trace.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static bool
traceparent(const char *value, struct trace *trace)
{
	size_t len = strlen(value);
	char *copy = malloc(len > 0 ? len : 1);
	bool valid;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, value, len);
	valid = trace_parse(copy, len, trace);
	free(copy);
	return valid;
}

START_TEST(a_valid_traceparent_names_trace_and_parent)
{
	static const uint8_t want[16] = { 0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
		0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36 };
	struct trace trace;

	ck_assert(traceparent("00-" TRACE "-" PARENT "-01", &trace));
	ck_assert_mem_eq(trace.id, want, 16);
	ck_assert_uint_eq(trace.parent[1], 0xf0);
	ck_assert_uint_eq(trace.parent[7], 0xb7);
	ck_assert(trace.sampled);
	ck_assert(traceparent("00-" TRACE "-" PARENT "-ff", &trace));
	ck_assert(trace.sampled);
	ck_assert(traceparent("00-" TRACE "-" PARENT "-fe", &trace));
	ck_assert(!trace.sampled);
}
END_TEST

START_TEST(a_later_traceparent_may_be_longer)
{
	struct trace trace;

	ck_assert(traceparent("cc-" TRACE "-" PARENT "-01", &trace));
	ck_assert(traceparent("cc-" TRACE "-" PARENT "-01-what", &trace));
	ck_assert(!traceparent("cc-" TRACE "-" PARENT "-01.what", &trace));
	ck_assert(!traceparent("00-" TRACE "-" PARENT "-01-what", &trace));
}
END_TEST

START_TEST(an_invalid_traceparent_writes_nothing)
{
	static const char *const invalid[] = {
		"",
		"ff-" TRACE "-" PARENT "-01",
		"0-" TRACE "-" PARENT "-011",
		"00_" TRACE "-" PARENT "-01",
		"00-" TRACE "_" PARENT "-01",
		"00-" TRACE "-" PARENT "_01",
		"00-4BF92f3577b34da6a3ce929d0e0e4736-" PARENT "-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473G-" PARENT "-01",
		"00-" TRACE "-00F067aa0ba902b7-01",
		"00-" TRACE "-" PARENT "-0A",
		"00-" TRACE "-" PARENT "-0F",
		"00-" TRACE "-" PARENT "-F0",
		"x0-" TRACE "-" PARENT "-01",
		"0x-" TRACE "-" PARENT "-01",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" TRACE "-0000000000000000-01",
	};
	struct trace trace, before;

	memset(&trace, 0xa5, sizeof(trace));
	memcpy(&before, &trace, sizeof(trace));
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		ck_assert_msg(!traceparent(invalid[i], &trace), "%s", invalid[i]);
	for (size_t len = 0; len < 55; len++)
		ck_assert(!trace_parse("00-" TRACE "-" PARENT "-01", len, &trace));
	ck_assert_mem_eq(&trace, &before, sizeof(trace));
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
	static const uint8_t id[16] = { 1, 2, 0xab }, span[8] = { 0xf0, [7] = 1 };
	char text[TRACE_TEXT_SIZE];
	struct trace trace;

	for (int sampled = 0; sampled <= 1; sampled++) {
		trace_format(text, id, span, sampled == 1);
		ck_assert(trace_parse(text, strlen(text), &trace));
		ck_assert_mem_eq(trace.id, id, sizeof(id));
		ck_assert_mem_eq(trace.parent, span, sizeof(span));
		ck_assert_int_eq(trace.sampled, sampled);
	}
	ck_assert_str_eq(text, "00-0102ab00000000000000000000000000-f000000000000001-01");
}
END_TEST

static bool
trace_of(const char *fields, struct trace *trace)
{
	static struct http_head head;
	char text[512] = "GET / HTTP/1.0\r\n";

	strcat(text, fields);
	strcat(text, "\r\n");
	ck_assert_int_eq(http_head_parse(&head, text, strlen(text)), HTTP_OK);
	return trace_find(head.fields, head.field_count, text, trace);
}

START_TEST(two_traceparents_are_as_good_as_none)
{
	struct trace trace;

	ck_assert(trace_of("A: b\r\nTraceParent: 00-" TRACE "-" PARENT "-01\r\nC: d\r\n",
	    &trace));
	ck_assert(!trace_of("traceparent: 00-" TRACE "-" PARENT "-01\r\nA: b\r\n"
			    "traceparent: 00-" TRACE "-" PARENT "-01\r\n",
	    &trace));
	ck_assert(!trace_of("A: b\r\n", &trace));
}
END_TEST

START_TEST(phases_are_read_as_they_were_written)
{
	struct phases phases = { 0 }, again;
	char text[LEASE_PHASES_SIZE];
	size_t len;

	ck_assert(phases_add(&phases, "db", 5));
	ck_assert(phases_add(&phases, "render", 0));
	ck_assert(phases_add(&phases, "db", 7));
	len = phases_format(&phases, text);
	ck_assert_uint_eq(len, strlen("db=12,render=0"));
	ck_assert_mem_eq(text, "db=12,render=0", len);
	ck_assert(phases_parse(&again, text, len));
	ck_assert_uint_eq(again.count, 2);
	ck_assert_str_eq(again.list[0].name, "db");
	ck_assert_uint_eq(again.list[0].us, 12);
	ck_assert_str_eq(again.list[1].name, "render");
	ck_assert(phases_parse(&again, text, 0));
	ck_assert_uint_eq(again.count, 0);
}
END_TEST

START_TEST(the_longest_phases_fit)
{
	struct phases phases = { 0 }, again;
	char text[LEASE_PHASES_SIZE], name[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0";

	ck_assert_uint_eq(strlen(name), LEASE_PHASE_NAME_MAX);
	for (int i = 0; i < LEASE_PHASES_MAX; i++) {
		name[31] = (char)('0' + i);
		ck_assert(phases_name_valid(name));
		ck_assert(phases_add(&phases, name, UINT64_MAX));
		ck_assert(phases_add(&phases, name, UINT64_MAX));
		ck_assert_uint_eq(phases.list[i].us, UINT32_MAX);
	}
	ck_assert(!phases_add(&phases, "another", 1));
	ck_assert(phases_parse(&again, text, phases_format(&phases, text)));
	ck_assert_uint_eq(again.count, LEASE_PHASES_MAX);
	ck_assert_uint_eq(again.list[7].us, UINT32_MAX);
}
END_TEST

START_TEST(what_is_no_list_of_phases_is_dropped_whole)
{
	static const char *const bad[] = { "db", "db=", "=1", "db=1,", ",db=1",
		"db=1,,a=2", "db=1;a=2", "db=01", "db=-1", "db=+1", "db= 1", "db=1 ",
		"d b=1", "db=4294967296", "db=99999999999999999999999", "db=1,db=2",
		"a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=1", "d\"b=1", "db=1\n", "a=1=2" };
	struct phases phases;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(!phases_parse(&phases, bad[i], strlen(bad[i])), "%s",
		    bad[i]);
		ck_assert_uint_eq(phases.count, 0);
	}
	ck_assert(!phases_parse(&phases, "a=1\0", 4));
	ck_assert(phases_parse(&phases, "a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8", 31));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("trace");
	TCase *context = tcase_create("trace context"), *phases = tcase_create("phases");
	SRunner *runner;
	int failed;

	tcase_add_test(context, a_valid_traceparent_names_trace_and_parent);
	tcase_add_test(context, a_later_traceparent_may_be_longer);
	tcase_add_test(context, an_invalid_traceparent_writes_nothing);
	tcase_add_test(context, what_is_written_is_read_again);
	tcase_add_test(context, two_traceparents_are_as_good_as_none);
	tcase_add_test(phases, phases_are_read_as_they_were_written);
	tcase_add_test(phases, the_longest_phases_fit);
	tcase_add_test(phases, what_is_no_list_of_phases_is_dropped_whole);
	suite_add_tcase(suite, context);
	suite_add_tcase(suite, phases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
