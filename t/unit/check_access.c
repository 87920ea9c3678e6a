/* SPDX-License-Identifier: ISC */
/* Formats of access logs, and the lines that are written by them. */
#include <arpa/inet.h>
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http.h"
#include "common/lease_head.h"
#include "common/util.h"
#include "router/access_line.h"

static struct http_head head;
static struct lease_msg msg;
static struct lease_addr client, local;
static struct access_times times;
static struct phases phases;
static struct access_entry entry;
static struct access_clock hours;
static char line[ACCESS_LINE_MAX + 1];

static struct lease_addr
address(const char *text, uint16_t port)
{
	struct lease_addr addr = { .family = LEASE_FAMILY_INET6, .port = port };

	if (inet_pton(AF_INET6, text, addr.addr) == 1)
		return addr;
	addr.family = LEASE_FAMILY_INET;
	ck_assert_int_eq(inet_pton(AF_INET, text, addr.addr), 1);
	return addr;
}

/* A request that a worker answered. */
static void
entry_make(const char *text, size_t len)
{
	ck_assert_int_eq(http_head_parse(&head, text, len), HTTP_OK);
	memset(&msg, 0, sizeof(msg));
	lease_head_fill(&msg, &head, text, 6);
	memset(msg.request_id, 0xab, sizeof(msg.request_id));
	memset(msg.span_id, 0xcd, sizeof(msg.span_id));
	msg.prefix_len = 4;
	msg.accepted_ns = util_now_ns() - 5 * MS_NS;
	client = address("192.0.2.7", 1234);
	local = address("::1", 8080);
	times = (struct access_times){ 12000, 3400000, 1234567890 };
	entry = (struct access_entry){ .client = &client,
		.local = &local,
		.listener = "main",
		.head = text,
		.head_len = len,
		.msg = &msg,
		.parsed = true,
		.fields = head.fields,
		.path = "/api/a",
		.service = "search",
		.times = &times,
		.status = 200,
		.bytes = 1234,
		.pid = 4711,
		.slot = 3,
		.number = 2,
		.keep = true };
}

#define HEAD                                                                       \
	"GET /api/%61?q=1 HTTP/1.1\r\nHost: example.org\r\nReferer: http://a/\r\n" \
	"User-Agent: curl \"8\"\r\nX-Forwarded-For: 10.0.0.1\r\n"                  \
	"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"

static void
setup(void)
{
	entry_make(HEAD, strlen(HEAD));
	setenv("TZ", "UTC", 1);
}

static struct access_format *
compile(const char *text)
{
	char unknown[ACCESS_WORD_SIZE], *why = NULL;
	struct access_format *format = access_format_compile(text, &why, unknown);

	ck_assert_msg(format != NULL, "%s: %s", text, why != NULL ? why : "?");
	return format;
}

/* The line of the entry, without its newline. */
static const char *
written(const char *text)
{
	struct access_format *format = compile(text);
	size_t len = access_line_write(line, format, &entry, &hours);

	access_format_free(format);
	ck_assert_uint_le(len, ACCESS_LINE_MAX);
	ck_assert_int_eq(line[len - 1], '\n');
	line[len - 1] = '\0';
	ck_assert_uint_eq(strlen(line), len - 1);
	ck_assert_ptr_null(strpbrk(line, "\r\n\033"));
	return line;
}

