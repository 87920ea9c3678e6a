/* SPDX-License-Identifier: ISC */
/* Objects of the router that need no system calls: routes, requests (which
 * are LEASE messages), replies. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/http.h"
#include "common/lease.h"
#include "router/reply.h"
#include "router/request.h"
#include "router/route.h"

/* Routes lead to generations; these are only told apart. */
static struct generation *const A = (struct generation *)0x10;
static struct generation *const B = (struct generation *)0x20;
static struct generation *const C = (struct generation *)0x30;

static void
add(struct route_table *table, uint32_t listener, const char *host, const char *prefix,
    struct generation *generation)
{
	route_add(table, listener, host, strlen(host), prefix, strlen(prefix), 1,
	    generation);
}

static void
share(struct route_table *table, const char *prefix, uint32_t weight,
    struct generation *generation)
{
	route_add(table, 1, "", 0, prefix, strlen(prefix), weight, generation);
}

static struct generation *
find(const struct route_table *table, uint32_t listener, const char *host,
    const char *path)
{
	const struct route *route = route_find(table, listener, host, strlen(host), path,
	    strlen(path));

	return route == NULL ? NULL : route->generation;
}

START_TEST(a_prefix_matches_on_segment_boundaries_only)
{
	struct route_table table = { 0 };

	add(&table, 1, "", "/api/search", A);
	route_sort(&table);
	ck_assert_ptr_eq(find(&table, 1, "", "/api/search"), A);
	ck_assert_ptr_eq(find(&table, 1, "", "/api/search/"), A);
	ck_assert_ptr_eq(find(&table, 1, "", "/api/search/x"), A);
	ck_assert_ptr_null(find(&table, 1, "", "/api/searching"));
	ck_assert_ptr_null(find(&table, 1, "", "/api/searc"));
	ck_assert_ptr_null(find(&table, 1, "", "/"));
	route_clear(&table);
}
END_TEST

START_TEST(the_longest_prefix_wins)
{
	struct route_table table = { 0 };

	add(&table, 1, "", "/", A);
	add(&table, 1, "", "/api/search", C);
	add(&table, 1, "", "/api", B);
	route_sort(&table);
	ck_assert_ptr_eq(find(&table, 1, "", "/api/search/x"), C);
	ck_assert_ptr_eq(find(&table, 1, "", "/api/other"), B);
	ck_assert_ptr_eq(find(&table, 1, "", "/apis"), A);
	ck_assert_ptr_eq(find(&table, 1, "", "/"), A);
	route_clear(&table);
}
END_TEST

START_TEST(routes_of_a_host_come_before_routes_of_any_host)
{
	struct route_table table = { 0 };

	add(&table, 1, "", "/api/search", A);
	add(&table, 1, "example.org", "/api", B);
	route_sort(&table);
	ck_assert_ptr_eq(find(&table, 1, "example.org", "/api/search"), B);
	ck_assert_ptr_eq(find(&table, 1, "EXAMPLE.ORG", "/api"), B);
	ck_assert_ptr_eq(find(&table, 1, "example.org.", "/api"), B);
	ck_assert_ptr_eq(find(&table, 1, "example.com", "/api/search"), A);
	ck_assert_ptr_eq(find(&table, 1, "", "/api/search"), A);
	ck_assert_ptr_null(find(&table, 1, "sub.example.org", "/api"));
	route_clear(&table);
}
END_TEST

START_TEST(a_route_belongs_to_its_listener)
{
	struct route_table table = { 0 };

	add(&table, 1, "", "/", A);
	add(&table, 2, "", "/", B);
	route_sort(&table);
	ck_assert_ptr_eq(find(&table, 1, "", "/x"), A);
	ck_assert_ptr_eq(find(&table, 2, "", "/x"), B);
	ck_assert_ptr_null(find(&table, 3, "", "/x"));
	route_clear(&table);
}
END_TEST

