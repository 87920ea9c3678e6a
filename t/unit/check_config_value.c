/* SPDX-License-Identifier: ISC */
/* The values of configuration files. */
#include <check.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "supervisor/config.h"
#include "supervisor/config_value.h"

static char why[CONFIG_WHY_SIZE];

START_TEST(durations_have_units_and_a_range)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = { { "500ms", 500 }, { "10s", 10000 }, { "5m", 300000 },
		{ "1h", 3600000 }, { "0", 0 }, { "5", -1 }, { "5 s", -1 }, { "s", -1 },
		{ "-1s", -1 }, { "1d", -1 }, { "1.5s", -1 }, { "2h", -1 },
		{ "99999999999999999999h", -1 }, { "9223372036854775807h", -1 },
		{ "", -1 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = -1;
		bool ok = config_value_duration(cases[i].text, 0, 3600000, &ms, why);

		ck_assert_msg(ok == (cases[i].ms != -1), "%s", cases[i].text);
		ck_assert_int_eq(ms, cases[i].ms);
	}
	ck_assert(!config_value_duration("1ms", 100, 60000, &(int64_t){ 0 }, why));
	ck_assert_str_eq(why, "1ms is not between 100ms and 1m");
}
END_TEST

START_TEST(sizes_have_binary_units)
{
	int64_t n = 0;

	ck_assert(config_value_size("64K", 0, INT64_MAX - 1, &n, why));
	ck_assert_int_eq(n, 65536);
	ck_assert(config_value_size("64M", 0, INT64_MAX - 1, &n, why));
	ck_assert_int_eq(n, 64 << 20);
	ck_assert(config_value_size("1G", 0, INT64_MAX - 1, &n, why));
	ck_assert_int_eq(n, 1 << 30);
	ck_assert(config_value_size("17", 0, INT64_MAX - 1, &n, why));
	ck_assert_int_eq(n, 17);
	ck_assert(!config_value_size("1T", 0, INT64_MAX - 1, &n, why));
	ck_assert(!config_value_size("9999999999G", 0, 1 << 30, &n, why));
	ck_assert(!config_value_size("K", 0, 1 << 30, &n, why));
}
END_TEST

START_TEST(formatted_numbers_read_back)
{
	static const int64_t values[] = { 0, 1, 999, 1000, 1500, 60000, 61000, 3600000,
		1 << 20, 3 << 10 };
	char text[CONFIG_NUMBER_SIZE];
	int64_t n;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		config_duration_format(values[i], text);
		ck_assert(config_value_duration(text, 0, INT64_MAX - 1, &n, why));
		ck_assert_int_eq(n, values[i]);
		config_size_format(values[i], text);
		ck_assert(config_value_size(text, 0, INT64_MAX - 1, &n, why));
		ck_assert_int_eq(n, values[i]);
	}
}
END_TEST

START_TEST(numbers_are_whole_and_in_range)
{
	int64_t n = 7;

	ck_assert(config_value_int("1024", 1, 1024, &n, why));
	ck_assert_int_eq(n, 1024);
	ck_assert(!config_value_int("1025", 1, 1024, &n, why));
	ck_assert(!config_value_int("0", 1, 1024, &n, why));
	ck_assert(!config_value_int("-1", 0, 1024, &n, why));
	ck_assert(!config_value_int("1x", 1, 1024, &n, why));
	ck_assert(!config_value_int("18446744073709551617", 1, 1024, &n, why));
	ck_assert_int_eq(n, 1024);
}
END_TEST

START_TEST(numbers_may_be_negative_where_they_may)
{
	int64_t n = 7;

	ck_assert(config_value_int("-20", -20, 19, &n, why));
	ck_assert_int_eq(n, -20);
	ck_assert(!config_value_int("-21", -20, 19, &n, why));
	ck_assert(!config_value_int("--1", -20, 19, &n, why));
	ck_assert(!config_value_int("-", -20, 19, &n, why));
	ck_assert(!config_value_int("-99999999999999999999", -20, 19, &n, why));
	ck_assert_int_eq(n, -20);
}
END_TEST

START_TEST(percentages_and_octal_numbers_are_read)
{
	int64_t n = 7;

	ck_assert(config_value_percent("150%", 1, 200, &n, why));
	ck_assert_int_eq(n, 150);
	ck_assert(!config_value_percent("50", 1, 200, &n, why));
	ck_assert(!config_value_percent("50%%", 1, 200, &n, why));
	ck_assert(!config_value_percent("0%", 1, 200, &n, why));
	ck_assert(!config_value_percent("%", 1, 200, &n, why));
	ck_assert(config_value_octal("0027", 0777, &n, why));
	ck_assert_int_eq(n, 027);
	ck_assert(config_value_octal("0", 0777, &n, why));
	ck_assert(!config_value_octal("", 0777, &n, why));
	ck_assert(!config_value_octal("8", 0777, &n, why));
	ck_assert(!config_value_octal("1000", 0777, &n, why));
	ck_assert(!config_value_octal("77777777777777777777777777", 0777, &n, why));
}
END_TEST

