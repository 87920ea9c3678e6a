/* SPDX-License-Identifier: ISC */
/* The configuration: files, cross checks, dump, and the manual. */
#include <check.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/access.h"
#include "supervisor/config.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_read.h"
#include "supervisor/config_set.h"

#ifndef TOP_SRCDIR
#define TOP_SRCDIR "."
#endif

#define LISTEN	"[listen main]\naddress = :8080\n"
#define SERVICE "[service a]\nroute = /a\ncommand = /bin/sh\n"

static char dir[64]; /* of the files of one test */
static struct config_errors errors;
static struct config *config;

static void
setup(void)
{
	strlcpy(dir, "/tmp/check_config.XXXXXX", sizeof(dir));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	config_errors_init(&errors);
	config = NULL;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
teardown(void)
{
	config_free(config);
	config_errors_free(&errors);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *
path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
file_write(const char *name, const char *text, size_t len, mode_t mode)
{
	FILE *f = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path_of(name), mode), 0);
}

static void
put(const char *name, const char *text)
{
	file_write(name, text, strlen(text), 0644);
}

static void
load(const char *text)
{
	put("t.ini", text);
	config = config_load(path_of("t.ini"), &errors);
}

static void
print_errors(void)
{
	const struct config_error *error;

	TAILQ_FOREACH (error, &errors.list, entry)
		fprintf(stderr, "%s\n", error->text);
}

/* Loads text, which must be valid. */
static void
load_good(const char *text)
{
	load(text);
	if (config == NULL)
		print_errors();
	ck_assert_ptr_nonnull(config);
	ck_assert_uint_eq(errors.count, 0);
}

static bool
has_error(const char *text)
{
	const struct config_error *error;

	TAILQ_FOREACH (error, &errors.list, entry)
		if (strstr(error->text, text) != NULL)
			return true;
	return false;
}

/* Loads text, which must give count errors, one of them with the words. */
static void
load_bad(const char *text, size_t count, const char *words)
{
	load(text);
	if (errors.count != count || !has_error(words))
		print_errors();
	ck_assert_ptr_null(config);
	ck_assert_uint_eq(errors.count, count);
	ck_assert_msg(has_error(words), "no error says '%s'", words);
}

static char *
dump_text(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	config_dump(config, f);
	fclose(f);
	return text;
}

static struct config_service *
service(const char *name)
{
	struct config_service *found = config_service_find(config, name);

	ck_assert_ptr_nonnull(found);
	return found;
}

START_TEST(every_default_is_in_its_range)
{
	struct config_listen listen = { 0 };
	struct config_service svc = { 0 };

	config_section_init(CONFIG_LISTEN, &listen); /* ends if one is not */
	config_section_init(CONFIG_SERVICE, &svc);
	ck_assert_int_eq(listen.backlog, 1024);
	ck_assert_int_eq(svc.workers, 2);
	ck_assert_int_eq(svc.concurrency, 1);
	ck_assert_int_eq(svc.start_timeout_ms, 10000);
	ck_assert_int_eq(svc.stop_timeout_ms, 10000);
	ck_assert_int_eq(svc.queue_limit, 1024);
	ck_assert_int_eq(svc.queue_timeout_ms, 30000);
	config_section_clear(CONFIG_LISTEN, &listen);
	config_section_clear(CONFIG_SERVICE, &svc);
}
END_TEST

START_TEST(a_whole_file_is_read)
{
	const struct config_route *route;
	const struct config_service *a;
	char *path;

	load_good(
	    "[poold]\npid_file = run/p.pid\naccess_log = stderr\n"
	    "log = ./p.log\n" LISTEN "backlog = 5\n[listen two]\naddress = unix:s.sock\n"
	    "[service a]\nlisten = main, two\nroute = /a\n"
	    "route = Example.org/a/\ncommand = sh -c 'exit 0'\n"
	    "workers = 3\nconcurrency = 4\nbalance = hot\n"
	    "env.A = 1\nenv.B = two words\nenv.C =\nwatch = x\n"
	    "watch = /y\nstart_timeout = 1s\nstop_timeout = 0\n"
	    "queue_limit = 0\nqueue_timeout = 50ms\n"
	    "description = A thing ; and a comment\nexample = /a?b=c\n"
	    "example = /a;d\ntags = x,y\ntags = z\n");
	a = service("a");
	ck_assert_int_eq(config_listen_find(config, "main")->backlog, 5);
	path = util_asprintf("unix:%s/s.sock", dir);
	ck_assert_str_eq(config_listen_find(config, "two")->address, path);
	free(path);
	ck_assert_str_eq(config->pid_file, path_of("run/p.pid"));
	ck_assert_str_eq(config->log, path_of("p.log"));
	ck_assert_str_eq(config->dir, dir);
	ck_assert_str_eq(a->chdir, dir);
	ck_assert_str_eq(a->description, "A thing");
	ck_assert_str_eq(a->argv[2], "exit 0");
	ck_assert_int_eq(a->argv[0][0], '/');
	ck_assert_int_eq(a->workers, 3);
	ck_assert_int_eq(a->balance, CONFIG_BALANCE_HOT);
	ck_assert_int_eq(a->queue_timeout_ms, 50);
	ck_assert_str_eq(TAILQ_FIRST(&a->watch)->value, path_of("x"));
	ck_assert_str_eq(TAILQ_LAST(&a->tags, config_strings)->value, "z");
	route = TAILQ_LAST(&a->routes, config_routes);
	ck_assert_str_eq(route->host, "example.org");
	ck_assert_str_eq(route->prefix, "/a");
	ck_assert_uint_eq(route->origin.line, 13);
}
END_TEST

START_TEST(all_errors_are_shown_with_their_lines)
{
	load("[poold]\nlog = off\n[listen main]\naddress = 8080\n"
	     "[service a]\nwokers = 2\nroute = a\ncommand = /bin/sh\n");
	ck_assert_uint_eq(errors.count, 4);
	ck_assert(has_error("t.ini:2: log: 'off'"));
	ck_assert(has_error("t.ini:4: address: '8080'"));
	ck_assert(has_error("t.ini:6: unknown key 'wokers' in [service a]; did "
			    "you mean 'workers'?"));
	ck_assert(has_error("t.ini:7: route: 'a'"));
}
END_TEST

START_TEST(more_errors_than_can_be_listed_are_counted)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs(LISTEN, f);
	for (int i = 0; i < CONFIG_ERRORS_MAX + 20; i++)
		fputs("junk\n", f);
	fclose(f);
	load(text);
	free(text);
	ck_assert_uint_eq(errors.count, CONFIG_ERRORS_MAX + 20);
	ck_assert_uint_eq(errors.unlisted, 20);
}
END_TEST

