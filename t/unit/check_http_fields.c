/* SPDX-License-Identifier: ISC */
/* The rules of request heads: fields, framing, connection. */
#include "check_head.h"

/* Fields */

START_TEST(a_field_name_is_a_token)
{
	good(GET "!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n");
	bad_at(400, GET ":", " b\r\n\r\n");
	bad_at(400, GET "a(", ": b\r\n\r\n");
	bad_at(400, GET "a\0", ": b\r\n\r\n");
	bad_at(400, GET "\xe4", ": b\r\n\r\n");
	bad_at(400, GET "ab\r", "\n\r\n");
}
END_TEST

START_TEST(no_white_space_stands_before_the_colon)
{
	bad_at(400, GET "a ", ": b\r\n\r\n");
	bad_at(400, GET "a\t", ": b\r\n\r\n");
}
END_TEST

START_TEST(a_folded_line_is_refused)
{
	bad_at(400, GET "a: b\r\n ", "c\r\n\r\n");
	bad_at(400, GET "a: b\r\n\t", "c\r\n\r\n");
	bad_at(400, "GET / HTTP/1.1\r\n ", HOST "\r\n");
}
END_TEST

START_TEST(a_value_may_be_empty_or_hold_any_text)
{
	good(GET "a:\r\nb: \t \r\nc:d\te \xe4\xff\x80~ f\r\n\r\n");
	ck_assert_uint_eq(head.fields[1].value.len, 0);
	ck_assert_uint_eq(head.fields[2].value.len, 0);
	ck_span(head.fields[3].value, "d\te \xe4\xff\x80~ f");
}
END_TEST

START_TEST(a_value_has_no_control_characters_wherever_they_stand)
{
	char text[] = GET "a: 0123456789abcdefghij\r\n\r\n";
	size_t start = sizeof(GET "a: ") - 1;

	for (size_t at = start; at < start + 20; at++) {
		char kept = text[at];

		for (int c = 0; c < 0x80; c++) {
			if (c == '\t' || (c >= ' ' && c != 0x7f))
				continue;
			text[at] = (char)c;
			bad_bytes(400, text, sizeof(text) - 1,
			    c == '\r' ? at + 2 : at + 1);
		}
		text[at] = kept;
	}
}
END_TEST

START_TEST(host_is_required_in_1_1)
{
	bad(400, "GET / HTTP/1.1\r\n\r\n");
	bad(400, "GET / HTTP/1.1\r\nHosts: a\r\nHos: b\r\n\r\n");
}
END_TEST

START_TEST(host_may_be_empty)
{
	good("GET / HTTP/1.1\r\nHost:\r\n\r\n");
	ck_assert_uint_eq(head.host.len, 0);
}
END_TEST

START_TEST(host_comes_once_in_any_version)
{
	bad_at(400, GET "Host:", " a\r\n\r\n");
	bad_at(400, OLD HOST "hOST:", " a\r\n\r\n");
	bad_at(400, "GET / HTTP/1.1\r\nHost:\r\nHost:", "\r\n\r\n");
}
END_TEST

START_TEST(host_is_valid_in_any_version)
{
	good("GET / HTTP/1.1\r\nHost: [2001:db8::1.2.3.4]:\r\n\r\n");
	good("GET / HTTP/1.1\r\nhost: A.example:65535\r\n\r\n");
	ck_span(head.host, "A.example:65535");
	good(OLD "Host: 127.0.0.1:0\r\n\r\n");
	bad(400, OLD "Host: a b\r\n\r\n");
	bad(400, OLD "Host: a/b\r\n\r\n");
	bad(400, OLD "Host: u@a\r\n\r\n");
	bad(400, OLD "Host: a:65536\r\n\r\n");
	bad(400, OLD "Host: a:1:2\r\n\r\n");
	bad(400, OLD "Host: :80\r\n\r\n");
	bad(400, OLD "Host: a%4\r\n\r\n");
	bad(400, OLD "Host: [::1\r\n\r\n");
	bad(400, OLD "Host: ::1\r\n\r\n");
	bad(400, OLD "Host: \xe4\r\n\r\n");
}
END_TEST

static void
reason_is(const char *text, const char *reason)
{
	ck_assert_int_eq(parse_cut(text, strlen(text)), HTTP_BAD);
	ck_assert_str_eq(head.reason, reason);
}

START_TEST(the_reason_names_the_fault_of_a_field_line)
{
	reason_is(GET "a\n", "LF without CR");
	reason_is(GET "a: b\rc", "CR without LF");
	reason_is(GET "a@", "a field name is not a token");
	reason_is(GET "a ", "white space before the colon of a field");
	reason_is(GET "\t", "a folded field line");
	reason_is(GET ":", "a field without a name");
	reason_is(GET "a: \x01", "a control character in a field value");
}
END_TEST

/* Framing */