START_TEST(cpus_are_numbers_and_ranges)
{
	static const char *const bad[] = { "", ",", "1,", ",1", "1-", "-1", "3-1", "1024",
		"1 2", "a", "0-99999999999999999999", "1--2" };
	cpu_set_t cpus;

	ck_assert(config_value_cpus("0-1, 3 ,1023", &cpus, why));
	ck_assert_int_eq(CPU_COUNT(&cpus), 4);
	ck_assert(CPU_ISSET(0, &cpus) && CPU_ISSET(1, &cpus) && CPU_ISSET(3, &cpus) &&
	    CPU_ISSET(1023, &cpus));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!config_value_cpus(bad[i], &cpus, why), "%s", bad[i]);
	ck_assert_int_eq(CPU_COUNT(&cpus), 4);
}
END_TEST

START_TEST(booleans_have_six_words)
{
	static const char *const yes[] = { "yes", "true", "on", "YES", "On" };
	static const char *const no[] = { "no", "false", "off", "False" };
	bool b = false;

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ck_assert(config_value_bool(yes[i], &b, why) && b);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ck_assert(config_value_bool(no[i], &b, why) && !b);
	ck_assert(!config_value_bool("1", &b, why));
}
END_TEST

START_TEST(signals_go_by_name)
{
	static const char *const names[] = { "TERM", "SIGTERM", "term", "sigterm" };
	int sig = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++, sig = 0) {
		ck_assert(config_value_signal(names[i], false, &sig, why));
		ck_assert_int_eq(sig, SIGTERM);
	}
	ck_assert_str_eq(config_signal_name(SIGTERM), "TERM");
	ck_assert(config_value_signal("none", true, &sig, why));
	ck_assert_int_eq(sig, 0);
	ck_assert_str_eq(config_signal_name(0), "none");
	ck_assert(!config_value_signal("none", false, &sig, why));
	ck_assert(!config_value_signal("SIGnone", true, &sig, why));
	ck_assert(!config_value_signal("STOP", true, &sig, why));
	ck_assert(!config_value_signal("SIG", true, &sig, why));
	ck_assert(!config_value_signal("9", true, &sig, why));
	ck_assert_ptr_nonnull(strstr(why, "none, TERM, QUIT"));
}
END_TEST

START_TEST(addresses_of_four_kinds_are_read)
{
	struct config_address a;
	const char *reason;

	ck_assert(config_address_parse(":8080", &a, &reason));
	ck_assert_int_eq(a.kind, CONFIG_ADDRESS_ANY);
	ck_assert_int_eq(a.ss.ss_family, AF_INET6);
	ck_assert_uint_eq(a.port, 8080);
	ck_assert(config_address_parse("127.0.0.1:80", &a, &reason));
	ck_assert_int_eq(a.kind, CONFIG_ADDRESS_INET);
	ck_assert_str_eq(a.host, "127.0.0.1");
	ck_assert_uint_eq(ntohs(((struct sockaddr_in *)&a.ss)->sin_port), 80);
	ck_assert_uint_eq(a.ss_len, sizeof(struct sockaddr_in));
	ck_assert(config_address_parse("[::1]:65535", &a, &reason));
	ck_assert_int_eq(a.kind, CONFIG_ADDRESS_INET6);
	ck_assert_str_eq(a.host, "::1");
	ck_assert_uint_eq(a.ss_len, sizeof(struct sockaddr_in6));
	ck_assert(config_address_parse("unix:/run/x.sock", &a, &reason));
	ck_assert_int_eq(a.kind, CONFIG_ADDRESS_UNIX);
	ck_assert_str_eq(a.path, "/run/x.sock");
	ck_assert_str_eq(((struct sockaddr_un *)&a.ss)->sun_path, a.path);
}
END_TEST