START_TEST(a_key_of_another_section_is_recognised)
{
	load_bad(LISTEN "route = /\n", 1,
	    "unknown key 'route' in [listen main]; it belongs in "
	    "[service NAME]");
}
END_TEST

START_TEST(an_unknown_section_gets_the_nearest)
{
	load_bad(LISTEN "[servce x]\nfoo = 1\n", 1,
	    "t.ini:3: unknown section [servce x]; did you mean [service x]?");
}
END_TEST

START_TEST(sections_need_proper_names)
{
	load_bad("[poold x]\n[listen]\n[service a/b]\n[service -a]\n" LISTEN, 4,
	    "[poold] takes no name");
	ck_assert(has_error(":2: the section needs a name: [listen NAME]"));
	ck_assert(has_error(":3: [service a/b]: the name"));
}
END_TEST

START_TEST(a_section_given_twice_names_both_places)
{
	load_bad(LISTEN SERVICE "[service a]\nworkers = x\n", 1,
	    "t.ini:6: the section [service a] is given twice: first at ");
	ck_assert(has_error("t.ini:3"));
}
END_TEST

START_TEST(a_key_given_twice_names_both_places)
{
	load_bad(LISTEN SERVICE "workers = 1\nworkers = 2\n", 1,
	    "t.ini:7: the key 'workers' is given twice: first at ");
	ck_assert(has_error("t.ini:6"));
}
END_TEST

START_TEST(a_variable_given_twice_names_both_places)
{
	load_bad(LISTEN SERVICE "env.A = 1\nenv.A = 2\n", 1,
	    "t.ini:7: env.A: it was already given at ");
}
END_TEST

START_TEST(an_empty_section_is_noticed)
{
	load_bad(LISTEN "[service a]\n[listen b]\n", 3,
	    "t.ini:3: [service a] has no 'command' and no 'language'");
	ck_assert(has_error("t.ini:4: [listen b] has no 'address'"));
	ck_assert(has_error("t.ini:3: [service a] has no 'route'"));
}
END_TEST

START_TEST(long_lines_are_refused_not_cut)
{
	char text[512];

	snprintf(text, sizeof(text), LISTEN SERVICE "description = %0*d\n",
	    CONFIG_LINE_MAX - 14, 1);
	load_good(text);
	ck_assert_uint_eq(strlen(service("a")->description), CONFIG_LINE_MAX - 14);
	config_free(config);
	snprintf(text, sizeof(text), LISTEN SERVICE "description = %0*d\n",
	    CONFIG_LINE_MAX - 13, 1);
	load_bad(text, 1, "t.ini:6: the line is 199 bytes long, 198 are");
}
END_TEST

START_TEST(long_values_go_on_in_the_next_line)
{
	load_good(LISTEN SERVICE "description = one\n\ttwo ; no\n\n; no\n"
				 "   ; nor this\n  th\\\n  ree\nworkers = 7\n");
	ck_assert_str_eq(service("a")->description, "one two three");
	ck_assert_int_eq(service("a")->workers, 7);
}
END_TEST

START_TEST(a_repeatable_key_goes_on_without_repeating)
{
	load_good(LISTEN SERVICE "example = one\n two\nexample = three\n");
	ck_assert_str_eq(TAILQ_FIRST(&service("a")->examples)->value, "one two");
	ck_assert_str_eq(TAILQ_LAST(&service("a")->examples, config_strings)->value,
	    "three");
}
END_TEST

START_TEST(an_indented_key_is_refused)
{
	load_bad(LISTEN "[service a]\n  route = /\ncommand = /bin/sh\n"
			"  workers = 3\nroute = /b\n",
	    2, "t.ini:4: a key begins in the first column");
	ck_assert(has_error("t.ini:6: a key begins in the first column"));
}
END_TEST

START_TEST(lines_that_are_no_pairs_are_refused)
{
	load_bad(LISTEN "junk\n= 5\na:b = c\nback log = 5\n\tstray\n[x\n"
			"[poold] x\n",
	    6, "t.ini:3: the line is no 'key = value'");
	ck_assert(has_error(":4: there is no key before the '='"));
	ck_assert(has_error(":5: the line has a ':' before any '='"));
	ck_assert(has_error(":6: there is white space within the key"));
	ck_assert(has_error(":8: the section header has no ']'"));
	ck_assert(has_error(":9: there is more behind the ']'"));
}
END_TEST

START_TEST(section_headers_are_not_cut)
{
	load_bad(LISTEN "[service aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde]\n"
			"[service aaaaaaaaaabbbbbbbbbbccccccccccddddddddddef]"
			"\n",
	    2, "t.ini:4: the section header is longer than 49 bytes");
	ck_assert(has_error("t.ini:3: [service aaaaa"));
}
END_TEST

START_TEST(nul_and_control_bytes_are_refused)
{
	static const char text[] = LISTEN "a\0b = c\nb\001 = 2\n";

	file_write("t.ini", text, sizeof(text) - 1, 0644);
	config = config_load(path_of("t.ini"), &errors);
	ck_assert_ptr_null(config);
	ck_assert_uint_eq(errors.count, 2);
	ck_assert(has_error("t.ini:3: the line has a NUL byte"));
	ck_assert(has_error("t.ini:4: the line has a control character"));
}
END_TEST

START_TEST(other_systems_line_ends_are_accepted)
{
	load_good("\xef\xbb\xbf[listen main]\r\naddress = :80\r\n\r\n# x");
	ck_assert_str_eq(config_listen_find(config, "main")->address, ":80");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
	config = config_load(path_of("none.ini"), &errors);
	ck_assert_ptr_null(config);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert(has_error("No such file or directory"));
	config = config_load(dir, &errors);
	ck_assert_ptr_null(config);
	ck_assert(has_error("not a regular file"));
}
END_TEST

START_TEST(includes_are_sorted_and_relative)
{
	ck_assert_int_eq(mkdir(path_of("c[1].d"), 0755), 0);
	put("c[1].d/b.ini", "[service b]\nroute = /b\ncommand = x.sh\n");
	put("c[1].d/a.ini", SERVICE);
	file_write("c[1].d/x.sh", "#!/bin/sh\n", 10, 0755);
	put("c[1].d/more.ini", "[poold]\ninclude = ?.ini\nlog = l\n" LISTEN);
	put("plain.ini", "");
	load_bad("include = none.ini\ninclude = none-*.ini\n", 1,
	    "t.ini:1: cannot read '");
	config_errors_free(&errors);
	load_bad("include = c[1].d/more.ini\n", 1, "there is no [listen NAME]");
	config_errors_free(&errors);
	load_good("include = c\\[1].d/more.ini\ninclude = none-*.ini\n"
		  "include = plain.ini\n");
	ck_assert_str_eq(TAILQ_FIRST(&config->services)->name, "a");
	ck_assert_str_eq(service("b")->argv[0], path_of("c[1].d/x.sh"));
	ck_assert_str_eq(service("b")->chdir, path_of("c[1].d"));
	ck_assert_str_eq(config->log, path_of("c[1].d/l"));
}
END_TEST

