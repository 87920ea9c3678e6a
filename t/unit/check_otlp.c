/* SPDX-License-Identifier: ISC */
/* Spans for a collector, and where it is. */
#include <check.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/access_format.h"
#include "common/endpoint.h"
#include "logger/otlp.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static const char answered[] =
    "{\"start_ns\":1763800000000000000,\"request_id\":\"" TRACE "\",\"span_id\":\"" SPAN
    "\",\"parent_id\":\"00f067aa0ba902b7\",\"method\":\"GET\",\"path\":\"/api/a/17\","
    "\"query\":\"q=1\",\"protocol\":\"HTTP/1.1\",\"host\":\"example.org:8080\","
    "\"status\":200,\"route\":\"/api\",\"service\":\"search\","
    "\"remote_addr\":\"192.0.2.7\",\"remote_port\":1234,\"local_addr\":\"192.0.2.1\","
    "\"local_port\":8080,\"user_agent\":\"x\",\"bytes\":321,\"worker_pid\":4711,"
    "\"worker_slot\":3,\"retries\":0,\"router_time\":0.000010,\"queue_time\":0.000200,"
    "\"service_time\":0.003000,\"phases\":{\"db\":0.001000,\"render\":0.000500},"
    "\"by\":\"worker\",\"reason\":null,\"listener\":\"main\"}";

static const char refused[] =
    "{\"start_ns\":1763800000000000001,\"request_id\":\"" TRACE "\",\"span_id\":\"" SPAN
    "\",\"parent_id\":null,\"method\":null,\"path\":null,\"protocol\":null,\"host\":null,"
    "\"status\":503,\"route\":null,\"router_time\":null,\"queue_time\":null,"
    "\"service_time\":null,\"phases\":null,\"by\":\"router\",\"reason\":\"x\"}";

/* The spans of what was added, which the caller frees. */
static json_t *
taken(struct otlp *otlp)
{
	char *text = otlp_take(otlp);
	json_t *message, *spans;

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_null(strchr(text, '\n'));
	message = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(message);
	ck_assert_int_eq(json_unpack(message,
			     "{s:[{s:{s:[{s:s,s:{s:s}},{}]},s:[{s:{s:s},s:o}]}]}",
			     "resourceSpans", "resource", "attributes", "key",
			     &(char *){ 0 }, "value", "stringValue", &(char *){ 0 },
			     "scopeSpans", "scope", "name", &(char *){ 0 }, "spans",
			     &spans),
	    0);
	json_incref(spans);
	json_decref(message);
	free(text);
	return spans;
}

static const char *
text_of(json_t *span, const char *key)
{
	return json_string_value(json_object_get(span, key));
}

static const char *
attribute(json_t *span, const char *key, const char *type)
{
	json_t *list = json_object_get(span, "attributes"), *item;
	size_t i;

	json_array_foreach(list, i, item) if (strcmp(text_of(item, "key"), key) ==
	    0) return text_of(json_object_get(item, "value"), type);
	return NULL;
}