START_TEST(bad_addresses_are_refused)
{
	static const char *const bad[] = { "", "8080", ":", ":0", ":65536",
		":99999999999999999999", ":80a", ":-1", "localhost:80", "*:80",
		"1.2.3:80", "::1:80", "[::1]", "[::1]80", "[]:80", "[::1:80",
		"[1.2.3.4]:80", "[::ffff:1.2.3.4]:80", "unix:", "unix:x", "unix:/x/",
		"1.2.3.4:", "[", "[:80", "]:80" };
	char path[128] = "unix:/";
	struct config_address a;
	const char *reason;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!config_address_parse(bad[i], &a, &reason), "%s", bad[i]);
	memset(path + 6, 'x', 106);
	ck_assert(config_address_parse(path, &a, &reason));
	path[6 + 106] = 'x';
	ck_assert(!config_address_parse(path, &a, &reason));
}
END_TEST

START_TEST(overlapping_addresses_are_known)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} cases[] = { { ":80", ":80", true }, { ":80", ":81", false },
		{ ":80", "127.0.0.1:80", true }, { ":80", "[::1]:80", true },
		{ "0.0.0.0:80", "127.0.0.1:80", true },
		{ "127.0.0.2:80", "127.0.0.1:80", false },
		{ "0.0.0.0:80", "[::]:80", false }, { "[::]:80", "[::1]:80", true },
		{ "[0:0::1]:80", "[::1]:80", true }, { "unix:/a", "unix:/a", true },
		{ "unix:/a", ":80", false }, { "unix:/a", "unix:/b", false } };
	struct config_address a, b;
	const char *reason;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert(config_address_parse(cases[i].a, &a, &reason));
		ck_assert(config_address_parse(cases[i].b, &b, &reason));
		ck_assert_msg(config_address_overlap(&a, &b) == cases[i].overlap, "%s %s",
		    cases[i].a, cases[i].b);
		ck_assert(config_address_overlap(&b, &a) == cases[i].overlap);
	}
}
END_TEST

START_TEST(routes_are_made_canonical)
{
	static const struct {
		const char *text, *host, *prefix;
	} cases[] = { { "/", "", "/" }, { "/api/search", "", "/api/search" },
		{ "/api/", "", "/api" }, { "Example.ORG/api", "example.org", "/api" },
		{ "example.org/", "example.org", "/" }, { "[0:0::1]/x", "[::1]", "/x" },
		{ "127.0.0.1/", "127.0.0.1", "/" }, { "/...", "", "/..." },
		{ "/a.b/.c", "", "/a.b/.c" } };
	char *host, *prefix;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(config_value_route(cases[i].text, &host, &prefix, why),
		    "%s: %s", cases[i].text, why);
		ck_assert_str_eq(host, cases[i].host);
		ck_assert_str_eq(prefix, cases[i].prefix);
		free(host);
		free(prefix);
	}
}
END_TEST

START_TEST(bad_routes_are_refused)
{
	static const char *const bad[] = { "api", "//", "/a//b", "/a/./b", "/a/..", "/.",
		"/a?b", "/a#b", "/a%20b", "/a b", "/a\\b", "example.org:80/", "[::1]:80/",
		"[::1/", "[]/", "[x]/", "-a.org/", "a-.org/", "a..b/", ".a/", "a./",
		"*.org/", "caf\xc3\xa9.fr/", "a b/" };
	char *host, *prefix;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!config_value_route(bad[i], &host, &prefix, why), "%s",
		    bad[i]);
}
END_TEST

START_TEST(commands_are_split_and_joined)
{
	static const struct {
		const char *text;
		const char *words[5];
	} cases[] = { { "a", { "a" } }, { " a\t b ", { "a", "b" } },
		{ "a 'b c' \"d e\"", { "a", "b c", "d e" } },
		{ "a b\\ c ''", { "a", "b c", "" } },
		{ "a '\\' \"\\\"\\\\\"", { "a", "\\", "\"\\" } },
		{ "a x'y'\"z\"", { "a", "xyz" } },
		{ "a \"b \\; c\" #d", { "a", "b ; c", "#d" } },
		{ "a $b *", { "a", "$b", "*" } } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char **argv, **again, *text;
		size_t n;

		ck_assert(config_value_argv(cases[i].text, &argv, why));
		for (n = 0; cases[i].words[n] != NULL; n++) {
			ck_assert_ptr_nonnull(argv[n]);
			ck_assert_str_eq(argv[n], cases[i].words[n]);
		}
		ck_assert_ptr_null(argv[n]);
		text = config_argv_join(argv);
		ck_assert_ptr_null(strstr(text, " ;"));
		ck_assert(config_value_argv(text, &again, why));
		for (n = 0; argv[n] != NULL; n++)
			ck_assert_str_eq(argv[n], again[n]);
		ck_assert_ptr_null(again[n]);
		free(text);
		config_argv_free(argv);
		config_argv_free(again);
	}
}
END_TEST