START_TEST(many_routes_are_all_found)
{
	struct route_table table = { 0 };
	char prefix[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(prefix, sizeof(prefix), "/service/%d", i);
		add(&table, 1, "", prefix, i % 2 == 0 ? A : B);
	}
	route_sort(&table);
	for (int i = 0; i < 1000; i++) {
		snprintf(prefix, sizeof(prefix), "/service/%d/x", i);
		ck_assert_ptr_eq(find(&table, 1, "", prefix), i % 2 == 0 ? A : B);
	}
	route_clear(&table);
}
END_TEST

/* The one that is not available, where one is not. */
static struct generation *ill;

static bool
is_available(const struct route *route)
{
	return route->generation != ill;
}

/* Who gets so many requests for path, in their order: a letter for each. */
static const char *
turns(const struct route_table *table, const char *path, size_t count)
{
	static char text[2048];

	ck_assert_uint_lt(count, sizeof(text));
	for (size_t i = 0; i < count; i++) {
		struct route *route = route_find(table, 1, "", 0, path, strlen(path));
		struct generation *whose;

		ck_assert_ptr_nonnull(route);
		whose = route_choose(route, is_available)->generation;
		text[i] = whose == A ? 'a' : whose == B ? 'b' : 'c';
	}
	text[count] = '\0';
	return text;
}

static size_t
count_of(const char *text, char letter)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == letter;
	return count;
}

START_TEST(shared_routes_take_turns_in_proportion)
{
	struct route_table table = { 0 };

	ill = NULL;
	share(&table, "/x", 5, A);
	share(&table, "/x", 1, B);
	share(&table, "/x", 1, C);
	add(&table, 1, "", "/y", B);
	route_sort(&table);
	/* spread out, exact, and the same again in the next round */
	ck_assert_str_eq(turns(&table, "/x", 14), "aabacaaaabacaa");
	ck_assert_str_eq(turns(&table, "/y", 3), "bbb");
	route_clear(&table);
}
END_TEST

START_TEST(shares_are_exact_in_every_round)
{
	struct route_table table = { 0 };
	uint32_t weights[3];

	ill = NULL;
	for (unsigned seed = 1; seed <= 200; seed++) {
		size_t total = 0;

		for (unsigned i = 0; i < 3; i++)
			total += weights[i] = seed * (7 * i + 3) % (i * 97 + 11);
		share(&table, "/x", weights[0], A);
		share(&table, "/x", weights[1], B);
		share(&table, "/x", weights[2], C);
		route_sort(&table);
		for (unsigned round = 0; total > 0 && round < 2; round++) {
			const char *text = turns(&table, "/x", total);

			ck_assert_uint_eq(count_of(text, 'a'), weights[0]);
			ck_assert_uint_eq(count_of(text, 'b'), weights[1]);
			ck_assert_uint_eq(count_of(text, 'c'), weights[2]);
		}
		route_clear(&table);
	}
}
END_TEST

START_TEST(a_share_that_is_not_available_is_passed_over)
{
	struct route_table table = { 0 };
	const char *text;

	share(&table, "/x", 9, A);
	share(&table, "/x", 1, B);
	route_sort(&table);
	ill = A;
	ck_assert_str_eq(turns(&table, "/x", 3), "bbb");
	ill = B;
	ck_assert_str_eq(turns(&table, "/x", 3), "aaa");
	/* what was missed is not made up for */
	ill = NULL;
	text = turns(&table, "/x", 10);
	ck_assert_uint_eq(count_of(text, 'b'), 1);
	route_clear(&table);
	/* where none is available they take turns as always */
	share(&table, "/x", 3, A);
	share(&table, "/x", 1, A);
	ill = A;
	route_sort(&table);
	ck_assert_str_eq(turns(&table, "/x", 4), "aaaa");
	ck_assert_int_eq(table.routes[0].due, 0);
	ck_assert_int_eq(table.routes[1].due, 0);
	route_clear(&table);
	ill = NULL;
}
END_TEST

START_TEST(a_weight_of_zero_is_as_good_as_no_route)
{
	struct route_table table = { 0 };

	ill = NULL;
	share(&table, "/", 1, C);
	share(&table, "/x", 0, A);
	share(&table, "/x", 3, B);
	share(&table, "/y", 0, A);
	share(&table, "/y", 0, B);
	route_sort(&table);
	ck_assert_str_eq(turns(&table, "/x", 5), "bbbbb");
	ck_assert_str_eq(turns(&table, "/y", 2), "cc");
	/* not even when nobody else can serve */
	ill = B;
	ck_assert_str_eq(turns(&table, "/x", 2), "bb");
	route_clear(&table);
	ill = NULL;
}
END_TEST