START_TEST(include_loops_are_errors)
{
	put("a.ini", "include = t.ini\n");
	load_bad("include = a.ini\n" LISTEN, 1, "a.ini:1: include: a loop");
	config_errors_free(&errors);
	put("a.ini", "");
	load_bad("include = a.ini\ninclude = *.ini\n" LISTEN, 2,
	    "a.ini' is included twice: first at ");
	ck_assert(has_error("t.ini:2: include: a loop"));
}
END_TEST

START_TEST(includes_have_a_depth_limit)
{
	char name[16], text[32];

	for (int i = 1; i < 12; i++) {
		snprintf(name, sizeof(name), "%d.ini", i);
		snprintf(text, sizeof(text), "include = %d.ini\n", i + 1);
		put(name, text);
	}
	load_bad("include = 1.ini\n" LISTEN, 1, "more than 8 files deep");
}
END_TEST

START_TEST(only_include_stands_before_sections)
{
	load_bad("user = root\n" LISTEN, 1,
	    "t.ini:1: the key 'user' stands before any section");
}
END_TEST

START_TEST(a_configuration_needs_a_listener)
{
	load_bad("[poold]\n", 1, "t.ini: there is no [listen NAME] section");
}
END_TEST

START_TEST(listeners_must_exist)
{
	load_bad(LISTEN SERVICE "listen = mian\n", 1,
	    "t.ini:6: [service a]: there is no [listen mian]; did you mean "
	    "'main'?");
}
END_TEST

START_TEST(listeners_must_not_overlap)
{
	load_bad(LISTEN "[listen b]\naddress = 127.0.0.1:8080\n", 1,
	    "t.ini:4: [listen b] has the address 127.0.0.1:8080, which "
	    "overlaps with that of [listen main] at ");
}
END_TEST

START_TEST(a_service_without_listen_gets_what_nobody_owns)
{
	load_good(LISTEN "[listen own]\naddress = :8081\n[listen two]\n"
			 "address = :8082\n" SERVICE
			 "[service i]\nmode = inherit\nlisten = own\n"
			 "command = /bin/sh\n");
	ck_assert_str_eq(TAILQ_FIRST(&service("a")->listen)->value, "main");
	ck_assert_str_eq(TAILQ_LAST(&service("a")->listen, config_strings)->value, "two");
}
END_TEST

START_TEST(an_inherit_service_owns_its_listener_alone)
{
	load_bad(LISTEN SERVICE "listen = main\n[service i]\nmode = inherit\n"
				"listen = main\ncommand = /bin/sh\n",
	    1, "t.ini:6: [service a] uses the listener 'main', which [service i]");
	config_errors_free(&errors);
	load_bad(LISTEN SERVICE "mode = inherit\n", 2,
	    "t.ini:3: [service a] has mode = inherit but no 'listen'");
	ck_assert(has_error("t.ini:4: [service a] has mode = inherit and takes "
			    "no route"));
}
END_TEST

START_TEST(keys_about_requests_are_for_leased_services)
{
	load_bad(LISTEN SERVICE "[listen own]\naddress = :8081\n[service i]\n"
				"mode = inherit\nlisten = own\ncommand = /bin/sh\n"
				"request_timeout = 5s\nbreaker_time = 1s\n",
	    2, "t.ini:13: [service i] has breaker_time, which needs mode = lease");
	ck_assert(has_error("t.ini:12: [service i] has request_timeout, which needs "
			    "mode = lease"));
}
END_TEST

START_TEST(a_route_belongs_to_one_service)
{
	load_bad(LISTEN SERVICE "[service b]\ncommand = /bin/sh\n"
				"route = /a/\nroute = /b\nroute = x.org/a\n",
	    1,
	    "t.ini:8: [service b]: the route /a is already that of "
	    "[service a] at ");
	config_errors_free(&errors);
	load_good(LISTEN SERVICE "listen = main\n[listen two]\n"
				 "address = :8081\n[service b]\n"
				 "command = /bin/sh\nroute = /a\n"
				 "listen = two\n");
}
END_TEST

START_TEST(a_route_given_twice_is_an_error)
{
	load_bad(LISTEN SERVICE "route = /a/\n", 1,
	    "t.ini:6: [service a]: the route /a is already that of");
	config_errors_free(&errors);
	load_bad(LISTEN SERVICE "route = /w weight=1\nroute = /w weight=2\n", 1,
	    "t.ini:7: [service a]: the route /w is already that of");
}
END_TEST

#define SHARED(weight)                                                  \
	LISTEN "[service a]\nroute = /a weight=90\ncommand = /bin/sh\n" \
	       "[service b]\nroute = /a" weight "\ncommand = /bin/sh\n"

START_TEST(a_route_is_shared_when_all_give_a_weight)
{
	load_good(SHARED("/ \t weight=10"));
	ck_assert_int_eq(TAILQ_FIRST(&service("a")->routes)->weight, 90);
	ck_assert_int_eq(TAILQ_FIRST(&service("b")->routes)->weight, 10);
	ck_assert_str_eq(TAILQ_FIRST(&service("b")->routes)->prefix, "/a");
	config_free(config);
	load_bad(SHARED(""), 1,
	    "t.ini:7: [service b]: the route /a has no weight and that of "
	    "[service a] at ");
	ck_assert(has_error("t.ini:4 has one: to share a route, all its services"));
	config_errors_free(&errors);
	load_bad(LISTEN SERVICE "[service b]\nroute = /a weight=3\n"
				"command = /bin/sh\n",
	    1,
	    "t.ini:7: [service b]: the route /a has a weight and that of "
	    "[service a] at ");
	ck_assert(has_error("t.ini:4 has none: to share a route, all its services"));
}
END_TEST

START_TEST(a_weight_is_a_number_up_to_1000)
{
	load_good(SHARED(" weight=1000"));
	config_free(config);
	load_bad(SHARED(" weight=1001"), 1,
	    "t.ini:7: route: weight: 1001 is not between 0 and 1000");
	config_errors_free(&errors);
	load_bad(SHARED(" weight=-1"), 1,
	    "t.ini:7: route: weight: '-1' is not a whole number");
	config_errors_free(&errors);
	load_bad(SHARED(" weight = 1"), 1,
	    "t.ini:7: route: 'weight = 1': only weight=NUMBER may follow the path");
	config_errors_free(&errors);
	load_bad(SHARED(" wait=1"), 1, "t.ini:7: route: 'wait=1': only weight=NUMBER");
	config_errors_free(&errors);
	load_bad(SHARED(" weight=1 weight=2"), 1,
	    "t.ini:7: route: weight: '1 weight=2' is not a whole number");
}
END_TEST

