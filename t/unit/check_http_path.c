/* SPDX-License-Identifier: ISC */
/* The canonical path, authorities, trace ids and the small texts of HTTP. */
#include "common/http.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static bool encoded_slash;

/* Why the path is refused, or NULL; out gets the result, with a NUL. */
static const char *
canonical(const char *raw, size_t len, char *out, size_t size)
{
	char *copy = malloc(len > 0 ? len : 1), *result = malloc(size);
	size_t out_len = 0;
	const char *why;

	ck_assert(copy != NULL && result != NULL);
	memcpy(copy, raw, len);
	why = http_path_canonical(copy, len, result, size, &out_len, &encoded_slash);
	if (why == NULL) {
		ck_assert_uint_le(out_len, size);
		memcpy(out, result, out_len);
	}
	out[out_len] = '\0';
	free(copy);
	free(result);
	return why;
}

/* raw becomes path, without more room than the longer of "/" and raw has. */
static void
path_is(const char *raw, const char *path)
{
	char out[256];
	size_t len = strlen(raw);
	const char *why = canonical(raw, len, out, len > 0 ? len : 1);

	ck_assert_msg(why == NULL, "%s: %s", raw, why);
	ck_assert_str_eq(out, path);
}

#define refused(raw) ck_assert_ptr_nonnull(why_refused(raw, sizeof(raw) - 1))

static const char *
why_refused(const char *raw, size_t len)
{
	char out[256];

	return canonical(raw, len, out, sizeof(out) - 1);
}

START_TEST(a_plain_path_stays)
{
	path_is("/", "/");
	path_is("/a", "/a");
	path_is("/a/b.c/", "/a/b.c/");
	path_is("/...", "/...");
	path_is("/.a/..b/c..", "/.a/..b/c..");
	path_is("/~!$&'()*+,;=:@|[]^", "/~!$&'()*+,;=:@|[]^");
}
END_TEST

START_TEST(an_empty_path_is_the_root)
{
	path_is("", "/");
}
END_TEST

START_TEST(a_path_begins_with_a_slash)
{
	refused("a");
	refused("*");
	refused("%2fa");
}
END_TEST

START_TEST(a_path_is_decoded_once)
{
	path_is("/%41%7e%c3%A4%20b", "/A~\xc3\xa4 b");
	path_is("/%2541", "/%41");
	path_is("/100%25", "/100%");
	path_is("/%25%34%31", "/%41");
	path_is("/%3f%23", "/?#");
}
END_TEST

START_TEST(dot_segments_are_resolved)
{
	path_is("/.", "/");
	path_is("/a/.", "/a/");
	path_is("/a/./b", "/a/b");
	path_is("/a/..", "/");
	path_is("/a/../b", "/b");
	path_is("/a/b/..", "/a/");
	path_is("/a/b/../../c/d/../e", "/c/e");
	path_is("/a/../b/../", "/");
}
END_TEST

START_TEST(encoded_dot_segments_are_resolved_too)
{
	path_is("/a/%2e/b", "/a/b");
	path_is("/a/%2E%2e/b", "/b");
	path_is("/a/.%2e", "/");
}
END_TEST

START_TEST(repeated_slashes_are_one)
{
	path_is("//", "/");
	path_is("//a///b//", "/a/b/");
	path_is("/a//../b", "/b");
	path_is("/a/.//./b", "/a/b");
}
END_TEST

START_TEST(a_path_does_not_climb_above_the_root)
{
	refused("/..");
	refused("/../a");
	refused("/a/../..");
	refused("/a/../../a");
	refused("/%2e%2e/a");
	refused("//..");
	refused("/./../a");
}
END_TEST

START_TEST(an_encoded_slash_is_kept_and_told)
{
	path_is("/a", "/a");
	ck_assert(!encoded_slash);
	path_is("/a%2Fb", "/a%2Fb");
	ck_assert(encoded_slash);
	path_is("/a%2fb/c", "/a%2Fb/c");
	ck_assert(encoded_slash);
	path_is("/%2F", "/%2F");
	ck_assert(encoded_slash);
	path_is("/%2541", "/%41");
	ck_assert(!encoded_slash);
}
END_TEST

START_TEST(a_twice_encoded_slash_is_told_like_an_encoded_one)
{
	path_is("/a%252Fb", "/a%2Fb");
	ck_assert(encoded_slash);
	path_is("/a%252fb", "/a%2fb");
	ck_assert(encoded_slash);
	path_is("/a%25%32%66b", "/a%2fb");
	ck_assert(encoded_slash);
}
END_TEST