START_TEST(bad_commands_are_refused)
{
	static const char *const bad[] = { "", "  ", "a 'b", "a \"b", "a \\", "''",
		"a \"b\\" };
	char **argv;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!config_value_argv(bad[i], &argv, why), "%s", bad[i]);
}
END_TEST

START_TEST(variables_are_expanded)
{
	static const struct {
		const char *text, *out; /* NULL: refused */
	} cases[] = { { "a${CHECK_A}b", "aoneb" }, { "${CHECK_A}${CHECK_A}", "oneone" },
		{ "${CHECK_NONE:-x y}", "x y" }, { "${CHECK_EMPTY:-x}", "x" },
		{ "${CHECK_EMPTY}", "" }, { "${CHECK_A:-x}", "one" },
		{ "${CHECK_NONE:-}", "" }, { "$$", "$" }, { "$${CHECK_A}", "${CHECK_A}" },
		{ "${CHECK_NONE}", NULL }, { "$HOME", NULL }, { "$", NULL },
		{ "${}", NULL }, { "${CHECK_A", NULL }, { "${a b}", NULL },
		{ "x ${CHECK_SEMI}", NULL }, { "x${CHECK_SEMI}", "x;two" },
		{ "${CHECK_LINES}", NULL }, { "${CHECK_BLANKS}", "three" } };

	setenv("CHECK_A", "one", 1);
	setenv("CHECK_EMPTY", "", 1);
	setenv("CHECK_SEMI", ";two", 1);
	setenv("CHECK_LINES", "a\nb", 1);
	setenv("CHECK_BLANKS", "  three ", 1);
	unsetenv("CHECK_NONE");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = NULL;
		bool ok = config_value_expand(cases[i].text, &out, why);

		ck_assert_msg(ok == (cases[i].out != NULL), "%s", cases[i].text);
		if (ok)
			ck_assert_str_eq(out, cases[i].out);
		free(out);
	}
}
END_TEST

/* The dump could not break a longer run into lines. */
START_TEST(a_hundred_blanks_and_comment_signs_in_a_row_are_all)
{
	char text[CONFIG_RUN_MAX + 4] = "x";
	char *out;

	for (const char *p = " \t;#"; *p != '\0'; p++) {
		memset(text + 1, '#', CONFIG_RUN_MAX);
		memset(text + 1, *p, CONFIG_RUN_MAX - 1);
		strcpy(text + 1 + CONFIG_RUN_MAX, "y");
		ck_assert_msg(config_value_expand(text, &out, why), "%s", why);
		free(out);
		strcpy(text + 1 + CONFIG_RUN_MAX, "#y");
		ck_assert(!config_value_expand(text, &out, why));
		ck_assert_ptr_nonnull(strstr(why, "in a row"));
	}
}
END_TEST

START_TEST(names_of_variables_are_bounded)
{
	char name[CONFIG_ENV_NAME_MAX + 2] = "";

	memset(name, 'N', CONFIG_ENV_NAME_MAX);
	ck_assert(config_value_env_name(name, why));
	name[CONFIG_ENV_NAME_MAX] = 'N';
	ck_assert(!config_value_env_name(name, why));
}
END_TEST

static TCase *
values_case(void)
{
	TCase *tc = tcase_create("values");

	tcase_add_test(tc, durations_have_units_and_a_range);
	tcase_add_test(tc, sizes_have_binary_units);
	tcase_add_test(tc, formatted_numbers_read_back);
	tcase_add_test(tc, numbers_are_whole_and_in_range);
	tcase_add_test(tc, numbers_may_be_negative_where_they_may);
	tcase_add_test(tc, percentages_and_octal_numbers_are_read);
	tcase_add_test(tc, cpus_are_numbers_and_ranges);
	tcase_add_test(tc, booleans_have_six_words);
	tcase_add_test(tc, addresses_of_four_kinds_are_read);
	tcase_add_test(tc, bad_addresses_are_refused);
	tcase_add_test(tc, overlapping_addresses_are_known);
	tcase_add_test(tc, routes_are_made_canonical);
	tcase_add_test(tc, bad_routes_are_refused);
	tcase_add_test(tc, signals_go_by_name);
	tcase_add_test(tc, commands_are_split_and_joined);
	tcase_add_test(tc, bad_commands_are_refused);
	tcase_add_test(tc, variables_are_expanded);
	tcase_add_test(tc, a_hundred_blanks_and_comment_signs_in_a_row_are_all);
	tcase_add_test(tc, names_of_variables_are_bounded);
	return tc;
}

int
main(void)
{
	Suite *suite = suite_create("config_value");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, values_case());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
