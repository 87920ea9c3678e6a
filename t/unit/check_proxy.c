/* SPDX-License-Identifier: ISC */
/* The header of the PROXY protocol, versions 1 and 2. */
#include <check.h>
#include <string.h>

#include "common/util.h"
#include "router/proxy.h"

static struct proxy_header header;

static enum proxy_result
parse(const char *text, size_t len)
{
	return proxy_parse(&header, text, len);
}

/* Whole it is fine; each part of it wants more. */
static void
check_good(const char *text, size_t len)
{
	for (size_t i = 1; i < len; i++)
		ck_assert_msg(parse(text, i) == PROXY_MORE, "after %zu bytes", i);
	ck_assert_int_eq(parse(text, len), PROXY_OK);
	ck_assert_uint_eq(header.len, len);
}

static const char *
client(void)
{
	static char text[UTIL_ADDR_SIZE];

	return util_addr_text(&header.client, text);
}

#define V2 "\r\n\r\n\0\r\nQUIT\n"

START_TEST(a_line_of_version_1_names_client_and_local_address)
{
	static const char text[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";

	check_good(text, sizeof(text) - 1);
	ck_assert(header.has_addr);
	ck_assert_str_eq(client(), "192.0.2.1");
	ck_assert_uint_eq(header.client.port, 56324);
	ck_assert_uint_eq(header.local.port, 443);
}
END_TEST

START_TEST(it_knows_ipv6)
{
	static const char text[] = "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n";

	check_good(text, sizeof(text) - 1);
	ck_assert_str_eq(client(), "2001:db8::1");
	ck_assert_uint_eq(header.local.port, 65535);
}
END_TEST

START_TEST(unknown_leaves_the_addresses_alone)
{
	static const char plain[] = "PROXY UNKNOWN\r\n";
	static const char more[] = "PROXY UNKNOWN whatever it says 1 2 3\r\n";

	check_good(plain, sizeof(plain) - 1);
	ck_assert(!header.has_addr);
	check_good(more, sizeof(more) - 1);
	ck_assert(!header.has_addr);
}
END_TEST

START_TEST(broken_lines_are_refused)
{
	static const char *const bad[] = { "GET / HTTP/1.1\r\n", "PROXY\r\n",
		"PROXY TCP4\r\n", "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
		"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
		"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
		"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n" };
	char longer[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse(bad[i], strlen(bad[i])) == PROXY_BAD, "%s", bad[i]);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "PROXY UNKNOWN ", 14);
	ck_assert_int_eq(parse(longer, 106), PROXY_MORE);
	ck_assert_int_eq(parse(longer, 107), PROXY_BAD);
}
END_TEST

START_TEST(version_2_names_addresses_and_may_say_more)
{
	static const char v4[] = V2 "\x21\x11\x00\x0f"
				    "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"
				    "\x04\x00\x00";
	static const char v6[] = V2 "\x21\x21\x00\x24"
				    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
				    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x00\x01\x00\x50";

	check_good(v4, sizeof(v4) - 1);
	ck_assert_str_eq(client(), "192.0.2.1");
	ck_assert_uint_eq(header.client.port, 56324);
	ck_assert_uint_eq(header.local.port, 443);
	check_good(v6, sizeof(v6) - 1);
	ck_assert_str_eq(client(), "2001:db8::1");
	ck_assert_uint_eq(header.local.port, 80);
}
END_TEST

START_TEST(local_and_unknown_families_of_version_2_leave_the_addresses_alone)
{
	static const char local[] = V2 "\x20\x00\x00\x00";
	static const char unspec[] = V2 "\x21\x00\x00\x03"
					"abc";
	static const char unix_[] = V2 "\x21\x31\x00\x01"
				       "x";

	check_good(local, sizeof(local) - 1);
	ck_assert(!header.has_addr);
	check_good(unspec, sizeof(unspec) - 1);
	ck_assert(!header.has_addr);
	check_good(unix_, sizeof(unix_) - 1);
	ck_assert(!header.has_addr);
}
END_TEST

START_TEST(broken_headers_of_version_2_are_refused)
{
	static const char version[] = V2 "\x11\x11\x00\x0c"
					 "abcdefghijkl";
	static const char command[] = V2 "\x22\x11\x00\x0c"
					 "abcdefghijkl";
	static const char small[] = V2 "\x21\x11\x00\x0b"
				       "abcdefghijk";
	static const char large[] = V2 "\x21\x11\xff\xff";

	ck_assert_int_eq(parse(version, sizeof(version) - 1), PROXY_BAD);
	ck_assert_int_eq(parse(command, sizeof(command) - 1), PROXY_BAD);
	ck_assert_int_eq(parse(small, sizeof(small) - 1), PROXY_BAD);
	ck_assert_int_eq(parse(large, sizeof(large) - 1), PROXY_BAD);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proxy");
	TCase *tc = tcase_create("proxy");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, a_line_of_version_1_names_client_and_local_address);
	tcase_add_test(tc, it_knows_ipv6);
	tcase_add_test(tc, unknown_leaves_the_addresses_alone);
	tcase_add_test(tc, broken_lines_are_refused);
	tcase_add_test(tc, version_2_names_addresses_and_may_say_more);
	tcase_add_test(tc,
	    local_and_unknown_families_of_version_2_leave_the_addresses_alone);
	tcase_add_test(tc, broken_headers_of_version_2_are_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