START_TEST(workers_and_concurrency_have_a_common_limit)
{
	load_good(LISTEN SERVICE "workers = 16\nconcurrency = 1024\n");
	config_free(config);
	load_bad(LISTEN SERVICE "workers = 17\nconcurrency = 1024\n", 1,
	    "t.ini:7: [service a]: 17 workers with concurrency 1024");
}
END_TEST

START_TEST(only_a_response_from_500_on_is_a_failure)
{
	load_good(LISTEN SERVICE "breaker_status = 503\n");
	config_free(config);
	load_bad(LISTEN SERVICE "breaker_status = 404\n", 1,
	    "t.ini:6: [service a]: breaker_status = 404 is neither 0 nor 500 to 599");
}
END_TEST

START_TEST(a_breaker_cannot_be_open_for_longer_than_at_most)
{
	load_good(LISTEN SERVICE "breaker_time = 60s\n");
	config_free(config);
	load_bad(LISTEN SERVICE "breaker_time = 2m\n", 1,
	    "t.ini:6: [service a]: breaker_time = 2m is more than breaker_max_time = 1m");
}
END_TEST

START_TEST(a_command_is_looked_up_beside_the_file_first)
{
	ck_assert_int_eq(mkdir(path_of("lib"), 0755), 0);
	file_write("sh", "#!/bin/sh\n", 10, 0755);
	file_write("lib/sh", "#!/bin/sh\n", 10, 0755);
	load_good(
	    "[poold]\nlibexec = lib\n" LISTEN "[service a]\nroute = /\ncommand = sh\n");
	ck_assert_str_eq(service("a")->argv[0], path_of("sh"));
	config_free(config);
	ck_assert_int_eq(unlink(path_of("sh")), 0);
	ck_assert_int_eq(mkdir(path_of("sh"), 0755), 0); /* passed over */
	load_good(
	    "[poold]\nlibexec = lib\n" LISTEN "[service a]\nroute = /\ncommand = sh\n");
	ck_assert_str_eq(service("a")->argv[0], path_of("lib/sh"));
}
END_TEST

START_TEST(a_missing_command_names_all_places)
{
	file_write("prog", "", 0, 0644);
	load_bad("[poold]\nlibexec = lib\n" LISTEN
		 "[service a]\nroute = /\ncommand = prog x\n",
	    1, "t.ini:7: command: cannot execute 'prog'; looked at ");
	ck_assert(has_error("/prog (is not executable), "));
	ck_assert(has_error("/lib/prog (No such file or directory)"));
	ck_assert(has_error("and in PATH ("));
}
END_TEST

START_TEST(a_script_needs_its_interpreter)
{
	file_write("s", "#! /no/such/thing -x\n", 21, 0755);
	load_bad(LISTEN "[service a]\nroute = /\ncommand = s\n", 1,
	    "command: the interpreter '/no/such/thing' of the script ");
}
END_TEST

START_TEST(the_folder_to_start_in_must_be_one)
{
	load_bad(LISTEN SERVICE "chdir = t.ini\n", 1, "t.ini is not a folder");
	config_errors_free(&errors);
	load_bad(LISTEN SERVICE "chdir = none\n", 1, "t.ini:6: chdir: ");
}
END_TEST

START_TEST(users_and_groups_must_exist)
{
	load_bad("[poold]\nuser = no-such-user\n" LISTEN SERVICE
		 "group = no-such-group\nuser = root\n[service b]\nroute = /b\n"
		 "command = /bin/sh\nuser = 4000000001\n",
	    3, "t.ini:2: [poold]: there is no user 'no-such-user'");
	ck_assert(
	    has_error(geteuid() == 0 ? "name a group too" : "must be started as root"));
	ck_assert(has_error("there is no group 'no-such-group'"));
}
END_TEST

/* As root: the rest of the test runs as nobody. */
static void
become_nobody(void)
{
	if (geteuid() == 0) {
		ck_assert_int_eq(chmod(dir, 0777), 0);
		ck_assert_int_eq(setegid(65534), 0);
		ck_assert_int_eq(seteuid(65534), 0);
	}
}

static void
become_root(void)
{
	if (getuid() == 0) {
		ck_assert_int_eq(seteuid(0), 0);
		ck_assert_int_eq(setegid(0), 0);
	}
}

START_TEST(without_root_there_is_one_user)
{
	struct config_account account;
	char *reason;

	become_nobody();
	load_bad(LISTEN SERVICE "user = root\n", 1,
	    "t.ini:6: [service a]: to "
	    "run as user 'root' poold must be started as root");
	config_errors_free(&errors);
	ck_assert(config_account_find("", "", &account, &reason));
	ck_assert_uint_eq(account.uid, geteuid());
	config_account_free(&account);
	load_good(LISTEN SERVICE);
	become_root();
}
END_TEST

START_TEST(as_root_the_default_is_nobody)
{
	struct config_account account;
	char *reason;

	load_good(LISTEN SERVICE);
	ck_assert(config_router_account(config, &account, &reason));
	ck_assert_str_eq(account.name, "nobody");
	ck_assert_uint_ne(account.uid, 0);
	ck_assert_int_ge(account.group_count, 1);
	config_account_free(&account);
}
END_TEST

START_TEST(different_users_do_not_share_a_listener)
{
	load_bad(LISTEN SERVICE "user = root\n[service b]\nroute = /b\n"
				"command = /bin/sh\n",
	    1, "Linux cannot take a descriptor back");
	config_errors_free(&errors);
	load_good(
	    LISTEN "shared_trust = yes\n" SERVICE "user = root\n[service b]\nroute = /b\n"
		   "command = /bin/sh\n");
}
END_TEST

START_TEST(a_service_with_a_user_leaves_the_group_of_poold)
{
	struct config_account account;
	char *reason;

	load_good("[poold]\ngroup = daemon\n" LISTEN "shared_trust = yes\n" SERVICE
		  "user = bin\n[service b]\nroute = /b\n"
		  "command = /bin/sh\n");
	ck_assert(config_service_account(config, service("a"), &account, &reason));
	ck_assert_uint_eq(account.gid, 2);
	config_account_free(&account);
	ck_assert(config_service_account(config, service("b"), &account, &reason));
	ck_assert_uint_eq(account.gid, 1);
	config_account_free(&account);
}
END_TEST

