/* SPDX-License-Identifier: ISC */
/* The figures of the router: buckets of times, and memory that is not ours. */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/stats.h"

START_TEST(every_time_has_a_bucket_that_it_lies_in)
{
	/* steps that meet bounds as well as what is between */
	for (uint64_t ns = 1; ns < 2000000000000ULL; ns += ns / 100 + 1) {
		unsigned bucket = stats_bucket(ns);

		ck_assert_uint_lt(bucket, STATS_BUCKETS);
		ck_assert_uint_ge(ns, stats_bucket_ns(bucket));
		if (bucket < STATS_BUCKETS - 1)
			ck_assert_uint_lt(ns, stats_bucket_ns(bucket + 1));
	}
	ck_assert_uint_eq(stats_bucket(UINT64_MAX), STATS_BUCKETS - 1);
	ck_assert_uint_eq(stats_bucket(0), 0);
}
END_TEST

START_TEST(a_bound_belongs_to_the_bucket_that_it_begins)
{
	for (unsigned i = 1; i < STATS_BUCKETS; i++) {
		ck_assert_uint_eq(stats_bucket(stats_bucket_ns(i)), i);
		ck_assert_uint_eq(stats_bucket(stats_bucket_ns(i) - 1), i - 1);
	}
}
END_TEST

START_TEST(no_bucket_is_wider_than_an_eighth)
{
	for (unsigned i = 1; i < STATS_BUCKETS - 1; i++)
		ck_assert_uint_le(8 * (stats_bucket_ns(i + 1) - stats_bucket_ns(i)),
		    stats_bucket_ns(i));
}
END_TEST

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

START_TEST(quantiles_are_those_of_the_times_but_for_a_sixteenth)
{
	enum { N = 10000 };
	static uint64_t times[N];
	static const double shares[] = { 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
	uint32_t counts[STATS_BUCKETS] = { 0 };

	srand48(1);
	for (size_t i = 0; i < N; i++) {
		/* from 20 us to 20 s, even on a scale of logarithms */
		times[i] = (uint64_t)(20e3 * pow(1e6, drand48()));
		counts[stats_bucket(times[i])]++;
	}
	qsort(times, N, sizeof(times[0]), compare);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double exact = (double)times[(size_t)ceil(shares[i] * N) - 1] / 1e9;

		ck_assert_double_le(fabs(stats_quantile(counts, shares[i]) / exact - 1),
		    0.0626);
	}
}
END_TEST

START_TEST(quantiles_of_one_and_of_none)
{
	uint32_t counts[STATS_BUCKETS] = { 0 };

	ck_assert_double_lt(stats_quantile(counts, 0.5), 0);
	counts[stats_bucket(1000000)] = 1;
	ck_assert_double_le(fabs(stats_quantile(counts, 0.5) / 1e-3 - 1), 0.0626);
	ck_assert_double_eq(stats_quantile(counts, 0.5), stats_quantile(counts, 0.99));
	/* what the router wrote may be anything */
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		counts[i] = UINT32_MAX;
	ck_assert_double_gt(stats_quantile(counts, 0.99), 0);
}
END_TEST

START_TEST(memory_is_found_again_with_what_was_counted)
{
	int fd = stats_create();
	struct stats *stats = stats_map(fd);

	ck_assert_ptr_nonnull(stats);
	stats_note(&stats->services[3].duration, 5000000);
	stats_unmap(stats);
	stats = stats_map(fd);
	ck_assert_uint_eq(stats_get(&stats->services[3]
					 .duration.buckets[stats_bucket(5000000)]),
	    1);
	ck_assert_uint_eq(stats_get(&stats->services[3].duration.sum_ns), 5000000);
	stats_unmap(stats);
	close(fd);
}
END_TEST

START_TEST(memory_cannot_be_shrunk)
{
	int fd = stats_create();

	ck_assert_int_eq(ftruncate(fd, 4096), -1);
	close(fd);
}
END_TEST

START_TEST(another_layout_is_not_believed)
{
	int fd = stats_create();
	struct stats *stats = stats_map(fd);

	stats->version++;
	ck_assert_ptr_null(stats_map(fd));
	stats->version--;
	stats->size--;
	ck_assert_ptr_null(stats_map(fd));
	stats_unmap(stats);
	close(fd);
	/* a file that could be cut under our hands, and one that is too short */
	fd = memfd_create("other", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, sizeof(struct stats)), 0);
	ck_assert_ptr_null(stats_map(fd));
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	ck_assert_ptr_null(stats_map(fd));
	close(fd);
}
END_TEST

START_TEST(every_refusal_has_a_name_and_a_status)
{
	for (unsigned i = 0; i < STATS_REFUSALS; i++) {
		ck_assert_ptr_nonnull(stats_refusal_name(i));
		ck_assert_uint_ge(stats_refusal_status(i), 400);
	}
	for (unsigned i = 0; i < STATS_OTHER; i++)
		ck_assert_uint_eq(stats_status_of(stats_status_code(i)), i);
	ck_assert_uint_eq(stats_status_of(418), STATS_OTHER);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tc = tcase_create("stats");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_time_has_a_bucket_that_it_lies_in);
	tcase_add_test(tc, a_bound_belongs_to_the_bucket_that_it_begins);
	tcase_add_test(tc, no_bucket_is_wider_than_an_eighth);
	tcase_add_test(tc, quantiles_are_those_of_the_times_but_for_a_sixteenth);
	tcase_add_test(tc, quantiles_of_one_and_of_none);
	tcase_add_test(tc, memory_is_found_again_with_what_was_counted);
	tcase_add_test(tc, memory_cannot_be_shrunk);
	tcase_add_test(tc, another_layout_is_not_believed);
	tcase_add_test(tc, every_refusal_has_a_name_and_a_status);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