START_TEST(a_bad_percent_is_refused)
{
	refused("/%");
	refused("/%4");
	refused("/%4/");
	refused("/%4g");
	refused("/%g4");
	refused("/%%41");
	refused("/%u0041");
}
END_TEST

START_TEST(control_characters_and_backslash_are_refused)
{
	char encoded[] = "/a%00b", raw[] = "/a_b";

	for (int c = 0; c < 256; c++) {
		bool wrong = c < ' ' || c == 0x7f || c == '\\';

		encoded[3] = "0123456789abcdef"[c / 16];
		encoded[4] = "0123456789ABCDEF"[c % 16];
		ck_assert_int_eq(why_refused(encoded, 6) != NULL, wrong);
		raw[2] = (char)c;
		if (c != '%')
			ck_assert_int_eq(why_refused(raw, 4) != NULL, wrong);
	}
}
END_TEST

START_TEST(dot_segments_hidden_by_encoding_twice_are_refused)
{
	refused("/a/%252e%252e/b");
	refused("/a/%252E");
	refused("/a/.%252e/b");
	refused("/a/%25%32%65/b");
	refused("/a/..%2fb");
	refused("/a/b%2F..");
	refused("/a/b%2f.%2fc");
	refused("/a/b%252f..");
	refused("/a/..%255cb");
	path_is("/a/%252e%252e%252e", "/a/%2e%2e%2e");
	path_is("/a/.%252ex", "/a/.%2ex");
	path_is("/a/x..%2Fb", "/a/x..%2Fb");
	path_is("/a/%25", "/a/%");
	path_is("/a/%25x.", "/a/%x.");
	path_is("/a/%252x", "/a/%2x");
}
END_TEST

START_TEST(a_path_longer_than_its_room_is_refused)
{
	char out[16];

	ck_assert_ptr_null(canonical("/abc", 4, out, 4));
	ck_assert_ptr_nonnull(canonical("/abc", 4, out, 3));
	ck_assert_ptr_null(canonical("", 0, out, 1));
	ck_assert_ptr_nonnull(
	    http_path_canonical("", 0, out, 0, &(size_t){ 0 }, &encoded_slash));
}
END_TEST

static void
authority_is(const char *text, const char *host, unsigned want)
{
	size_t len;
	uint16_t port;

	http_authority_split(text, strlen(text), &len, &port);
	ck_assert_uint_eq(len, strlen(host));
	ck_assert_uint_eq(port, want);
}

START_TEST(an_authority_splits_into_host_and_port)
{
	authority_is("", "", 0);
	authority_is("a.example", "a.example", 0);
	authority_is("a:", "a", 0);
	authority_is("a:80", "a", 80);
	authority_is("a:65535", "a", 65535);
	authority_is("a:00080", "a", 80);
	authority_is("[::1]", "[::1]", 0);
	authority_is("[::1", "[::1", 0);
	authority_is("[::1]:", "[::1]", 0);
	authority_is("[::1]:8080", "[::1]", 8080);
}
END_TEST

/* How far text is an authority: -1 broken, -2 cut off within the host. */
static int
authority_end(const char *text)
{
	bool whole = false;
	const char *end = http_authority_scan(text, text + strlen(text), &whole);

	if (end == NULL)
		return -1;
	return whole ? (int)(end - text) : -2;
}

START_TEST(an_authority_is_read_as_far_as_it_goes)
{
	ck_assert_int_eq(authority_end("a"), 1);
	ck_assert_int_eq(authority_end("a/b"), 1);
	ck_assert_int_eq(authority_end("a:12x"), 4);
	ck_assert_int_eq(authority_end("%30%0fb"), 7);
	ck_assert_int_eq(authority_end("%4"), -2);
	ck_assert_int_eq(authority_end("[::1"), -2);
	ck_assert_int_eq(authority_end("%zz"), -1);
	ck_assert_int_eq(authority_end(":1"), -1);
	ck_assert_int_eq(authority_end("a:65536"), -1);
	ck_assert_int_eq(authority_end("a:4294967376"), -1);
}
END_TEST

START_TEST(an_ip_literal_is_a_valid_ipv6_address)
{
	ck_assert_int_eq(authority_end("[::]"), 4);
	ck_assert_int_eq(authority_end("[::ffff:1.2.3.4]"), 16);
	ck_assert_int_eq(authority_end("[0000:0000:0000:0000:0000:ffff:255.255.255.255]"),
	    47);
	ck_assert_int_eq(authority_end(
			     "[0000:0000:0000:0000:0000:ffff:255.255.255.2555]"),
	    -1);
	ck_assert_int_eq(authority_end("[]"), -1);
	ck_assert_int_eq(authority_end("[1:2]"), -1);
	ck_assert_int_eq(authority_end("[1.2.3.4]"), -1);
	ck_assert_int_eq(authority_end("[::1::]"), -1);
	ck_assert_int_eq(authority_end("[fe80::1%25eth0]"), -1);
	ck_assert_int_eq(authority_end("[v1.a]"), -1);
	ck_assert_int_eq(authority_end(
			     "[0000000000000000000000000000000000000000"
			     "00000000000000000000000000000000000000000000000000000000]"),
	    -1);
}
END_TEST

