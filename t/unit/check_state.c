/* SPDX-License-Identifier: ISC */
/* Reading the state that another version of the supervisor left. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "supervisor/pool.h"
#include "supervisor/state.h"
#include "supervisor/supervisor.h"

#define CONFIG                                           \
	"config [listen m]\\naddress = 127.0.0.1:1\\n"   \
	"[service a]\\nroute = /\\ncommand = /bin/sh\\n" \
	"chdir = /\\nworkers = 2\\n\n"
#define HEAD                                                           \
	"[state]\nformat 1\nversion 0.0\nlog_fd 30\n" CONFIG           \
	"[supervisor]\nconfig_file /x.ini\nprogram /bin/sh\nnext_id 4" \
	"\nlog stderr\naccess_log off\nnotify_fd 7\nnotify_path @p\n"
#define LISTENER "[listener]\nid 1\naddress 127.0.0.1:1\nfd 8\nrouted yes\n"
#define SERVICE	 "[service]\nname a\ngenerations 3\n"
#define POOL                                                                        \
	"[pool]\nid 4\nnumber 3\nstate serving\nworker_count 2\nfiles files = 0\\n" \
	"\ncurrent yes\nqueue_router 9\nboard 10\nboard_magic 1886351212"           \
	"\nboard_protocol 1\nboard_worker_size 128\nboard_slot_size 64"             \
	"\nboard_worker_count 2\ngroups 5 6\nuid 5\nuser five\n"
#define WORKER                                                                         \
	"[worker]\nslot 1\nstate running\npid 1234\ncontrol 11\nready_ns 5\nfailures " \
	"2\n"
#define ALL HEAD LISTENER SERVICE POOL WORKER "[end]\n"

/* What is loaded ends with the process, here as in a dry run.  AddressSanitizer
 * looks for this name. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

static char *
load_bytes(const char *bytes, size_t len, struct supervisor *supervisor)
{
	char *text = malloc(len + 1), *why;
	struct state_head head;
	struct record_fds fds;

	memcpy(text, bytes, len);
	memset(supervisor, 0, sizeof(*supervisor));
	TAILQ_INIT(&supervisor->listeners);
	TAILQ_INIT(&supervisor->inherited);
	TAILQ_INIT(&supervisor->services);
	why = state_load(supervisor, text, len, &head, &fds);
	state_head_free(&head);
	free(fds.fds);
	free(text);
	return why;
}

static char *
load(const char *text, struct supervisor *supervisor)
{
	return load_bytes(text, strlen(text), supervisor);
}

START_TEST(a_state_is_read)
{
	struct supervisor supervisor;
	struct listener *listener;
	struct service *service;
	struct pool *pool;
	char *why = load(ALL, &supervisor);

	ck_assert_msg(why == NULL, "%s", why);
	ck_assert_str_eq(supervisor.config_file, "/x.ini");
	ck_assert_uint_eq(supervisor.next_id, 4);
	listener = TAILQ_FIRST(&supervisor.listeners);
	ck_assert_int_eq(listener->fd, 8);
	ck_assert_str_eq(listener->name, "m");
	ck_assert_uint_eq(listener->address.port, 1);
	service = TAILQ_FIRST(&supervisor.services);
	ck_assert_str_eq(service->name, "a");
	ck_assert_uint_eq(service->generations, 3);
	pool = service->current;
	ck_assert_ptr_nonnull(pool);
	ck_assert_uint_eq(pool->id, 4);
	ck_assert_int_eq(pool->state, POOL_SERVING);
	ck_assert_int_eq(pool->account.group_count, 2);
	ck_assert_uint_eq(pool->account.groups[1], 6);
	ck_assert_str_eq(pool->account.name, "five");
	ck_assert(worker_is_going(&pool->workers[1]));
	ck_assert_int_eq(pool->workers[0].state, WORKER_EMPTY);
	ck_assert_int_eq(pool->workers[0].control.fd, -1);
	ck_assert_int_eq(pool->workers[1].state, WORKER_RUNNING);
	ck_assert_int_eq(pool->workers[1].pid, 1234);
	ck_assert_int_eq(pool->workers[1].control.fd, 11);
	ck_assert_uint_eq(pool->workers[1].failures, 2);
}
END_TEST

START_TEST(the_section_of_a_fingerprint_is_written_anew)
{
	struct supervisor supervisor;
	char *why = load(ALL, &supervisor);
	const char *text;

	ck_assert_msg(why == NULL, "%s", why);
	text = TAILQ_FIRST(&supervisor.services)->current->fingerprint;
	ck_assert_ptr_nonnull(strstr(text, "[service a]\n"));
	ck_assert_ptr_nonnull(strstr(text, "stop_timeout = "));
	ck_assert_ptr_nonnull(strstr(text, "files = 0\n"));
}
END_TEST

START_TEST(unknown_sections_and_keys_are_skipped)
{
	struct supervisor supervisor;
	char *why = load(HEAD "colour blue\n[weather]\nsky grey\n" LISTENER SERVICE POOL
			      "mood good\n" WORKER "[end]\n",
	    &supervisor);

	ck_assert_msg(why == NULL, "%s", why);
	ck_assert_int_eq(TAILQ_FIRST(&supervisor.services)->current->workers[1].pid,
	    1234);
}
END_TEST

static const struct {
	const char *text;
	const char *why; /* a part of it */
} bad[] = {
	{ "", "cut" },
	{ "[end]\n", "does not begin" },
	{ "[state]\nformat 3\nversion 9.9\nconfig x\n",
	    "state of poold 9.9 has format 3" },
	{ "[state]\nversion 9.9\nconfig x\n", "no 'format'" },
	{ "[state]\nformat 1\nversion 9.9\nconfig [x\\n\n", "configuration in force" },
	{ HEAD LISTENER SERVICE POOL WORKER, "cut" },
	{ "[state]\nformat 1\nversion 0.0\n" CONFIG "[end]\n", "no [supervisor]" },
	{ HEAD "[listener]\nid 1\naddress 127.0.0.1:2\nfd 8\n", "has the address" },
	{ HEAD "[listener]\nid 1\naddress 127.0.0.1:1\n", "no 'fd'" },
	{ HEAD POOL, "before any service" },
	{ HEAD SERVICE WORKER, "before any pool" },
	{ HEAD "[service]\nname b\ngenerations 1\n" POOL, "no service b" },
	{ HEAD SERVICE "[pool]\nid 1\nnumber 1\nstate flying\n", "flying" },
	{ HEAD SERVICE "[pool]\nid 1\nnumber 1\nstate serving\nfiles x\n"
		       "worker_count 0\n",
	    "0 workers" },
	{ HEAD SERVICE "[pool]\nid 1\nnumber 1\nstate serving\nfiles x\n"
		       "worker_count 99999\n",
	    "99999 workers" },
	{ HEAD SERVICE "[pool]\nid 1\nnumber 1\nstate serving\nfiles x\n"
		       "worker_count 2\n",
	    "lease contract" },
	{ HEAD SERVICE POOL "[worker]\nslot 2\nstate running\n", "no worker 2" },
	{ HEAD SERVICE POOL "[worker]\nslot 0\nstate dancing\n", "dancing" },
};