static json_t *
object(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(written(text), JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(json != NULL, "%s: %s", error.text, line);
	return json;
}

#define ck_assert_line(format, wanted) ck_assert_str_eq(written(format), wanted)

START_TEST(each_name_has_its_value)
{
	ck_assert_line("$remote_addr $remote_port $local_addr $local_port $listener",
	    "192.0.2.7 1234 ::1 8080 main");
	ck_assert_line("$method $target $path $query $protocol $host",
	    "GET /api/%61?q=1 /api/a q=1 HTTP/1.1 example.org");
	ck_assert_line("\"$request\" $status $bytes",
	    "\"GET /api/%61?q=1 HTTP/1.1\" 200 1234");
	ck_assert_line("$referer|$http_referer|$http_x_forwarded_for|$http_none",
	    "http://a/|http://a/|10.0.0.1|-");
	ck_assert_line("$service $route $worker_pid $worker_slot $retries",
	    "search /api 4711 3 0");
	ck_assert_line("$request_id $trace_id $span_id $parent_id $sampled",
	    "abababababababababababababababab abababababababababababababababab "
	    "cdcdcdcdcdcdcdcd b7ad6b7169203331 1");
	ck_assert_line("$router_time $queue_time $service_time $total_time",
	    "0.000012 0.003400 1.234567 1.237979");
	ck_assert_line("$by $reason $request_number $keep", "worker - 2 1");
}
END_TEST

START_TEST(every_name_can_be_had)
{
	char text[80];

	for (size_t i = 0; access_format_name(i) != NULL; i++) {
		snprintf(text, sizeof(text), "<$%s>",
		    strcmp(access_format_name(i), "http_NAME") == 0 ?
			"http_host" :
			access_format_name(i));
		ck_assert_msg(strlen(written(text)) > 2, "%s", text);
		snprintf(text, sizeof(text), "json %s",
		    strcmp(access_format_name(i), "http_NAME") == 0 ?
			"http_host" :
			access_format_name(i));
		json_decref(object(text));
	}
}
END_TEST

START_TEST(times_of_day_have_their_forms)
{
	uint64_t ms, start;
	int n = 0;

	ck_assert_int_eq(sscanf(written("$time_local"),
			     "%*2d/%*3[A-Z a-z]/%*4d:%*2d:%*2d:%*2d +0000%n", &n),
	    0);
	ck_assert_uint_eq(strlen(line), 26);
	written("$time_iso8601");
	ck_assert_uint_eq(strlen(line), strlen("2026-11-22T08:30:00.123+00:00"));
	ck_assert_str_eq(line + 23, "+00:00");
	ms = strtoull(written("$time_ms"), NULL, 10);
	ck_assert_uint_gt(ms, 1700000000000ULL);
	start = strtoull(written("$start_ns"), NULL, 10);
	ck_assert_uint_le(start / 1000000, ms - 4);
	ck_assert_uint_gt(start / 1000000, ms - 60000);
}
END_TEST

START_TEST(what_is_not_known_is_a_dash_or_null)
{
	static const char nonsense[] = "NONSENSE\r\n\r\n";
	json_t *json;

	entry.head = nonsense;
	entry.head_len = strlen(nonsense);
	entry.parsed = false;
	entry.fields = NULL;
	entry.path = entry.service = NULL;
	entry.times = NULL;
	entry.pid = 0;
	entry.slot = ACCESS_NO_SLOT;
	entry.by_router = true;
	entry.reason = "no HTTP";
	entry.status = 400;
	ck_assert_line("\"$request\" $method $target $path $query $protocol $host $route "
		       "$referer $service $worker_pid $worker_slot $parent_id "
		       "$router_time $total_time $phases $by \"$reason\"",
	    "\"NONSENSE\" - - - - - - - - - - - - - - - router \"no HTTP\"");
	json = object("json");
	ck_assert(json_is_null(json_object_get(json, "method")));
	ck_assert(json_is_null(json_object_get(json, "service")));
	ck_assert(json_is_null(json_object_get(json, "worker_pid")));
	ck_assert(json_is_null(json_object_get(json, "queue_time")));
	ck_assert(json_is_null(json_object_get(json, "phases")));
	ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), 400);
	json_decref(json);
	entry.head_len = 0;
	ck_assert_line("\"$request\"", "\"-\"");
}
END_TEST

START_TEST(the_named_formats_are_what_they_are_called)
{
	const char *tail;

	written("combined");
	ck_assert_ptr_eq(strstr(line, "192.0.2.7 - - ["), line);
	ck_assert_ptr_nonnull(tail = strchr(line, ']'));
	ck_assert_str_eq(tail,
	    "] \"GET /api/%61?q=1 HTTP/1.1\" 200 1234 \"http://a/\" \"curl \\x228\\x22\"");
	written("poold");
	ck_assert_ptr_nonnull(tail = strstr(line, "\\x228\\x22\""));
	ck_assert_str_eq(tail,
	    "\\x228\\x22\" search 4711 queue=0.003400 service=1.234567 "
	    "id=abababababababababababababababab");
}
END_TEST