START_TEST(a_new_table_with_the_same_weights_goes_on_in_its_turns)
{
	struct route_table old = { 0 }, fresh = { 0 };

	ill = NULL;
	share(&old, "/x", 3, A);
	share(&old, "/x", 1, B);
	share(&old, "/z", 1, A);
	share(&old, "/z", 1, B);
	route_sort(&old);
	ck_assert_str_eq(turns(&old, "/x", 2), "aa");
	ck_assert_str_eq(turns(&old, "/z", 1), "a");
	share(&fresh, "/aaaa", 1, C);
	share(&fresh, "/z", 2, A); /* changed: begins anew */
	share(&fresh, "/z", 1, B);
	share(&fresh, "/x", 3, C); /* by another generation */
	share(&fresh, "/x", 1, B);
	route_sort(&fresh);
	route_resume(&fresh, &old);
	route_clear(&old);
	ck_assert_str_eq(turns(&fresh, "/x", 6), "bcccbc");
	ck_assert_str_eq(turns(&fresh, "/z", 3), "aba");
	route_clear(&fresh);
}
END_TEST

static struct request *
request_of(const char *text, const char *path)
{
	static struct http_head head;

	ck_assert_int_eq(http_head_parse(&head, text, strlen(text)), HTTP_OK);
	return request_new(&head, text, path, strlen(path));
}

static const char *
span(const struct request *request, struct lease_span part)
{
	static char text[256];

	memcpy(text, request_head(request) + part.off, part.len);
	text[part.len] = '\0';
	return text;
}

START_TEST(a_lease_carries_the_index_of_the_head)
{
	struct request *request =
	    request_of("POST /api/%41?q=1&b=2 HTTP/1.1\r\nHost: example.org:80\r\n"
		       "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
		"/api/A");
	const struct lease_msg *msg = &request->msg;
	const struct lease_field *fields = (const void *)request->tail;

	ck_assert_int_eq(msg->type, LEASE_LEASE);
	ck_assert_int_eq(msg->header_len, sizeof(struct lease_msg));
	ck_assert_uint_eq(msg->body_len, 5);
	ck_assert_uint_eq(msg->flags, LEASE_KEEP | LEASE_EXPECT);
	ck_assert_str_eq(span(request, msg->method), "POST");
	ck_assert_str_eq(span(request, msg->target), "/api/%41?q=1&b=2");
	ck_assert_str_eq(span(request, msg->query), "q=1&b=2");
	ck_assert_str_eq(span(request, msg->host), "example.org:80");
	ck_assert_int_eq(msg->field_count, 3);
	ck_assert_str_eq(span(request, fields[1].name), "Content-Length");
	ck_assert_str_eq(span(request, fields[1].value), "5");
	ck_assert_int_eq(msg->path_len, 6);
	ck_assert_int_eq(memcmp(request->tail + request->path_off, "/api/A", 6), 0);
	ck_assert_uint_eq(request->head_off, request->path_off + 6);
	ck_assert_uint_eq(request->tail_len, request->head_off + msg->head_len);
	ck_assert(!request->replayable);
	request_free(request);
}
END_TEST