START_TEST(a_request_is_a_server_span_by_the_conventions)
{
	struct otlp otlp = { 0 };
	json_t *spans, *span;

	ck_assert(otlp_add(&otlp, answered, strlen(answered)));
	ck_assert_uint_eq(otlp.count, 1);
	spans = taken(&otlp);
	ck_assert_uint_eq(otlp.count, 0);
	span = json_array_get(spans, 0);
	ck_assert_str_eq(text_of(span, "traceId"), TRACE);
	ck_assert_str_eq(text_of(span, "spanId"), SPAN);
	ck_assert_str_eq(text_of(span, "parentSpanId"), "00f067aa0ba902b7");
	ck_assert_str_eq(text_of(span, "name"), "GET /api");
	ck_assert_int_eq(json_integer_value(json_object_get(span, "kind")), 2);
	ck_assert_str_eq(text_of(span, "startTimeUnixNano"), "1763800000000000000");
	ck_assert_str_eq(text_of(span, "endTimeUnixNano"), "1763800000003210000");
	ck_assert_str_eq(attribute(span, "http.request.method", "stringValue"), "GET");
	ck_assert_str_eq(attribute(span, "http.route", "stringValue"), "/api");
	ck_assert_str_eq(attribute(span, "url.path", "stringValue"), "/api/a/17");
	ck_assert_str_eq(attribute(span, "url.scheme", "stringValue"), "http");
	ck_assert_str_eq(attribute(span, "http.response.status_code", "intValue"), "200");
	ck_assert_str_eq(attribute(span, "server.address", "stringValue"), "example.org");
	ck_assert_str_eq(attribute(span, "server.port", "intValue"), "8080");
	ck_assert_str_eq(attribute(span, "client.address", "stringValue"), "192.0.2.7");
	ck_assert_str_eq(attribute(span, "network.protocol.version", "stringValue"),
	    "1.1");
	ck_assert_str_eq(attribute(span, "poold.service", "stringValue"), "search");
	ck_assert_str_eq(attribute(span, "poold.worker.pid", "intValue"), "4711");
	ck_assert_int_eq(json_integer_value(
			     json_object_get(json_object_get(span, "status"), "code")),
	    0);
	json_decref(spans);
}
END_TEST

START_TEST(queue_worker_and_phases_are_below_it)
{
	static const struct {
		const char *name, *begin, *end;
	} wanted[] = {
		{ "queue", "1763800000000010000", "1763800000000210000" },
		{ "worker", "1763800000000210000", "1763800000003210000" },
		{ "db", "1763800000000210000", "1763800000001210000" },
		{ "render", "1763800000001210000", "1763800000001710000" },
	};
	struct otlp otlp = { 0 };
	json_t *spans, *span;
	const char *worker;

	ck_assert(otlp_add(&otlp, answered, strlen(answered)));
	spans = taken(&otlp);
	ck_assert_uint_eq(json_array_size(spans), 5);
	worker = text_of(json_array_get(spans, 2), "spanId");
	for (size_t i = 0; i < 4; i++) {
		span = json_array_get(spans, i + 1);
		ck_assert_str_eq(text_of(span, "name"), wanted[i].name);
		ck_assert_str_eq(text_of(span, "traceId"), TRACE);
		ck_assert_str_eq(text_of(span, "parentSpanId"), i < 2 ? SPAN : worker);
		ck_assert_uint_eq(strlen(text_of(span, "spanId")), 16);
		ck_assert_str_eq(text_of(span, "startTimeUnixNano"), wanted[i].begin);
		ck_assert_str_eq(text_of(span, "endTimeUnixNano"), wanted[i].end);
		ck_assert_int_eq(json_integer_value(json_object_get(span, "kind")), 1);
	}
	json_decref(spans);
}
END_TEST

START_TEST(a_refusal_is_a_span_of_its_own_and_5xx_an_error)
{
	struct otlp otlp = { 0 };
	json_t *spans, *span;

	ck_assert(otlp_add(&otlp, refused, strlen(refused)));
	ck_assert(otlp_add(&otlp, answered, strlen(answered)));
	ck_assert_uint_eq(otlp.count, 2);
	spans = taken(&otlp);
	ck_assert_uint_eq(json_array_size(spans), 6);
	span = json_array_get(spans, 0);
	ck_assert_str_eq(text_of(span, "name"), "HTTP");
	ck_assert_ptr_null(text_of(span, "parentSpanId"));
	ck_assert_str_eq(text_of(span, "endTimeUnixNano"), "1763800000000000001");
	ck_assert_int_eq(json_integer_value(
			     json_object_get(json_object_get(span, "status"), "code")),
	    2);
	json_decref(spans);
}
END_TEST