START_TEST(json_has_numbers_texts_and_truths)
{
	json_t *json;

	ck_assert(phases_add(&phases, "db", 1200));
	ck_assert(phases_add(&phases, "a.b", 5));
	entry.phases = &phases;
	json = object("json");
	ck_assert_str_eq(json_string_value(json_object_get(json, "user_agent")),
	    "curl \"8\"");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "worker_pid")), 4711);
	ck_assert_double_eq_tol(json_real_value(json_object_get(json, "total_time")),
	    1.237979, 1e-9);
	ck_assert(json_is_true(json_object_get(json, "keep")));
	ck_assert_double_eq_tol(json_real_value(
				    json_object_get(json_object_get(json, "phases"),
					"db")),
	    0.0012, 1e-9);
	json_decref(json);
	ck_assert_line("$phases", "db=0.001200,a.b=0.000005");
	ck_assert_line("json status  http_x_forwarded_for",
	    "{\"status\":200,\"http_x_forwarded_for\":\"10.0.0.1\"}");
	phases.count = 0;
}
END_TEST

/* A head whose field X has every byte that a value may have, and then some. */
static size_t
hostile_head(char *text, size_t size, const char *value, size_t len)
{
	size_t at = (size_t)snprintf(text, size, "GET /api/a HTTP/1.0\r\nX: ");

	memcpy(text + at, value, len);
	memcpy(text + at + len, "\r\n\r\n", 4);
	return at + len + 4;
}

START_TEST(bytes_from_outside_cannot_leave_their_place)
{
	char text[600], value[256], *at;
	json_t *json;
	size_t len;

	for (int i = 0; i < 256; i++)
		value[i] = (char)i;
	/* the parser lets no such head pass; what is logged must not depend on it */
	len = hostile_head(text, sizeof(text), "", 0);
	entry_make(text, len);
	at = text + 200;
	memcpy(at, value, sizeof(value));
	head.fields[0].value = (struct lease_span){ 200, 256 };
	written("a $http_x b");
	ck_assert_ptr_null(strchr(line + 2, '"'));
	ck_assert_ptr_eq(strchr(line + 2, ' '), line + strlen(line) - 2);
	ck_assert_ptr_nonnull(strstr(line, "\\x00\\x01"));
	ck_assert_ptr_nonnull(strstr(line, "\\x20!\\x22#"));
	written("\"$http_x\"");
	ck_assert_ptr_eq(strchr(line + 1, '"'), line + strlen(line) - 1);
	ck_assert_ptr_nonnull(strstr(line, " !\\x22#"));
	json = object("json http_x status");
	ck_assert_uint_gt(json_string_length(json_object_get(json, "http_x")), 256);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), 200);
	json_decref(json);
}
END_TEST

START_TEST(json_keeps_utf8_and_marks_what_is_none)
{
	static const struct {
		const char *value, *wanted;
	} cases[] = {
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\xfc", "\xef\xbf\xbd" },
		{ "a\xc3", "a\xef\xbf\xbd" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc2\x9b", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80",
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\\\"/\t", "\\\"/\t" },
	};
	char text[200];
	json_t *json;
	size_t len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		len = hostile_head(text, sizeof(text), "xxxxxxxx", 8);
		entry_make(text, len);
		head.fields[0].value.len = (uint16_t)strlen(cases[i].value);
		memcpy(text + head.fields[0].value.off, cases[i].value,
		    strlen(cases[i].value));
		json = object("json http_x");
		ck_assert_str_eq(json_string_value(json_object_get(json, "http_x")),
		    cases[i].wanted);
		json_decref(json);
	}
}
END_TEST