START_TEST(access_looks_at_each_folder_on_the_way)
{
	const uid_t user = 65534;
	const gid_t group = getegid();
	char *text;

	ck_assert_int_eq(mkdir(path_of("d"), 0700), 0);
	file_write("d/prog", "", 0, 0755);
	text = access_explain(path_of("d/prog"), user, user, NULL, 0);
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "may not enter "));
	ck_assert_ptr_nonnull(strstr(text, "/d (mode 0700, owner root)"));
	free(text);
	ck_assert_int_eq(symlink("d/prog", path_of("link")), 0);
	text = access_explain(path_of("link"), user, user, NULL, 0);
	ck_assert_ptr_nonnull(text); /* through the link too */
	free(text);
	ck_assert_ptr_null(access_explain(path_of("link"), 0, 0, NULL, 0));
	ck_assert_int_eq(chmod(path_of("d"), 0710), 0);
	ck_assert_ptr_null(access_explain(path_of("d/prog"), user, user, &group, 1));
	/* the group's bits count for its members, not those of others */
	ck_assert_int_eq(chmod(path_of("d"), 0701), 0);
	text = access_explain(path_of("d/prog"), user, group, NULL, 0);
	ck_assert_ptr_nonnull(text);
	free(text);
	ck_assert_int_eq(chmod(path_of("d/prog"), 0644), 0);
	text = access_explain(path_of("d/prog"), 0, 0, NULL, 0);
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "may not execute "));
	free(text);
}
END_TEST

START_TEST(slow_requests_have_a_slow_log_or_only_a_memory)
{
	const char *service_text = LISTEN "[service a]\nroute = /\ncommand = sh\n"
					  "slow_threshold = 2s\ntrace_signal = SIGUSR1\n";
	char *text = util_asprintf("[poold]\nslow_log = slow.log\n%s", service_text);

	load_good(text);
	free(text);
	ck_assert_str_eq(config->slow_log, path_of("slow.log"));
	ck_assert_int_eq(service("a")->slow_threshold_ms, 2000);
	ck_assert_int_eq(service("a")->trace_signal, SIGUSR1);
	text = dump_text();
	ck_assert_ptr_nonnull(strstr(text, "\ntrace_signal = USR1\n"));
	free(text);
	config_free(config);
	load_good(service_text);
	ck_assert_str_eq(config->slow_log, "off");
	ck_assert_int_eq(service("a")->slow_threshold_ms, 2000);
}
END_TEST

START_TEST(a_command_that_its_user_cannot_reach_is_an_error)
{
	ck_assert_int_eq(mkdir(path_of("d"), 0700), 0);
	file_write("d/prog", "", 0, 0755);
	load_bad(LISTEN "[service a]\nroute = /\ncommand = d/prog\n", 1,
	    "t.ini:5: command: user nobody may not enter ");
}
END_TEST

/* Everything that is hard to write down. */
static const char *const hard =
    "[poold]\npid_file = p.pid\nlog = ${CHECK_LONG}\n" LISTEN
    "[listen two]\naddress = unix:x.sock\n"
    "[service a]\nroute = /a\nroute = x.org/ weight=7\n"
    "command = sh -c \"echo \\\"a b\\\" \\; '$$x'\" '' 'a\\' \"#b\" ${CHECK_LONG}\n"
    "env.LONG = ${CHECK_LONG}${CHECK_LONG}\nenv.E =\n"
    "env.KEYS = ${CHECK_KEYS}\nenv.SPACES = ${CHECK_SPACES}\n"
    "description = $$$$ ${CHECK_WORDS} $${X}\nwatch = w\n"
    "start_timeout = 1500ms\ntags = a, b\nexample = /a?x=1;y=2\n"
    "[service i]\nmode = inherit\nlisten = two\ncommand = /bin/sh\n";

static void
hard_environment(void)
{
	char text[4096];

	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (size_t i = 0; i < 1000; i += 3)
		text[i] = "$/\\#;"[i % 5];
	text[0] = '/';
	setenv("CHECK_LONG", text, 1);
	text[0] = '\0';
	for (int i = 0; i < 200; i++)
		strlcat(text, "user = 1 ", sizeof(text));
	setenv("CHECK_KEYS", text, 1);
	text[0] = '\0';
	for (int i = 0; i < 200; i++)
		strlcat(text, "  a\t b \\ ", sizeof(text));
	setenv("CHECK_SPACES", text, 1);
	text[0] = '\0';
	for (int i = 0; i < 200; i++)
		strlcat(text, "word #no ", sizeof(text));
	setenv("CHECK_WORDS", text, 1);
}

START_TEST(a_dump_reads_back_to_the_same)
{
	char *first, *second, *line, *rest;

	hard_environment();
	load_good(hard);
	first = dump_text();
	config_free(config);
	ck_assert_int_eq(mkdir(path_of("elsewhere"), 0755), 0);
	put("elsewhere/d.ini", first);
	config = config_load(path_of("elsewhere/d.ini"), &errors);
	if (config == NULL)
		print_errors();
	ck_assert_ptr_nonnull(config);
	second = dump_text();
	ck_assert_str_eq(first, second);
	free(second);
	rest = first;
	while ((line = strsep(&rest, "\n")) != NULL)
		ck_assert_uint_le(strlen(line), CONFIG_LINE_MAX);
	free(first);
}
END_TEST

/* Values with no single space to break them at. */
START_TEST(a_dump_breaks_lines_anywhere)
{
	static const char *const parts[] = { "\\", "x  ", "$", "a=" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char value[900] = "x", *text;

		for (int j = 0; j < 200; j++)
			strlcat(value, parts[i], sizeof(value));
		strlcat(value, "end", sizeof(value));
		setenv("CHECK_LONG", value, 1);
		load_good(LISTEN SERVICE "env.LONG = ${CHECK_LONG}\n");
		ck_assert_str_eq(TAILQ_FIRST(&service("a")->env)->value, value);
		text = dump_text();
		config_free(config);
		load_good(text);
		ck_assert_str_eq(TAILQ_FIRST(&service("a")->env)->value, value);
		config_free(config);
		config = NULL;
		free(text);
	}
}
END_TEST

START_TEST(a_dump_keeps_every_value)
{
	const struct config_env *env;
	char *text, *words;

	hard_environment();
	load_good(hard);
	text = dump_text();
	words = util_strdup(service("a")->argv[2]);
	ck_assert_str_eq(words, "echo \"a b\" ; '$x'");
	config_free(config);
	load_good(text);
	ck_assert_str_eq(service("a")->argv[2], words);
	ck_assert_str_eq(service("a")->argv[3], "");
	ck_assert_str_eq(service("a")->argv[4], "a\\");
	ck_assert_str_eq(service("a")->argv[5], "#b");
	ck_assert_int_eq(TAILQ_LAST(&service("a")->routes, config_routes)->weight, 7);
	env = TAILQ_FIRST(&service("a")->env);
	ck_assert_uint_eq(strlen(env->value), 2000);
	ck_assert_mem_eq(env->value, getenv("CHECK_LONG"), 1000);
	ck_assert_mem_eq(service("a")->description, "$$ word #no", 11);
	free(words);
	free(text);
}
END_TEST