START_TEST(what_cannot_be_read_is_explained)
{
	struct supervisor supervisor;
	char *why = load(bad[_i].text, &supervisor);

	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, bad[_i].why) != NULL, "%s", why);
	free(why);
}
END_TEST

START_TEST(every_cut_is_noticed)
{
	struct supervisor supervisor;
	char *why;

	for (size_t len = 0; len < strlen(ALL); len++) {
		why = load_bytes(ALL, len, &supervisor);
		ck_assert_msg(why != NULL, "cut at %zu", len);
		free(why);
	}
}
END_TEST

/* Nothing but that it ends, under whatever checks the build has. */
START_TEST(changed_bytes_do_no_harm)
{
	static const char others[] = { '\0', '\n', '[', ' ', '9', '\\', '\xff' };
	struct supervisor supervisor;
	char text[sizeof(ALL)];

	for (size_t at = 0; at < strlen(ALL); at++)
		for (size_t i = 0; i < sizeof(others); i++) {
			memcpy(text, ALL, sizeof(text));
			text[at] = others[i];
			free(load_bytes(text, strlen(ALL), &supervisor));
		}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("state");
	TCase *tcase = tcase_create("state");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_state_is_read);
	tcase_add_test(tcase, the_section_of_a_fingerprint_is_written_anew);
	tcase_add_test(tcase, unknown_sections_and_keys_are_skipped);
	tcase_add_loop_test(tcase, what_cannot_be_read_is_explained, 0,
	    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tcase, every_cut_is_noticed);
	tcase_add_test(tcase, changed_bytes_do_no_harm);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
