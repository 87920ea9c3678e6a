/* SPDX-License-Identifier: ISC */
/* Which control group a process is in, by what /proc says. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/cgroup.h"

#define MOUNTS                                                        \
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"     \
	"31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" \
	"32 23 0:29 "

/* cgroup and mountinfo as text; "" stands for no group. */
static void
check_dir(const char *cgroup, const char *mountinfo, const char *wanted)
{
	FILE *a = fmemopen((void *)(uintptr_t)cgroup, strlen(cgroup), "r");
	FILE *b = fmemopen((void *)(uintptr_t)mountinfo, strlen(mountinfo), "r");
	char *dir = cgroup_own_dir(a, b);

	fclose(a);
	fclose(b);
	ck_assert_str_eq(dir != NULL ? dir : "", wanted);
	free(dir);
}

START_TEST(the_group_lies_below_its_mount)
{
	check_dir("0::/system.slice/poold.service\n",
	    MOUNTS "/ /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
	    "/sys/fs/cgroup/system.slice/poold.service");
	check_dir("0::/\n", MOUNTS "/ /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
	    "/sys/fs/cgroup");
}
END_TEST

START_TEST(version_1_is_passed_over)
{
	check_dir("4:memory:/a\n1:name=systemd:/b\n0::/c\n",
	    MOUNTS "/ /sys/fs/cgroup/unified rw - cgroup2 none rw\n",
	    "/sys/fs/cgroup/unified/c");
	check_dir("4:memory:/a\n", MOUNTS "/ /sys/fs/cgroup rw - cgroup2 none rw\n", "");
	check_dir("0::/a\n", "31 2 0:28 / /c rw - cgroup cgroup rw,cpu\n", "");
}
END_TEST

START_TEST(a_part_of_the_hierarchy_may_be_mounted)
{
	check_dir("0::/docker/1/a\n",
	    MOUNTS "/docker/1 /sys/fs/cgroup ro - cgroup2 none rw\n", "/sys/fs/cgroup/a");
	check_dir("0::/docker/1\n",
	    MOUNTS "/docker/1 /sys/fs/cgroup ro - cgroup2 none rw\n", "/sys/fs/cgroup");
	check_dir("0::/docker/12\n",
	    MOUNTS "/docker/1 /sys/fs/cgroup ro - cgroup2 none rw\n", "");
}
END_TEST

START_TEST(what_a_namespace_hides_is_not_looked_for)
{
	check_dir("0::/../other\n", MOUNTS "/ /sys/fs/cgroup rw - cgroup2 none rw\n", "");
	check_dir("0::/a\n", MOUNTS "/../.. /sys/fs/cgroup rw - cgroup2 none rw\n", "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cgroup");
	TCase *tc = tcase_create("cgroup");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, the_group_lies_below_its_mount);
	tcase_add_test(tc, version_1_is_passed_over);
	tcase_add_test(tc, a_part_of_the_hierarchy_may_be_mounted);
	tcase_add_test(tc, what_a_namespace_hides_is_not_looked_for);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