START_TEST(the_text_of_a_service_tells_changes)
{
	char *a, *b;

	load_good(LISTEN SERVICE);
	a = config_service_text(config, service("a"));
	config_free(config);
	load_good("; moved\n\n" LISTEN "[service z]\nroute = /z\n"
		  "command = /bin/sh\n" SERVICE "workers = 2 ; the default\n");
	b = config_service_text(config, service("a"));
	ck_assert_str_eq(a, b);
	free(b);
	config_free(config);
	load_good(LISTEN SERVICE "workers = 3\n");
	b = config_service_text(config, service("a"));
	ck_assert_str_ne(a, b);
	free(b);
	config_free(config);
	/* the router alone looks at routes */
	load_good(LISTEN SERVICE "route = /b weight=3\n");
	b = config_service_text(config, service("a"));
	ck_assert_str_eq(a, b);
	free(a);
	free(b);
}
END_TEST

START_TEST(every_limit_is_dumped_and_tells_a_change)
{
	static const char *const lines[] = { "rlimit_as = 64M", "rlimit_nofile = 100",
		"rlimit_cpu = 10s", "rlimit_core = 0", "rlimit_nproc = unlimited",
		"nice = -7", "cpu_affinity = 0", "oom_score_adj = -1", "umask = 0077",
		"cgroup_memory_max = 1G", "cgroup_cpu_max = 150%",
		"cgroup_pids_max = unlimited" };
	char *plain, *text, *full;

	load_good(LISTEN SERVICE);
	plain = config_service_text(config, service("a"));
	ck_assert_ptr_nonnull(strstr(plain, "\nnice =\n"));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		config_free(config);
		full = util_asprintf("%s%s\n", LISTEN SERVICE, lines[i]);
		load_good(full);
		free(full);
		text = config_service_text(config, service("a"));
		ck_assert_str_ne(text, plain);
		ck_assert_msg(strstr(text, lines[i]) != NULL, "%s", lines[i]);
		free(text);
		full = dump_text();
		config_free(config);
		load_good(full);
		free(full);
		text = config_service_text(config, service("a"));
		ck_assert_msg(strstr(text, lines[i]) != NULL, "%s, again", lines[i]);
		free(text);
	}
	free(plain);
}
END_TEST

START_TEST(the_text_of_a_service_has_what_it_inherits)
{
	char *a, *b;

	load_good("[poold]\nuser = bin\n" LISTEN SERVICE);
	a = config_service_text(config, service("a"));
	config_free(config);
	load_good("[poold]\nuser = daemon\n" LISTEN SERVICE);
	b = config_service_text(config, service("a"));
	ck_assert_str_ne(a, b);
	ck_assert_ptr_nonnull(strstr(b, "\nuser = daemon\n"));
	free(a);
	free(b);
}
END_TEST

#define APP_SERVICE "[service a]\nroute = /a\n"

static void
put_program(const char *name)
{
	file_write(name, "#!/bin/sh\n", 10, 0755);
}

START_TEST(a_language_makes_the_command)
{
	const struct config_service *a;

	put_program("my app");
	load_good("[language x]\ncommand = /bin/sh \"{app}\" {dir}/x "
		  "{service}{workers} '{{}' {env.A} {user}\n" LISTEN APP_SERVICE
		  "language = x\napp = my app\nworkers = 3\nenv.A = b c\n"
		  "user = nobody\n");
	a = service("a");
	ck_assert_str_eq(a->argv[0], "/bin/sh");
	ck_assert_str_eq(a->argv[1], path_of("my app"));
	ck_assert_str_eq(a->argv[2], path_of("x"));
	ck_assert_str_eq(a->argv[3], "a3");
	ck_assert_str_eq(a->argv[4], "{}");
	ck_assert_str_eq(a->argv[5], "b c");
	ck_assert_str_eq(a->argv[6], "nobody");
	ck_assert_ptr_null(a->argv[7]);
}
END_TEST

START_TEST(languages_come_with_poold_and_can_be_replaced)
{
	put_program("prog");
	load_good(LISTEN APP_SERVICE "language = c\napp = prog\n");
	ck_assert_str_eq(service("a")->argv[0], path_of("prog"));
	ck_assert_ptr_nonnull(config_language_find(config, "cgi"));
	config_free(config);
	load_good("[language c]\ncommand = /bin/sh {app}\n" LISTEN APP_SERVICE
		  "language = c\napp = prog\n");
	ck_assert_str_eq(service("a")->argv[0], "/bin/sh");
}
END_TEST

START_TEST(an_unknown_language_gets_the_nearest)
{
	put_program("prog");
	load_bad(LISTEN APP_SERVICE "language = cgj\napp = prog\n", 1,
	    "t.ini:5: [service a]: there is no [language cgj]; did you mean 'cgi'?");
}
END_TEST

START_TEST(placeholders_are_checked_where_they_stand)
{
	load_bad("[language x]\ncommand = /bin/sh {ap} {wokers} {open\n" LISTEN SERVICE,
	    3, "t.ini:2: command: unknown placeholder '{ap}'; did you mean '{app}'?");
	ck_assert(has_error("t.ini:2: command: unknown placeholder '{wokers}'; "
			    "did you mean '{workers}'?"));
	ck_assert(has_error("t.ini:2: command: a '{' without a '}'; '{{' stands for "
			    "a '{'"));
}
END_TEST

START_TEST(a_service_needs_what_its_language_names)
{
	load_bad("[language x]\ncommand = /bin/sh {app} {env.A}\n" LISTEN APP_SERVICE
		 "language = x\n",
	    1, "t.ini:7: [service a]: there is no 'app', which [language x] needs");
}
END_TEST

START_TEST(an_app_must_be_there)
{
	load_bad(LISTEN APP_SERVICE "language = c\napp = /no/such\n", 2,
	    "t.ini:6: app: /no/such: No such file or directory");
	ck_assert(has_error("t.ini:6: command: cannot execute '/no/such'; looked at "
			    "/no/such (No such file or directory)"));
}
END_TEST

#define WITH_OPTIONS                                                            \
	"[language x]\ncommand = /bin/sh {options} {app}\napp = module\n"       \
	"option = search_path paths\noption = style text\noption = fast bool\n" \
	"option = root path\n"

