/* SPDX-License-Identifier: ISC */
/* The program beside a worker: signals go to it, and to nobody else. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "workers/common/child.h"

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

static struct child child;

static void
setup(void)
{
	kills = 0;
	child_init(&child);
}

static void
become(const void *arg, int *failure_fd)
{
	const char *program = arg;

	(void)failure_fd;
	execlp(program, program, (char *)NULL);
}

START_TEST(one_that_was_never_started_gets_no_signal)
{
	child_signal(&child, SIGTERM);
	child_kill(&child);
	ck_assert_int_eq(kills, 0);
}
END_TEST

START_TEST(neither_everybody_nor_the_group_gets_one)
{
	const pid_t none[] = { 0, -1, -2 };

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		child.pid = none[i];
		child_signal(&child, SIGTERM);
		child_kill(&child);
	}
	ck_assert_int_eq(kills, 0);
}
END_TEST

START_TEST(one_that_has_ended_gets_no_signal)
{
	pid_t pid;

	ck_assert_int_eq(child_start(&child, become, "true"), 0);
	pid = child.pid;
	child_signal(&child, SIGTERM);
	ck_assert_int_eq(kills, 1);
	ck_assert_int_eq(killed, pid);
	ck_assert(child_has_ended(&child, -1));
	ck_assert(!child_failed(&child));
	child_signal(&child, SIGTERM);
	child_kill(&child);
	ck_assert_int_eq(kills, 1);
}
END_TEST

START_TEST(one_that_cannot_be_started_gets_no_signal)
{
	ck_assert_int_eq(child_start(&child, become, "/nonexistent/program"), ENOENT);
	child_signal(&child, SIGTERM);
	child_kill(&child);
	ck_assert_int_eq(kills, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("child");
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