START_TEST(long_values_are_cut_and_the_line_goes_on)
{
	static char text[20000], value[16000], format[400];
	const char *end;
	json_t *json;
	size_t len;

	for (int c = 0; c < 3; c++) {
		memset(value, "x\x01\xc3"[c], sizeof(value));
		len = hostile_head(text, sizeof(text), "", 0);
		entry_make(text, len);
		memcpy(text + 100, value, sizeof(value));
		head.fields[0].value = (struct lease_span){ 100, sizeof(value) };
		written("$http_x $status");
		ck_assert_uint_le(strlen(line), ACCESS_VALUE_MAX + 4);
		ck_assert_uint_ge(strlen(line), ACCESS_VALUE_MAX);
		ck_assert_str_eq(line + strlen(line) - 4, " 200");
		strcpy(format, "\"");
		for (int i = 0; i < 30; i++)
			strcat(format, "$http_x ");
		strcat(format, "\" $status $request_id end");
		written(format);
		ck_assert_uint_gt(strlen(line), ACCESS_LINE_MAX - 200);
		end = strstr(line, " 200 abababababababababababababababab end");
		ck_assert_ptr_nonnull(end);
		json = object("json http_x status");
		ck_assert_int_eq(json_integer_value(json_object_get(json, "status")),
		    200);
		json_decref(json);
	}
}
END_TEST

START_TEST(what_is_no_format_is_refused_with_a_reason)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "$nothing", "unknown name 'nothing'" },
		{ "$remote_addr $Status",
		    "a '$' has no name behind it ($$ is a dollar sign)" },
		{ "$", "a '$' has no name behind it ($$ is a dollar sign)" },
		{ "a $ b", "a '$' has no name behind it ($$ is a dollar sign)" },
		{ "", "it is empty" },
		{ "json status $bytes", "unknown name '$bytes'" },
		{ "json status status", "'status' stands there twice" },
		{ "json  ", "it is empty" },
		{ "$http_", "unknown name 'http_'" },
	};
	char unknown[ACCESS_WORD_SIZE], *why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		ck_assert_ptr_null(access_format_compile(bad[i].text, &why, unknown));
		ck_assert_str_eq(why, bad[i].why);
		free(why);
	}
	ck_assert_line("$$5 $status$$ 100%", "$5 200$ 100%");
}
END_TEST

START_TEST(a_format_is_as_long_as_its_lines_may_be)
{
	static char text[70000];
	char unknown[ACCESS_WORD_SIZE], *why = NULL;
	size_t n;

	/* each may be long, none has to be */
	for (n = 0; n < 120; n++)
		strcat(text, "$target ");
	access_format_free(compile(text));
	text[0] = '\0';
	for (n = 0; n < 30; n++)
		strcat(text, "$phases ");
	ck_assert_ptr_null(access_format_compile(text, &why, unknown));
	ck_assert_str_eq(why, "its lines may be longer than 8192 bytes");
	free(why);
	memset(text, 'x', sizeof(text) - 1);
	ck_assert_ptr_null(access_format_compile(text, &why, unknown));
	free(why);
	text[0] = '\0';
	for (n = 0; n < 300; n++)
		strcat(text, "$status ");
	ck_assert_ptr_null(access_format_compile(text, &why, unknown));
	ck_assert_str_eq(why, "it has too many parts");
	free(why);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("access");
	TCase *format = tcase_create("format"), *lines = tcase_create("line");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(format, setup, NULL);
	tcase_add_checked_fixture(lines, setup, NULL);
	tcase_add_test(format, each_name_has_its_value);
	tcase_add_test(format, every_name_can_be_had);
	tcase_add_test(format, times_of_day_have_their_forms);
	tcase_add_test(format, the_named_formats_are_what_they_are_called);
	tcase_add_test(format, what_is_no_format_is_refused_with_a_reason);
	tcase_add_test(format, a_format_is_as_long_as_its_lines_may_be);
	tcase_add_test(lines, what_is_not_known_is_a_dash_or_null);
	tcase_add_test(lines, json_has_numbers_texts_and_truths);
	tcase_add_test(lines, bytes_from_outside_cannot_leave_their_place);
	tcase_add_test(lines, json_keeps_utf8_and_marks_what_is_none);
	tcase_add_test(lines, long_values_are_cut_and_the_line_goes_on);
	suite_add_tcase(suite, format);
	suite_add_tcase(suite, lines);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