START_TEST(a_language_adds_keys_to_its_services)
{
	const struct config_service *a;

	load_good(WITH_OPTIONS LISTEN APP_SERVICE
	    "language = x\napp = a.b:c\nsearch_path = lib\nfast = on\n"
	    "search_path = /usr\nstyle = x y\n[service b]\nroute = /b\n"
	    "language = x\napp = b\nfast = no\n");
	a = service("a");
	ck_assert_int_eq(strncmp(a->argv[1], "--search-path=/", 15), 0);
	ck_assert_str_eq(a->argv[1] + strlen("--search-path="), path_of("lib"));
	ck_assert_str_eq(a->argv[2], "--fast");
	ck_assert_str_eq(a->argv[3], "--search-path=/usr");
	ck_assert_str_eq(a->argv[4], "--style=x y");
	ck_assert_str_eq(a->argv[5], "a.b:c");
	ck_assert_ptr_null(a->argv[6]);
	ck_assert_str_eq(service("b")->argv[1], "b");
}
END_TEST

START_TEST(keys_of_another_language_are_unknown)
{
	load_bad(WITH_OPTIONS LISTEN APP_SERVICE
	    "language = c\napp = /bin/sh\nstyle = x\n",
	    1,
	    "t.ini:14: unknown key 'style' in [service a]; it is one of services with "
	    "'language = x'");
	load_bad(WITH_OPTIONS LISTEN APP_SERVICE
	    "language = x\napp = a\nstile = x\nfast = perhaps\nroot = /\nroot = /\n",
	    4, /* the one above too */
	    "t.ini:14: unknown key 'stile' in [service a]; did you mean 'style'?");
	ck_assert(has_error("t.ini:15: fast: 'perhaps'"));
	ck_assert(has_error("t.ini:17: the key 'root' is given twice: first at "));
}
END_TEST

START_TEST(options_are_checked_where_they_stand)
{
	load_bad("[language x]\ncommand = /bin/sh {app}\noption = a b\noption = A text\n"
		 "option = workers text\noption = b text\noption = b text\n"
		 "[language y]\ncommand = /bin/sh -{options}\n" LISTEN SERVICE,
	    6, "t.ini:3: option: 'b' is not text, texts, path");
	ck_assert(has_error("t.ini:4: option: 'A text' does not begin with the name"));
	ck_assert(has_error("t.ini:5: option: 'workers' is a key of all services"));
	ck_assert(has_error("t.ini:7: option: 'b' is given twice"));
	ck_assert(has_error("t.ini:3: [language x] has an 'option', but no word "));
	ck_assert(has_error("t.ini:9: command: '{options}' is a word of its own"));
}
END_TEST

static bool
is_watched(const struct config_service *s, const char *path)
{
	const struct config_string *file;

	TAILQ_FOREACH (file, &s->app_files, entry)
		if (strcmp(file->value, path) == 0)
			return true;
	return false;
}

START_TEST(an_app_is_a_file_if_there_is_one)
{
	put_program("hello.py");
	load_good(WITH_OPTIONS LISTEN APP_SERVICE "language = x\napp = hello.py:make\n");
	ck_assert_int_eq(strncmp(service("a")->app, path_of("hello.py"),
			     strlen(path_of("hello.py"))),
	    0);
	ck_assert_str_eq(strrchr(service("a")->app, ':'), ":make");
	ck_assert(is_watched(service("a"), path_of("hello.py")));
	config_free(config);
	load_good(WITH_OPTIONS LISTEN APP_SERVICE
	    "language = x\napp = site.wsgi:application\nsearch_path = lib\n");
	ck_assert_str_eq(service("a")->app, "site.wsgi:application");
	ck_assert(is_watched(service("a"), path_of("lib/site")));
	ck_assert(is_watched(service("a"), path_of("site.py")));
	config_free(config);
	load_bad(WITH_OPTIONS LISTEN APP_SERVICE "language = x\napp = ./gone.py:a\n", 1,
	    "gone.py: No such file or directory");
}
END_TEST

START_TEST(a_command_and_a_language_are_one_too_many)
{
	load_bad(LISTEN SERVICE "language = c\napp = /bin/sh\n", 1,
	    "t.ini:6: [service a] has a 'language' and, at ");
}
END_TEST

START_TEST(an_app_without_a_language_is_an_error)
{
	load_bad(LISTEN SERVICE "app = /bin/sh\n", 1,
	    "t.ini:6: [service a] has an 'app', which needs a 'language'");
}
END_TEST

START_TEST(a_language_needs_a_command)
{
	load_bad("[language x]\n" LISTEN SERVICE, 1,
	    "t.ini:1: [language x] has no 'command'");
}
END_TEST

START_TEST(a_language_is_part_of_what_services_are_compared_by)
{
	char *old, *fresh;

	load_good("[language x]\ncommand = /bin/sh {app}\n" LISTEN APP_SERVICE
		  "language = x\noutput = log\napp = /bin/sh\n");
	old = config_service_text(config, service("a"));
	config_free(config);
	load_good("[language x]\ncommand = /bin/sh -x {app}\n" LISTEN APP_SERVICE
		  "language = x\noutput = log\napp = /bin/sh\n");
	fresh = config_service_text(config, service("a"));
	ck_assert_str_ne(old, fresh);
	free(old);
	free(fresh);
}
END_TEST

/* dump_text compares the dump with the dump of what it reads back to. */
START_TEST(a_dump_has_the_languages)
{
	char *text;

	put_program("prog");
	load_good("[language x]\ncommand = prog \"{app}\" '$$' \\;\n" LISTEN APP_SERVICE
		  "language = x\noutput = log\napp = /bin/sh\n");
	text = dump_text();
	ck_assert_ptr_nonnull(strstr(text, "\n[language cgi]\ncommand = poold-cgi "));
	ck_assert_ptr_nonnull(
	    strstr(text, "\nlanguage = x\noutput = log\napp = /bin/sh\n"));
	config_free(config);
	load_good(text);
	ck_assert_str_eq(service("a")->argv[0], path_of("prog"));
	ck_assert_str_eq(service("a")->argv[2], "$");
	ck_assert_str_eq(service("a")->argv[3], ";");
	free(text);
}
END_TEST

static TCase *
languages_case(void)
{
	TCase *tc = tcase_create("languages");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_language_makes_the_command);
	tcase_add_test(tc, languages_come_with_poold_and_can_be_replaced);
	tcase_add_test(tc, an_unknown_language_gets_the_nearest);
	tcase_add_test(tc, placeholders_are_checked_where_they_stand);
	tcase_add_test(tc, a_service_needs_what_its_language_names);
	tcase_add_test(tc, an_app_must_be_there);
	tcase_add_test(tc, a_language_adds_keys_to_its_services);
	tcase_add_test(tc, keys_of_another_language_are_unknown);
	tcase_add_test(tc, options_are_checked_where_they_stand);
	tcase_add_test(tc, an_app_is_a_file_if_there_is_one);
	tcase_add_test(tc, a_command_and_a_language_are_one_too_many);
	tcase_add_test(tc, an_app_without_a_language_is_an_error);
	tcase_add_test(tc, a_language_needs_a_command);
	tcase_add_test(tc, a_language_is_part_of_what_services_are_compared_by);
	tcase_add_test(tc, a_dump_has_the_languages);
	return tc;
}

