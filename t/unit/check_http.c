/* SPDX-License-Identifier: ISC */
/* The rules of request heads: request line, target, limits. */
#include "check_head.h"

/* The request line */

START_TEST(a_request_is_taken_apart)
{
	good("GET /a/b?c=d&e HTTP/1.1\r\nHost: example.org:8080\r\nX: \t y z \t\r\n\r\n");
	ck_assert_int_eq(head.method_id, HTTP_GET);
	ck_assert_uint_eq(head.minor, 1);
	ck_span(head.method, "GET");
	ck_span(head.target, "/a/b?c=d&e");
	ck_span(head.path, "/a/b");
	ck_span(head.query, "c=d&e");
	ck_span(head.host, "example.org:8080");
	ck_assert_uint_eq(head.field_count, 2);
	ck_span(head.fields[0].name, "Host");
	ck_span(head.fields[0].value, "example.org:8080");
	ck_span(head.fields[1].name, "X");
	ck_span(head.fields[1].value, "y z");
	ck_assert_uint_eq(head.body_len, 0);
	ck_assert(!head.asterisk && !head.upgrade && !head.expect_continue);
}
END_TEST

START_TEST(methods_are_known_by_name_and_case)
{
	static const struct {
		const char *name;
		enum http_method id;
	} methods[] = { { "GET", HTTP_GET }, { "HEAD", HTTP_HEAD },
		{ "OPTIONS", HTTP_OPTIONS }, { "POST", HTTP_POST }, { "PUT", HTTP_PUT },
		{ "DELETE", HTTP_DELETE }, { "PATCH", HTTP_PATCH },
		{ "TRACE", HTTP_TRACE }, { "get", HTTP_OTHER }, { "GOT", HTTP_OTHER },
		{ "M-SEARCH", HTTP_OTHER } };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" HOST "\r\n",
		    methods[i].name);
		good_bytes(text, strlen(text));
		ck_assert_int_eq(head.method_id, methods[i].id);
		ck_span(head.method, methods[i].name);
	}
}
END_TEST