START_TEST(what_is_no_line_of_ours_adds_nothing)
{
	static const char *const bad[] = { "", "{", "[]", "{}", "null",
		"{\"start_ns\":1,\"request_id\":\"x\",\"span_id\":\"" SPAN "\"}",
		"{\"start_ns\":1,\"request_id\":\"" TRACE
		"\",\"span_id\":\"XXXXXXXXXXXXXXXX\"}",
		"{\"start_ns\":\"1\",\"request_id\":\"" TRACE "\",\"span_id\":\"" SPAN
		"\"}" };
	struct otlp otlp = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert(!otlp_add(&otlp, bad[i], strlen(bad[i])));
	ck_assert_uint_eq(otlp.count, 0);
	ck_assert_ptr_null(otlp_take(&otlp));
}
END_TEST

START_TEST(the_format_of_the_router_has_all_that_is_read)
{
	char unknown[ACCESS_WORD_SIZE], *why = NULL;
	struct access_format *format = access_format_compile(ACCESS_SPAN_FORMAT, &why,
	    unknown);

	ck_assert_msg(format != NULL, "%s", why);
	access_format_free(format);
}
END_TEST

START_TEST(a_collector_is_named_by_its_address)
{
	struct endpoint e;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&e.addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&e.addr;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&e.addr;
	const char *why;

	ck_assert(endpoint_parse("http://127.0.0.1:4318/v1/traces", &e, &why));
	ck_assert_int_eq(e.kind, ENDPOINT_HTTP);
	ck_assert_int_eq(in->sin_family, AF_INET);
	ck_assert_int_eq(ntohs(in->sin_port), 4318);
	ck_assert_str_eq(e.host, "127.0.0.1:4318");
	ck_assert_str_eq(e.path, "/v1/traces");
	ck_assert(endpoint_parse("http://localhost/", &e, &why));
	ck_assert_int_eq(ntohs(in->sin_port), 80);
	ck_assert_str_eq(e.path, "/v1/traces");
	ck_assert(endpoint_parse("http://[::1]:4318/x?y=1", &e, &why));
	ck_assert_int_eq(in6->sin6_family, AF_INET6);
	ck_assert_int_eq(ntohs(in6->sin6_port), 4318);
	ck_assert_str_eq(e.path, "/x?y=1");
	ck_assert(endpoint_parse("unix:/run/otel.sock", &e, &why));
	ck_assert_int_eq(un->sun_family, AF_UNIX);
	ck_assert_str_eq(un->sun_path, "/run/otel.sock");
	ck_assert(endpoint_parse("/var/log/spans.json", &e, &why));
	ck_assert_int_eq(e.kind, ENDPOINT_FILE);
	ck_assert_str_eq(e.path, "/var/log/spans.json");
}
END_TEST

START_TEST(what_names_no_collector_is_refused)
{
	static const char *const bad[] = { "", "spans.json", "https://127.0.0.1:4318/",
		"http://", "http:///x", "http://example.org:4318/", "http://127.0.0.1:0/",
		"http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://[::1/x",
		"http://127.0.0.1/a b", "unix:", "unix:relative", "http://a@127.0.0.1/" };
	struct endpoint endpoint;
	const char *why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		ck_assert_msg(!endpoint_parse(bad[i], &endpoint, &why), "%s", bad[i]);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otlp");
	TCase *spans = tcase_create("spans"), *endpoints = tcase_create("endpoints");
	SRunner *runner;
	int failed;

	tcase_add_test(spans, a_request_is_a_server_span_by_the_conventions);
	tcase_add_test(spans, queue_worker_and_phases_are_below_it);
	tcase_add_test(spans, a_refusal_is_a_span_of_its_own_and_5xx_an_error);
	tcase_add_test(spans, what_is_no_line_of_ours_adds_nothing);
	tcase_add_test(spans, the_format_of_the_router_has_all_that_is_read);
	tcase_add_test(endpoints, a_collector_is_named_by_its_address);
	tcase_add_test(endpoints, what_names_no_collector_is_refused);
	suite_add_tcase(suite, spans);
	suite_add_tcase(suite, endpoints);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