/* The sections of the manual, in the order of enum config_section. */
static int
manual_section(const char *line)
{
	static const char *const heads[] = { ".Sh THE POOLD SECTION", ".Sh LISTENERS",
		".Sh SERVICES", ".Sh LANGUAGES" };

	for (int i = 0; i < 4; i++)
		if (strcmp(line, heads[i]) == 0)
			return i;
	return -1;
}

START_TEST(the_manual_has_every_key_and_no_other)
{
	FILE *f = fopen(TOP_SRCDIR "/man/poold.ini.5", "r");
	bool seen[CONFIG_KEYS_MAX] = { false };
	const struct config_key *key;
	char line[512], name[64];
	int section = -1;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, ".Sh ", 4) == 0)
			section = manual_section(line);
		if (sscanf(line, ".It Ic %63s", name) != 1)
			continue;
		ck_assert_int_ge(section, 0);
		key = config_key_find((enum config_section)section, name);
		ck_assert_msg(key != NULL, "%s is no key", name);
		ck_assert_str_eq(key->name, name);
		ck_assert_msg(!seen[config_key_index(key)], "%s twice", name);
		seen[config_key_index(key)] = true;
	}
	fclose(f);
	for (size_t i = 0; i < config_key_count; i++)
		ck_assert_msg(seen[i], "%s is not in the manual", config_keys[i].name);
}
END_TEST

START_TEST(the_installed_example_loads)
{
	config = config_load(TOP_SRCDIR "/conf/poold.ini", &errors);
	if (config == NULL)
		print_errors();
	ck_assert_ptr_nonnull(config);
	ck_assert_str_eq(TAILQ_FIRST(&config->listens)->address, ":8080");
}
END_TEST

static TCase *
files_case(void)
{
	TCase *tc = tcase_create("files");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_default_is_in_its_range);
	tcase_add_test(tc, a_whole_file_is_read);
	tcase_add_test(tc, all_errors_are_shown_with_their_lines);
	tcase_add_test(tc, more_errors_than_can_be_listed_are_counted);
	tcase_add_test(tc, a_key_of_another_section_is_recognised);
	tcase_add_test(tc, an_unknown_section_gets_the_nearest);
	tcase_add_test(tc, sections_need_proper_names);
	tcase_add_test(tc, a_section_given_twice_names_both_places);
	tcase_add_test(tc, a_key_given_twice_names_both_places);
	tcase_add_test(tc, a_variable_given_twice_names_both_places);
	tcase_add_test(tc, an_empty_section_is_noticed);
	tcase_add_test(tc, long_lines_are_refused_not_cut);
	tcase_add_test(tc, long_values_go_on_in_the_next_line);
	tcase_add_test(tc, a_repeatable_key_goes_on_without_repeating);
	tcase_add_test(tc, an_indented_key_is_refused);
	tcase_add_test(tc, lines_that_are_no_pairs_are_refused);
	tcase_add_test(tc, section_headers_are_not_cut);
	tcase_add_test(tc, nul_and_control_bytes_are_refused);
	tcase_add_test(tc, other_systems_line_ends_are_accepted);
	tcase_add_test(tc, a_file_that_cannot_be_read_is_an_error);
	tcase_add_test(tc, includes_are_sorted_and_relative);
	tcase_add_test(tc, include_loops_are_errors);
	tcase_add_test(tc, includes_have_a_depth_limit);
	tcase_add_test(tc, only_include_stands_before_sections);
	return tc;
}

static TCase *
checks_case(void)
{
	TCase *tc = tcase_create("checks");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_configuration_needs_a_listener);
	tcase_add_test(tc, listeners_must_exist);
	tcase_add_test(tc, listeners_must_not_overlap);
	tcase_add_test(tc, a_service_without_listen_gets_what_nobody_owns);
	tcase_add_test(tc, an_inherit_service_owns_its_listener_alone);
	tcase_add_test(tc, keys_about_requests_are_for_leased_services);
	tcase_add_test(tc, a_route_belongs_to_one_service);
	tcase_add_test(tc, a_route_given_twice_is_an_error);
	tcase_add_test(tc, a_route_is_shared_when_all_give_a_weight);
	tcase_add_test(tc, a_weight_is_a_number_up_to_1000);
	tcase_add_test(tc, workers_and_concurrency_have_a_common_limit);
	tcase_add_test(tc, only_a_response_from_500_on_is_a_failure);
	tcase_add_test(tc, a_breaker_cannot_be_open_for_longer_than_at_most);
	tcase_add_test(tc, a_command_is_looked_up_beside_the_file_first);
	tcase_add_test(tc, a_missing_command_names_all_places);
	tcase_add_test(tc, a_script_needs_its_interpreter);
	tcase_add_test(tc, the_folder_to_start_in_must_be_one);
	tcase_add_test(tc, users_and_groups_must_exist);
	tcase_add_test(tc, without_root_there_is_one_user);
	return tc;
}

/* Only root can be more than one user. */
static TCase *
root_case(void)
{
	TCase *tc = tcase_create("root");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, as_root_the_default_is_nobody);
	tcase_add_test(tc, different_users_do_not_share_a_listener);
	tcase_add_test(tc, a_service_with_a_user_leaves_the_group_of_poold);
	tcase_add_test(tc, access_looks_at_each_folder_on_the_way);
	tcase_add_test(tc, slow_requests_have_a_slow_log_or_only_a_memory);
	tcase_add_test(tc, a_command_that_its_user_cannot_reach_is_an_error);
	tcase_add_test(tc, every_limit_is_dumped_and_tells_a_change);
	tcase_add_test(tc, the_text_of_a_service_has_what_it_inherits);
	return tc;
}

static TCase *
dump_case(void)
{
	TCase *tc = tcase_create("dump");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_dump_reads_back_to_the_same);
	tcase_add_test(tc, a_dump_breaks_lines_anywhere);
	tcase_add_test(tc, a_dump_keeps_every_value);
	tcase_add_test(tc, the_text_of_a_service_tells_changes);
	tcase_add_test(tc, the_manual_has_every_key_and_no_other);
	tcase_add_test(tc, the_installed_example_loads);
	return tc;
}

int
main(void)
{
	Suite *suite = suite_create("config");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, files_case());
	suite_add_tcase(suite, languages_case());
	suite_add_tcase(suite, checks_case());
	suite_add_tcase(suite, dump_case());
	if (geteuid() == 0)
		suite_add_tcase(suite, root_case());
	else
		puts("skipped: the tests of users and access; they need root");
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