START_TEST(only_safe_requests_without_a_body_may_be_replayed)
{
	static const struct {
		const char *text;
		bool replayable;
	} cases[] = {
		{ "GET / HTTP/1.0\r\n\r\n", true },
		{ "HEAD / HTTP/1.0\r\n\r\n", true },
		{ "OPTIONS / HTTP/1.0\r\n\r\n", true },
		{ "POST / HTTP/1.0\r\n\r\n", false },
		{ "DELETE / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n"
		  "\r\n",
		    false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request *request = request_of(cases[i].text, "/");

		ck_assert_msg(request->replayable == cases[i].replayable, "%s",
		    cases[i].text);
		request_free(request);
	}
}
END_TEST

START_TEST(the_request_id_is_the_trace_id_of_a_valid_traceparent)
{
	struct request *request =
	    request_of("GET / HTTP/1.0\r\ntraceparent: "
		       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
		"/");

	ck_assert_uint_eq(request->msg.request_id[0], 0x0a);
	ck_assert_uint_eq(request->msg.request_id[15], 0x9c);
	request_free(request);
}
END_TEST

START_TEST(an_owner_word_names_the_lease_and_the_worker)
{
	uint64_t serial = LEASE_SERIAL(7, 123456789);
	uint64_t owner = LEASE_OWNER(serial, 1023);

	ck_assert_uint_eq(LEASE_EPOCH(serial), 7);
	ck_assert(LEASE_OWNER_IS(owner, serial));
	ck_assert_uint_eq(LEASE_OWNER_WORKER(owner), 1023);
	ck_assert(!LEASE_OWNER_IS(owner, LEASE_SERIAL(7, 123456790)));
	ck_assert(!LEASE_OWNER_IS(owner, LEASE_SERIAL(8, 123456789)));
	ck_assert(!LEASE_OWNER_IS((uint64_t)0, (uint64_t)0));
}
END_TEST

START_TEST(a_refusal_is_a_problem_and_says_how_it_ends)
{
	static const uint8_t id[16] = { 0xab, [15] = 1 };
	char buf[REPLY_MAX + 1];
	size_t len;

	len = reply_format(buf,
	    &(struct reply){ .status = 404,
		.id = id,
		.detail = "no service has this path",
		.keep = true });
	buf[len] = '\0';
	ck_assert_int_eq(strncmp(buf, "HTTP/1.1 404 Not Found\r\n", 24), 0);
	ck_assert_ptr_nonnull(strstr(buf, "application/problem+json"));
	ck_assert_ptr_nonnull(strstr(buf, "\"status\":404"));
	ck_assert_ptr_nonnull(
	    strstr(buf, "\r\nX-Request-Id: ab000000000000000000000000000001\r\n"));
	ck_assert_ptr_null(strstr(buf, "Connection: close"));
	len = reply_format(buf,
	    &(struct reply){ .status = 503,
		.id = id,
		.detail = "full",
		.is_head = true });
	buf[len] = '\0';
	ck_assert_ptr_nonnull(strstr(buf, "Retry-After: 1\r\n"));
	ck_assert_ptr_nonnull(strstr(buf, "Connection: close"));
	ck_assert_str_eq(buf + len - 4, "\r\n\r\n"); /* HEAD: no body */
	len = reply_format(buf,
	    &(struct reply){ .status = 503, .id = id, .retry_after_s = 17 });
	buf[len] = '\0';
	ck_assert_ptr_nonnull(strstr(buf, "Retry-After: 17\r\n"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("router");
	TCase *tc = tcase_create("router");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, a_prefix_matches_on_segment_boundaries_only);
	tcase_add_test(tc, the_longest_prefix_wins);
	tcase_add_test(tc, routes_of_a_host_come_before_routes_of_any_host);
	tcase_add_test(tc, a_route_belongs_to_its_listener);
	tcase_add_test(tc, many_routes_are_all_found);
	tcase_add_test(tc, shared_routes_take_turns_in_proportion);
	tcase_add_test(tc, shares_are_exact_in_every_round);
	tcase_add_test(tc, a_share_that_is_not_available_is_passed_over);
	tcase_add_test(tc, a_weight_of_zero_is_as_good_as_no_route);
	tcase_add_test(tc, a_new_table_with_the_same_weights_goes_on_in_its_turns);
	tcase_add_test(tc, a_lease_carries_the_index_of_the_head);
	tcase_add_test(tc, only_safe_requests_without_a_body_may_be_replayed);
	tcase_add_test(tc, the_request_id_is_the_trace_id_of_a_valid_traceparent);
	tcase_add_test(tc, an_owner_word_names_the_lease_and_the_worker);
	tcase_add_test(tc, a_refusal_is_a_problem_and_says_how_it_ends);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