START_TEST(content_length_is_one_number_up_to_2_63)
{
	good(POST "Content-Length: 0\r\n\r\n");
	ck_assert_uint_eq(head.body_len, 0);
	good(POST "CONTENT-length:0017 \r\n\r\n");
	ck_assert_uint_eq(head.body_len, 17);
	good(POST "Content-Length: 9223372036854775807\r\n\r\n");
	ck_assert_uint_eq(head.body_len, INT64_MAX);
	bad(400, POST "Content-Length: 9223372036854775808\r\n\r\n");
	bad(400, POST "Content-Length: 18446744073709551617\r\n\r\n");
	bad(400, POST "Content-Length: 99999999999999999999999\r\n\r\n");
}
END_TEST

START_TEST(content_length_is_digits_only)
{
	bad(400, POST "Content-Length:\r\n\r\n");
	bad(400, POST "Content-Length: +1\r\n\r\n");
	bad(400, POST "Content-Length: -1\r\n\r\n");
	bad(400, POST "Content-Length: 0x1\r\n\r\n");
	bad(400, POST "Content-Length: 1 2\r\n\r\n");
	bad(400, POST "Content-Length: 1.0\r\n\r\n");
	bad(400, POST "Content-Length: \xb2\r\n\r\n");
}
END_TEST

START_TEST(content_length_comes_once_even_if_equal)
{
	bad_at(400, POST "Content-Length: 1\r\nContent-Length:", " 1\r\n\r\n");
	bad(400, POST "Content-Length: 1, 1\r\n\r\n");
	bad(400, POST "Content-Length: 1,\r\n\r\n");
	bad(400, OLD "Content-Length: 1\r\ncontent-length: 2\r\n\r\n");
}
END_TEST

START_TEST(a_chunked_body_has_no_length)
{
	good(POST "Transfer-Encoding: chunked\r\n\r\n");
	ck_assert_uint_eq(head.body_len, HTTP_BODY_CHUNKED);
	good(POST "transfer-encoding:\tChUnKeD\t\r\n\r\n");
	ck_assert_uint_eq(head.body_len, HTTP_BODY_CHUNKED);
}
END_TEST

START_TEST(length_and_coding_exclude_each_other)
{
	bad_at(400, POST "Content-Length: 1\r\nTransfer-Encoding:", " chunked\r\n\r\n");
	bad_at(400, POST "Transfer-Encoding: chunked\r\nContent-Length:", " 1\r\n\r\n");
	bad(400, POST "Content-Length: 1\r\nTransfer-Encoding: gzip\r\n\r\n");
}
END_TEST

START_TEST(an_old_version_knows_no_transfer_coding)
{
	bad_at(400, OLD "Transfer-Encoding:", " chunked\r\n\r\n");
	bad(400, OLD "Transfer-Encoding: gzip\r\n\r\n");
}
END_TEST