START_TEST(each_status_has_its_registered_reason)
{
	ck_assert_str_eq(http_reason(200), "OK");
	ck_assert_str_eq(http_reason(404), "Not Found");
	ck_assert_str_eq(http_reason(413), "Content Too Large");
	ck_assert_str_eq(http_reason(431), "Request Header Fields Too Large");
	ck_assert_str_eq(http_reason(511), "Network Authentication Required");
	ck_assert_str_eq(http_reason(418), "Unknown");
	ck_assert_str_eq(http_reason(0), "Unknown");
	ck_assert_str_eq(http_reason(512), "Unknown");
	ck_assert_str_eq(http_reason(4294967295u), "Unknown");
}
END_TEST

START_TEST(words_are_compared_in_any_case)
{
	ck_assert(http_word_is("Close", 5, "cLOSE"));
	ck_assert(http_word_is("", 0, ""));
	ck_assert(!http_word_is("clos", 4, "close"));
	ck_assert(!http_word_is("closed", 6, "close"));
	ck_assert(!http_word_is("close\0", 6, "close"));
	ck_assert(http_word_is("AZaz", 4, "azAZ"));
	ck_assert(!http_word_is("@[", 2, "`{"));
}
END_TEST

START_TEST(a_list_is_cut_at_its_commas)
{
	static const char *const want[] = { "a", "b c", "", "d" };
	const char *value = " a,\tb c\t,, d ", *end = value + strlen(value);
	const char *start;

	for (size_t i = 0; i < 4; i++) {
		const char *stop;

		ck_assert_ptr_nonnull(value);
		stop = http_list_next(&value, end, &start);
		ck_assert_uint_eq((size_t)(stop - start), strlen(want[i]));
		ck_assert_mem_eq(start, want[i], strlen(want[i]));
	}
	ck_assert_ptr_null(value);
}
END_TEST

START_TEST(hex_digits_have_their_values)
{
	for (int c = 0; c < 256; c++) {
		const char *at = c == 0 ? NULL : strchr("0123456789abcdef", c | 0x20);
		int want = at == NULL || strchr("0123456789abcdefABCDEF", c) == NULL ?
		    -1 :
		    (int)strtol((char[]){ (char)c, '\0' }, NULL, 16);

		ck_assert_int_eq(http_hex((char)c), want);
	}
}
END_TEST

static void
add_path(TCase *tc)
{
	tcase_add_test(tc, a_plain_path_stays);
	tcase_add_test(tc, an_empty_path_is_the_root);
	tcase_add_test(tc, a_path_begins_with_a_slash);
	tcase_add_test(tc, a_path_is_decoded_once);
	tcase_add_test(tc, dot_segments_are_resolved);
	tcase_add_test(tc, encoded_dot_segments_are_resolved_too);
	tcase_add_test(tc, repeated_slashes_are_one);
	tcase_add_test(tc, a_path_does_not_climb_above_the_root);
	tcase_add_test(tc, an_encoded_slash_is_kept_and_told);
	tcase_add_test(tc, a_twice_encoded_slash_is_told_like_an_encoded_one);
	tcase_add_test(tc, a_bad_percent_is_refused);
	tcase_add_test(tc, control_characters_and_backslash_are_refused);
	tcase_add_test(tc, dot_segments_hidden_by_encoding_twice_are_refused);
	tcase_add_test(tc, a_path_longer_than_its_room_is_refused);
}

static void
add_text(TCase *tc)
{
	tcase_add_test(tc, an_authority_splits_into_host_and_port);
	tcase_add_test(tc, an_authority_is_read_as_far_as_it_goes);
	tcase_add_test(tc, an_ip_literal_is_a_valid_ipv6_address);
	tcase_add_test(tc, each_status_has_its_registered_reason);
	tcase_add_test(tc, words_are_compared_in_any_case);
	tcase_add_test(tc, a_list_is_cut_at_its_commas);
	tcase_add_test(tc, hex_digits_have_their_values);
}

int
main(void)
{
	Suite *suite = suite_create("http path");
	TCase *path = tcase_create("path"), *text = tcase_create("text");
	SRunner *runner;
	int failed;

	add_path(path);
	add_text(text);
	suite_add_tcase(suite, path);
	suite_add_tcase(suite, text);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