START_TEST(connect_is_not_implemented)
{
	bad_at(501, "CONNECT ", "a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
}
END_TEST

START_TEST(a_method_is_a_token)
{
	bad_at(400, "G@", "T / HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "G\0", "T / HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET\t", "/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, " ", "GET / HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET\r", "\n\r\n");
}
END_TEST

START_TEST(a_method_has_at_most_32_bytes)
{
	good("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n" HOST "\r\n");
	bad_at(501, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", " / HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(a_tls_client_hello_is_refused_at_its_first_byte)
{
	bad_at(400, "\x16", "\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
}
END_TEST

START_TEST(the_http2_preface_is_refused)
{
	bad(400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}
END_TEST

START_TEST(one_space_stands_between_the_parts)
{
	bad_at(400, "GET  ", "/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET /  ", "HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET / HTTP/1.1 ", "\r\n" HOST "\r\n");
	bad_at(400, "GET /\t", "HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(empty_lines_before_the_request_are_skipped_and_counted)
{
	good("\r\n" GET "\r\n");
	good("\r\n\r\n\r\n" GET "\r\n");
	ck_assert_uint_eq(head.method.off, 6);
	bad_at(400, "\n", GET "\r\n");
	bad_at(400, "\rG", "ET / HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "\r\n ", "\r\n" GET "\r\n");
}
END_TEST

START_TEST(an_old_version_needs_no_host)
{
	good("GET / HTTP/1.0\r\n\r\n");
	ck_assert_uint_eq(head.minor, 0);
	ck_assert_uint_eq(head.host.len, 0);
}
END_TEST

START_TEST(a_later_minor_version_is_read_as_1_1)
{
	good("GET / HTTP/1.9\r\n" HOST "\r\n");
	ck_assert_uint_eq(head.minor, 1);
	ck_assert(head.keep_alive);
	bad(400, "GET / HTTP/1.2\r\n\r\n");
}
END_TEST

START_TEST(another_major_version_is_not_supported)
{
	bad_at(505, "GET / HTTP/2", ".0\r\n" HOST "\r\n");
	bad_at(505, "GET / HTTP/0", ".9\r\n\r\n");
	bad_at(505, "GET / HTTP/3", "\r\n\r\n");
}
END_TEST

START_TEST(a_request_without_version_is_refused)
{
	bad_at(400, "GET /\r", "\n");
	bad_at(400, "GET /\n", "");
	bad_at(400, "GET / \r", "\n\r\n");
	bad_at(400, "GET /?q\r", "\n");
}
END_TEST

START_TEST(the_version_is_spelt_exactly)
{
	bad_at(400, "GET / h", "ttp/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET / HTTPS", "/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET / HTTP/x", "\r\n" HOST "\r\n");
	bad_at(400, "GET / HTTP/.", "1\r\n" HOST "\r\n");
	bad_at(400, "GET / HTTP/1\r", "\n" HOST "\r\n");
	bad_at(400, "GET / HTTP/11", ".1\r\n" HOST "\r\n");
	bad_at(400, "GET / HTTP/1.x", "\r\n" HOST "\r\n");
	bad_at(400, "GET / HTTP/1./", "\r\n" HOST "\r\n");
	bad_at(400, "GET / HTTP/1.10", "\r\n" HOST "\r\n");
}
END_TEST

START_TEST(a_line_ends_in_crlf_only)
{
	bad_at(400, "GET / HTTP/1.1\n", HOST "\r\n");
	bad_at(400, "GET / HTTP/1.1\rH", "ost: a\r\n\r\n");
	bad_at(400, "GET / HTTP/1.1\r\nHost: a\n", "\r\n");
	bad_at(400, "GET / HTTP/1.1\r\nHost: a\rX", ": b\r\n\r\n");
	bad_at(400, "GET / HTTP/1.1\r\nHost: a\r\r", "\n\r\n");
	bad_at(400, GET "\n", "");
	bad_at(400, GET "\rX", "");
	bad_at(400, GET "X\n", "\r\n");
	bad_at(400, GET "X:\n", "\r\n");
}
END_TEST

/* The target */

START_TEST(queries_take_what_browsers_send)
{
	good("GET /a?q={}|[]^`\"\\%&/?:@!$'()*+,;=-._~ HTTP/1.1\r\n" HOST "\r\n");
	ck_span(head.query, "q={}|[]^`\"\\%&/?:@!$'()*+,;=-._~");
	good("GET /? HTTP/1.1\r\n" HOST "\r\n");
	ck_assert_uint_eq(head.query.len, 0);
	ck_span(head.target, "/?");
}
END_TEST

START_TEST(paths_take_what_browsers_send)
{
	good("GET /%41:@!$&'()*+,;=-._~|[]^//x HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET /a\\", "b HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET /a\"", "b HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET /a{", "b HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(targets_have_no_raw_bytes_beyond_ascii)
{
	bad_at(400, "GET /\xc3", "\xa4 HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET /?q=\xc3", "\xa4 HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET /?q=<", "b> HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(targets_have_no_control_characters)
{
	for (int c = 0; c < 0x80; c++) {
		char path[] = "GET /_ HTTP/1.1\r\n" HOST "\r\n";
		char query[] = "GET /?_ HTTP/1.1\r\n" HOST "\r\n";

		if (c >= ' ' && c != 0x7f)
			continue;
		path[5] = query[6] = (char)c;
		bad_bytes(400, path, sizeof(path) - 1, c == ' ' ? 7 : 6);
		bad_bytes(400, query, sizeof(query) - 1, c == ' ' ? 8 : 7);
	}
}
END_TEST

START_TEST(targets_have_no_fragment)
{
	bad_at(400, "GET /a#", "b HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET /?a#", "b HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(a_target_is_a_path_or_an_http_uri)
{
	bad_at(400, "GET a", "/b HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET ?", "a HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET f", "tp://a/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET httpx", "://a/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http:/a", "/ HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(an_asterisk_is_for_options)
{
	good("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
	ck_assert(head.asterisk);
	ck_span(head.target, "*");
	ck_assert_uint_eq(head.path.len, 0);
	good("OPTIONS /a HTTP/1.1\r\n" HOST "\r\n");
	ck_assert(!head.asterisk);
	bad_at(400, "GET *", " HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "OPTIONS **", " HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "OPTIONS */", " HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(the_authority_of_a_target_wins_over_host)
{
	good("GET http://b:81/c?d HTTP/1.1\r\n" HOST "\r\n");
	ck_span(head.host, "b:81");
	ck_span(head.path, "/c");
	ck_span(head.query, "d");
	ck_span(head.target, "http://b:81/c?d");
	good("GET HTTPS://B/ HTTP/1.1\r\nHost:\r\n\r\n");
	ck_span(head.host, "B");
	good("GET http://b/ HTTP/1.0\r\n\r\n");
	ck_span(head.host, "b");
}
END_TEST

START_TEST(an_absolute_target_may_have_no_path)
{
	good("GET http://b HTTP/1.1\r\n" HOST "\r\n");
	ck_span(head.host, "b");
	ck_assert_uint_eq(head.path.len, 0);
	good("GET http://b?q HTTP/1.1\r\n" HOST "\r\n");
	ck_assert_uint_eq(head.path.len, 0);
	ck_span(head.query, "q");
}
END_TEST

START_TEST(an_absolute_target_does_not_excuse_host)
{
	bad(400, "GET http://b/ HTTP/1.1\r\n\r\n");
	bad(400, "GET http://b/ HTTP/1.1\r\n" HOST "Host: b\r\n\r\n");
	bad(400, "GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n");
}
END_TEST

START_TEST(an_authority_has_a_valid_host_and_port)
{
	good("GET http://[::1]:8080/ HTTP/1.1\r\n" HOST "\r\n");
	ck_span(head.host, "[::1]:8080");
	good("GET http://%41_b-c.d!: HTTP/1.1\r\n" HOST "\r\n");
	ck_span(head.host, "%41_b-c.d!:");
	bad_at(400, "GET http:///", "a HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http://:", "80/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http://b:x", "/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http://b:65536", "/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http://[::g", "]/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http://[::1]x", "/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http://b%4x", "/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http://b\\", "/ HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(an_authority_has_no_user_information)
{
	bad_at(400, "GET http://u@", "b/ HTTP/1.1\r\n" HOST "\r\n");
	bad_at(400, "GET http://@", "b/ HTTP/1.1\r\n" HOST "\r\n");
	bad(400, "GET http://u:p@b/ HTTP/1.1\r\n" HOST "\r\n");
	bad(400, "GET http://u:1@b/ HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

/* Limits */

static char big[HTTP_HEAD_MAX + 4096];

/* Appends text, or len bytes 'x' when it is NULL; returns the new length. */
static size_t
big_add(size_t at, const char *text, size_t len)
{
	if (text == NULL)
		memset(big + at, 'x', len);
	else
		memcpy(big + at, text, len = strlen(text));
	return at + len;
}

/* A request whose line, without CRLF, has line_len bytes; its length. */
static size_t
big_line(size_t at, size_t line_len)
{
	at = big_add(at, "GET /", 0);
	at = big_add(at, NULL, line_len - strlen("GET / HTTP/1.1"));
	return big_add(at, " HTTP/1.1\r\n" HOST "\r\n", 0);
}

/* A head of len bytes; the last one ends it. */
static void
big_head(size_t len)
{
	size_t at = big_add(0, GET "X: ", 0);

	at = big_add(at, NULL, len - at - 4);
	big_add(at, "\r\n\r\n", 0);
}

START_TEST(a_request_line_of_8_kib_is_taken)
{
	size_t len = big_line(0, HTTP_LINE_MAX);

	ck_assert_int_eq(parse_cut(big, len), HTTP_OK);
	ck_assert_uint_eq(head.head_len, len);
	for (size_t cut = HTTP_LINE_MAX - 20; cut < len; cut++)
		ck_assert_int_eq(parse_cut(big, cut), HTTP_MORE);
}
END_TEST

START_TEST(a_longer_request_line_is_414)
{
	size_t len = big_line(0, HTTP_LINE_MAX + 1);

	ck_assert_int_eq(parse_cut(big, len), HTTP_BAD);
	ck_assert_uint_eq(head.status, 414);
	big_line(0, HTTP_LINE_MAX + 2000);
	ck_assert_int_eq(parse_cut(big, HTTP_LINE_MAX), HTTP_BAD);
	ck_assert_uint_eq(head.status, 414);
	ck_assert_int_eq(parse_cut(big, HTTP_LINE_MAX - 9), HTTP_MORE);
}
END_TEST

START_TEST(empty_lines_do_not_count_into_the_request_line)
{
	size_t len;

	len = big_line(big_add(0, "\r\n\r\n", 0), HTTP_LINE_MAX);
	ck_assert_int_eq(parse_cut(big, len), HTTP_OK);
	len = big_line(big_add(0, "\r\n\r\n", 0), HTTP_LINE_MAX + 1);
	ck_assert_int_eq(parse_cut(big, len), HTTP_BAD);
	ck_assert_uint_eq(head.status, 414);
}
END_TEST

START_TEST(a_head_of_32_kib_is_taken)
{
	big_head(HTTP_HEAD_MAX);
	ck_assert_int_eq(parse_cut(big, HTTP_HEAD_MAX), HTTP_OK);
	ck_assert_uint_eq(head.head_len, HTTP_HEAD_MAX);
	ck_assert_int_eq(parse_cut(big, sizeof(big)), HTTP_OK);
	for (size_t cut = HTTP_HEAD_MAX - 8; cut < HTTP_HEAD_MAX; cut++)
		ck_assert_int_eq(parse_cut(big, cut), HTTP_MORE);
}
END_TEST

START_TEST(a_larger_head_is_431)
{
	for (size_t more = 1; more <= 5; more++) {
		big_head(HTTP_HEAD_MAX + more);
		for (size_t cut = HTTP_HEAD_MAX; cut <= sizeof(big); cut += 512) {
			ck_assert_int_eq(parse_cut(big, cut), HTTP_BAD);
			ck_assert_uint_eq(head.status, 431);
		}
		ck_assert_int_eq(parse_cut(big, HTTP_HEAD_MAX - 1), HTTP_MORE);
	}
}
END_TEST

START_TEST(empty_lines_count_into_the_head)
{
	const size_t rest = strlen(OLD "\r\n");
	size_t at;

	for (at = 0; at < HTTP_HEAD_MAX - rest;)
		at = big_add(at, "\r\n", 0);
	at = big_add(at, OLD "\r\n", 0);
	ck_assert_uint_eq(at, HTTP_HEAD_MAX);
	ck_assert_int_eq(parse_cut(big, at), HTTP_OK);
	ck_assert_uint_eq(head.head_len, at);
	big_add(at - rest, "\r\n" OLD "\r\n", 0);
	ck_assert_int_eq(parse_cut(big, at + 2), HTTP_BAD);
	ck_assert_uint_eq(head.status, 431);

	for (at = 0; at < sizeof(big) - 1;)
		at = big_add(at, "\r\n", 0);
	ck_assert_int_eq(parse_cut(big, HTTP_HEAD_MAX - 1), HTTP_MORE);
	ck_assert_int_eq(parse_cut(big, HTTP_HEAD_MAX), HTTP_BAD);
	ck_assert_uint_eq(head.status, 431);
	big_add(HTTP_HEAD_MAX - 8, GET, 0);
	ck_assert_int_eq(parse_cut(big, HTTP_HEAD_MAX), HTTP_BAD);
	ck_assert_uint_eq(head.status, 414);
}
END_TEST

START_TEST(a_head_has_at_most_100_fields)
{
	size_t at = big_add(0, GET, 0);

	for (int i = 1; i < HTTP_FIELDS_MAX; i++)
		at = big_add(at, "a:\r\n", 0);
	big_add(at, "\r\n", 0);
	good_bytes(big, at + 2);
	ck_assert_uint_eq(head.field_count, HTTP_FIELDS_MAX);

	big_add(at, "a:\r\n\r\n", 0);
	bad_bytes(431, big, at + 6, at + 1);
}
END_TEST

/* What stays after a refusal */

START_TEST(a_refused_head_still_tells_what_was_asked)
{
	static const char text[] = "GET /a HTTP/1.1\r\nX: y\r\n :\r\n\r\n";

	ck_assert_int_eq(parse_cut(text, sizeof(text) - 1), HTTP_BAD);
	ck_span(head.method, "GET");
	ck_span(head.target, "/a");
	ck_assert_uint_eq(head.field_count, 1);
	ck_assert_uint_eq(head.host.len, 0);
	ck_assert_uint_eq(head.head_len, 0);
}
END_TEST

static void
add_request_line(TCase *tc)
{
	tcase_add_test(tc, a_request_is_taken_apart);
	tcase_add_test(tc, methods_are_known_by_name_and_case);
	tcase_add_test(tc, connect_is_not_implemented);
	tcase_add_test(tc, a_method_is_a_token);
	tcase_add_test(tc, a_method_has_at_most_32_bytes);
	tcase_add_test(tc, a_tls_client_hello_is_refused_at_its_first_byte);
	tcase_add_test(tc, the_http2_preface_is_refused);
	tcase_add_test(tc, one_space_stands_between_the_parts);
	tcase_add_test(tc, empty_lines_before_the_request_are_skipped_and_counted);
	tcase_add_test(tc, an_old_version_needs_no_host);
	tcase_add_test(tc, a_later_minor_version_is_read_as_1_1);
	tcase_add_test(tc, another_major_version_is_not_supported);
	tcase_add_test(tc, a_request_without_version_is_refused);
	tcase_add_test(tc, the_version_is_spelt_exactly);
	tcase_add_test(tc, a_line_ends_in_crlf_only);
	tcase_add_test(tc, a_refused_head_still_tells_what_was_asked);
}

static void
add_target(TCase *tc)
{
	tcase_add_test(tc, queries_take_what_browsers_send);
	tcase_add_test(tc, paths_take_what_browsers_send);
	tcase_add_test(tc, targets_have_no_raw_bytes_beyond_ascii);
	tcase_add_test(tc, targets_have_no_control_characters);
	tcase_add_test(tc, targets_have_no_fragment);
	tcase_add_test(tc, a_target_is_a_path_or_an_http_uri);
	tcase_add_test(tc, an_asterisk_is_for_options);
	tcase_add_test(tc, the_authority_of_a_target_wins_over_host);
	tcase_add_test(tc, an_absolute_target_may_have_no_path);
	tcase_add_test(tc, an_absolute_target_does_not_excuse_host);
	tcase_add_test(tc, an_authority_has_a_valid_host_and_port);
	tcase_add_test(tc, an_authority_has_no_user_information);
}

static void
add_limits(TCase *tc)
{
	tcase_add_test(tc, a_request_line_of_8_kib_is_taken);
	tcase_add_test(tc, a_longer_request_line_is_414);
	tcase_add_test(tc, empty_lines_do_not_count_into_the_request_line);
	tcase_add_test(tc, a_head_of_32_kib_is_taken);
	tcase_add_test(tc, a_larger_head_is_431);
	tcase_add_test(tc, empty_lines_count_into_the_head);
	tcase_add_test(tc, a_head_has_at_most_100_fields);
}

int
main(void)
{
	static const struct head_case cases[] = {
		{ "request line", add_request_line },
		{ "target", add_target },
		{ "limits", add_limits },
	};

	return head_run("http", cases, sizeof(cases) / sizeof(cases[0]));
}