START_TEST(an_unknown_transfer_coding_is_not_implemented)
{
	bad(501, POST "Transfer-Encoding: gzip\r\n\r\n");
	bad(501, POST "Transfer-Encoding: identity\r\n\r\n");
	bad(501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n");
	bad(501, POST "Transfer-Encoding: gzip;q=1, chunked\r\n\r\n");
	bad(501, POST "Transfer-Encoding: xchunked\r\n\r\n");
	bad(501, POST "Transfer-Encoding: chunke\r\n\r\n");
}
END_TEST

START_TEST(chunked_comes_once_and_last)
{
	bad(400, POST "Transfer-Encoding: chunked, chunked\r\n\r\n");
	bad(400, POST "Transfer-Encoding: chunked, gzip\r\n\r\n");
	bad(400,
	    POST "Transfer-Encoding: chunked\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n");
	bad(400,
	    POST "Transfer-Encoding: chunked\r\n"
		 "Transfer-Encoding: identity\r\n\r\n");
}
END_TEST

START_TEST(transfer_encoding_is_well_formed)
{
	bad(400, POST "Transfer-Encoding:\r\n\r\n");
	bad(400, POST "Transfer-Encoding: ,chunked\r\n\r\n");
	bad(400, POST "Transfer-Encoding: chunked,\r\n\r\n");
	bad(400, POST "Transfer-Encoding: \"chunked\"\r\n\r\n");
	bad(400, POST "Transfer-Encoding: chunked;a=b\r\n\r\n");
	bad(400, POST "Transfer-Encoding: chunked x\r\n\r\n");
	bad(400, POST "Transfer-Encoding: chunked\tx\r\n\r\n");
	bad(400, POST "Transfer-Encoding: chunked\xa0\r\n\r\n");
}
END_TEST

START_TEST(what_follows_the_head_is_not_looked_at)
{
	static const char text[] = GET "\r\nGET\x01\n\n";

	ck_assert_int_eq(parse_cut(text, sizeof(text) - 1), HTTP_OK);
	ck_assert_uint_eq(head.head_len, sizeof(GET "\r\n") - 1);
}
END_TEST

/* The connection */

START_TEST(a_connection_is_kept_by_version_and_option)
{
	good(GET "\r\n");
	ck_assert(head.keep_alive);
	good(GET "Connection: CLOSE\r\n\r\n");
	ck_assert(!head.keep_alive);
	good(OLD "\r\n");
	ck_assert(!head.keep_alive);
	good(OLD "connection: Keep-Alive\r\n\r\n");
	ck_assert(head.keep_alive);
	good(GET "Connection: closed, keep-alive-not, clos\r\n\r\n");
	ck_assert(head.keep_alive);
}
END_TEST

START_TEST(connection_options_are_a_list_over_several_fields)
{
	good(GET "Connection: x,\t,close ,y\r\n\r\n");
	ck_assert(!head.keep_alive);
	good(GET "Connection: keep-alive\r\nConnection: te,close\r\n\r\n");
	ck_assert(!head.keep_alive);
	good(OLD "Connection:\r\nConnection: te, keep-alive\r\n\r\n");
	ck_assert(head.keep_alive);
}
END_TEST

START_TEST(close_wins_over_keep_alive)
{
	good(GET "Connection: close, keep-alive\r\n\r\n");
	ck_assert(!head.keep_alive);
	good(OLD "Connection: keep-alive, close\r\n\r\n");
	ck_assert(!head.keep_alive);
}
END_TEST

START_TEST(an_upgrade_needs_both_fields_and_1_1)
{
	good(GET "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n");
	ck_assert(head.upgrade);
	good(GET "Connection: upgrade\r\n\r\n");
	ck_assert(!head.upgrade);
	good(GET "Upgrade: h2c\r\n\r\n");
	ck_assert(!head.upgrade);
	good(OLD "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	ck_assert(!head.upgrade);
}
END_TEST

START_TEST(expect_100_continue_is_seen_in_1_1)
{
	good(POST "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n");
	ck_assert(head.expect_continue);
	good(POST "Expect: something-else\r\n\r\n");
	ck_assert(!head.expect_continue);
	good("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
	ck_assert(!head.expect_continue);
}
END_TEST

START_TEST(fields_are_found_by_name_in_any_case)
{
	static const char text[] = GET "X-Ab: 1\r\nx-aB: 2\r\nX-A: 3\r\n\r\n";
	const struct lease_span *value;

	good(text);
	value = http_field_find(head.fields, head.field_count, text, "X-AB");
	ck_assert_ptr_nonnull(value);
	ck_span(*value, "1");
	value = http_field_find(head.fields, head.field_count, text, "x-a");
	ck_assert_ptr_nonnull(value);
	ck_span(*value, "3");
	ck_assert_ptr_null(http_field_find(head.fields, head.field_count, text, "x-abc"));
	value = http_field_find(head.fields, head.field_count, text, "host");
	ck_assert_ptr_nonnull(value);
	ck_span(*value, "a");
	ck_assert_ptr_null(http_field_find(head.fields, 0, text, "Host"));
}
END_TEST

static void
add_fields(TCase *tc)
{
	tcase_add_test(tc, a_field_name_is_a_token);
	tcase_add_test(tc, no_white_space_stands_before_the_colon);
	tcase_add_test(tc, a_folded_line_is_refused);
	tcase_add_test(tc, a_value_may_be_empty_or_hold_any_text);
	tcase_add_test(tc, a_value_has_no_control_characters_wherever_they_stand);
	tcase_add_test(tc, host_is_required_in_1_1);
	tcase_add_test(tc, host_may_be_empty);
	tcase_add_test(tc, host_comes_once_in_any_version);
	tcase_add_test(tc, host_is_valid_in_any_version);
	tcase_add_test(tc, the_reason_names_the_fault_of_a_field_line);
	tcase_add_test(tc, fields_are_found_by_name_in_any_case);
}

static void
add_framing(TCase *tc)
{
	tcase_add_test(tc, content_length_is_one_number_up_to_2_63);
	tcase_add_test(tc, content_length_is_digits_only);
	tcase_add_test(tc, content_length_comes_once_even_if_equal);
	tcase_add_test(tc, a_chunked_body_has_no_length);
	tcase_add_test(tc, length_and_coding_exclude_each_other);
	tcase_add_test(tc, an_old_version_knows_no_transfer_coding);
	tcase_add_test(tc, an_unknown_transfer_coding_is_not_implemented);
	tcase_add_test(tc, chunked_comes_once_and_last);
	tcase_add_test(tc, transfer_encoding_is_well_formed);
	tcase_add_test(tc, what_follows_the_head_is_not_looked_at);
	tcase_add_test(tc, a_connection_is_kept_by_version_and_option);
	tcase_add_test(tc, connection_options_are_a_list_over_several_fields);
	tcase_add_test(tc, close_wins_over_keep_alive);
	tcase_add_test(tc, an_upgrade_needs_both_fields_and_1_1);
	tcase_add_test(tc, expect_100_continue_is_seen_in_1_1);
}

int
main(void)
{
	static const struct head_case cases[] = {
		{ "fields", add_fields },
		{ "framing", add_framing },
	};

	return head_run("http fields", cases, sizeof(cases) / sizeof(cases[0]));
}
