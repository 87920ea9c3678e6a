/* SPDX-License-Identifier: ISC */
/* poold-node: signals go to its Node process, and to nobody else. */
#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "workers/node/application.h"

static int kills;
static pid_t killed;

/* In place of the C library's: a mistake here would be everybody's end. */
int
kill(pid_t pid, int sig)
{
	(void)sig;
	kills++;
	killed = pid;
	return 0;
}

static struct application app;

static void
setup(void)
{
	kills = 0;
	application_init(&app);
}

START_TEST(one_that_was_never_started_gets_no_signal)
{
	application_signal(&app, SIGTERM);
	application_close(&app);
	ck_assert_int_eq(kills, 0);
}
END_TEST

START_TEST(neither_everybody_nor_the_group_gets_one)
{
	const pid_t none[] = { 0, -1, -2 };

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		app.pid = none[i];
		application_signal(&app, SIGKILL);
		application_close(&app);
	}
	ck_assert_int_eq(kills, 0);
}
END_TEST

START_TEST(one_that_has_ended_gets_no_signal)
{
	char *argv[] = { (char *)(uintptr_t) "true", NULL };

	setenv("LISTEN_FDS", "0", 1);
	app.argv = argv;
	ck_assert_int_eq(application_start(&app), 0);
	killed = app.pid;
	application_signal(&app, SIGTERM);
	ck_assert_int_eq(kills, 1);
	ck_assert_int_eq(killed, app.pid);
	ck_assert(application_has_ended(&app, -1));
	ck_assert(!application_failed(&app));
	application_signal(&app, SIGTERM);
	application_close(&app);
	ck_assert_int_eq(kills, 1);
}
END_TEST

START_TEST(one_that_cannot_be_started_gets_no_signal)
{
	char *argv[] = { (char *)(uintptr_t) "/nonexistent/node", NULL };

	app.argv = argv;
	ck_assert_int_ne(application_start(&app), 0);
	application_signal(&app, SIGKILL);
	application_close(&app);
	ck_assert_int_eq(kills, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("node");
	TCase *tc = tcase_create("signals");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, one_that_was_never_started_gets_no_signal);
	tcase_add_test(tc, neither_everybody_nor_the_group_gets_one);
	tcase_add_test(tc, one_that_has_ended_gets_no_signal);
	tcase_add_test(tc, one_that_cannot_be_started_gets_no_signal);
	suite_add_tcase(suite, tc);
	/* without a fork: Check would end the child by our kill() */
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
