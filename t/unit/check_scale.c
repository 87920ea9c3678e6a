/* SPDX-License-Identifier: ISC */
/* How many workers: under a simulated clock. */
#include <check.h>
#include <stdlib.h>

#include "supervisor/load.h"
#include "supervisor/scale.h"

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)

static struct scale_limits
limits(uint32_t min, uint32_t max)
{
	return (struct scale_limits){ .min = min,
		.max = max,
		.spare = 0,
		.concurrency = 1,
		.spawn_rate = 32,
		.idle_ns = 10 * SECOND };
}

/* A pool that serves: workers are ready start_ns after they are wanted. */
struct world {
	struct scale scale;
	struct scale_limits limits;
	uint64_t now_ns;
	uint32_t ready;
	uint32_t starts;
	uint32_t demand; /* requests that are there at any time */
	uint64_t start_ns;
	uint64_t ready_at_ns; /* of those that come; 0: none do */
	uint32_t coming;
};

static void
world_init(struct world *w, uint32_t min, uint32_t max, uint32_t first)
{
	*w = (struct world){ .now_ns = SECOND, .start_ns = 30 * MS, .ready = first };
	w->limits = limits(min, max);
	scale_init(&w->scale, &w->limits, first, w->now_ns);
}

static void
tick(struct world *w, uint64_t ns)
{
	uint32_t busy, queued, room, target;

	w->now_ns += ns;
	if (w->coming > 0 && w->now_ns >= w->ready_at_ns) {
		w->ready += w->coming;
		w->coming = 0;
	}
	room = w->ready * w->limits.concurrency;
	queued = w->demand > room ? w->demand - room : 0;
	busy = (w->demand - queued + w->limits.concurrency - 1) / w->limits.concurrency;
	target = scale_step(&w->scale, &w->limits,
	    &(struct scale_load){ .now_ns = w->now_ns,
		.busy = busy,
		.ready = w->ready,
		.coming = w->coming,
		.queued = queued });
	if (target > w->ready + w->coming) {
		w->starts += target - w->ready - w->coming;
		w->coming = target - w->ready;
		w->ready_at_ns = w->now_ns + w->start_ns;
	} else if (target < w->ready + w->coming) {
		w->coming = target > w->ready ? target - w->ready : 0;
		w->ready = target < w->ready ? target : w->ready;
	}
}

static void
run(struct world *w, uint64_t ns)
{
	for (uint64_t t = 0; t < ns; t += 50 * MS)
		tick(w, 50 * MS);
}

START_TEST(a_step_of_load_is_followed_within_a_second)
{
	struct world w;

	world_init(&w, 1, 8, 1);
	run(&w, 5 * SECOND);
	ck_assert_uint_eq(w.ready, 1);
	w.demand = 50;
	run(&w, SECOND);
	ck_assert_uint_eq(w.ready, 8);
	ck_assert_uint_eq(w.starts, 7);
}
END_TEST

START_TEST(workers_leave_when_idle_timeout_is_over_and_not_before)
{
	struct world w;

	world_init(&w, 1, 8, 1);
	w.demand = 50;
	run(&w, 2 * SECOND);
	w.demand = 0;
	run(&w, 8 * SECOND);
	ck_assert_uint_eq(w.ready, 8);
	run(&w, 3 * SECOND);
	ck_assert_uint_eq(w.ready, 1);
}
END_TEST

START_TEST(a_short_burst_starts_nobody)
{
	struct world w;

	world_init(&w, 1, 8, 1);
	w.demand = 50;
	tick(&w, 50 * MS);
	w.demand = 0;
	run(&w, SECOND);
	ck_assert_uint_eq(w.starts, 0);
}
END_TEST

START_TEST(a_small_need_gets_few_workers)
{
	struct world w;

	world_init(&w, 1, 64, 1);
	w.demand = 3;
	run(&w, 5 * SECOND);
	ck_assert_uint_eq(w.ready, 3);
}
END_TEST

START_TEST(workers_that_come_are_counted_before_more_are_started)
{
	struct world w;

	world_init(&w, 1, 64, 1);
	w.start_ns = 5 * SECOND;
	w.demand = 3;
	run(&w, 4 * SECOND);
	ck_assert_uint_eq(w.starts, 2);
}
END_TEST

START_TEST(on_demand_goes_to_zero_and_starts_at_once)
{
	struct world w;

	world_init(&w, 0, 8, 1);
	run(&w, 11 * SECOND);
	ck_assert_uint_eq(w.ready, 0);
	w.demand = 1;
	tick(&w, MS);
	ck_assert_uint_eq(w.coming, 1);
}
END_TEST

START_TEST(spare_workers_are_kept_beyond_the_busy_ones)
{
	struct world w;

	world_init(&w, 1, 8, 1);
	w.limits.spare = 2;
	run(&w, SECOND);
	ck_assert_uint_eq(w.ready, 2);
	w.demand = 3;
	run(&w, SECOND);
	ck_assert_uint_eq(w.ready, 5);
}
END_TEST

/* Two seconds on, two off, for a minute. */
static uint32_t
starts_under_square_wave(uint64_t idle_ns)
{
	struct world w;

	world_init(&w, 1, 8, 1);
	w.limits.idle_ns = idle_ns;
	scale_init(&w.scale, &w.limits, 1, w.now_ns);
	for (int i = 0; i < 15; i++) {
		w.demand = 50;
		run(&w, 2 * SECOND);
		ck_assert_uint_eq(w.ready, 8);
		w.demand = 0;
		run(&w, 2 * SECOND);
	}
	return w.starts;
}

START_TEST(a_square_wave_does_not_make_it_flap)
{
	ck_assert_uint_le(starts_under_square_wave(10 * SECOND), 7);
	ck_assert_uint_le(starts_under_square_wave(2500 * MS), 7);
	/* even when idle_timeout is shorter than the wave, once is enough */
	ck_assert_uint_le(starts_under_square_wave(SECOND), 14);
	ck_assert_uint_le(starts_under_square_wave(200 * MS), 21);
}
END_TEST

START_TEST(after_a_calm_time_idle_timeout_holds_again)
{
	struct world w;

	world_init(&w, 1, 8, 1);
	w.limits.idle_ns = SECOND;
	scale_init(&w.scale, &w.limits, 1, w.now_ns);
	for (int i = 0; i < 3; i++) {
		w.demand = 50;
		run(&w, 2 * SECOND);
		w.demand = 0;
		run(&w, 2 * SECOND);
	}
	ck_assert_uint_gt(w.scale.hold_ns, SECOND);
	run(&w, 600 * SECOND);
	w.demand = 50;
	run(&w, 2 * SECOND);
	ck_assert_uint_eq(w.scale.hold_ns, SECOND);
}
END_TEST

START_TEST(no_more_are_started_in_a_second_than_spawn_rate_says)
{
	struct world w;

	world_init(&w, 1, 512, 1);
	w.limits.spawn_rate = 10;
	scale_init(&w.scale, &w.limits, 1, w.now_ns);
	w.demand = 5000;
	run(&w, 10 * SECOND);
	/* what was saved up, and ten seconds */
	ck_assert_uint_le(w.starts, 10 + 100);
	ck_assert_uint_ge(w.starts, 90);
}
END_TEST

START_TEST(a_pool_at_its_maximum_with_a_queue_is_saturated)
{
	struct world w;

	world_init(&w, 1, 4, 1);
	w.demand = 50;
	run(&w, 2 * SECOND);
	ck_assert(w.scale.saturated);
	w.demand = 4;
	run(&w, SECOND);
	ck_assert(!w.scale.saturated);
}
END_TEST

START_TEST(short_memory_stops_growth_but_not_the_first_worker)
{
	struct scale_limits l = limits(0, 8);
	struct scale_load load = { .now_ns = SECOND, .queued = 20, .pressure = true };
	struct scale scale;

	scale_init(&scale, &l, 0, load.now_ns);
	ck_assert_uint_eq(scale_step(&scale, &l, &load), 8);
	scale_init(&scale, &l, 2, load.now_ns);
	load.ready = load.busy = 2;
	for (int i = 0; i < 10; i++) {
		load.now_ns += 100 * MS;
		ck_assert_uint_eq(scale_step(&scale, &l, &load), 2);
	}
	ck_assert(scale.squeezed);
	load.pressure = false;
	load.now_ns += 100 * MS;
	ck_assert_uint_gt(scale_step(&scale, &l, &load), 2);
	ck_assert(!scale.squeezed);
}
END_TEST

START_TEST(a_worker_of_many_requests_counts_as_many)
{
	struct world w;

	world_init(&w, 1, 8, 1);
	w.limits.concurrency = 10;
	w.demand = 11;
	run(&w, 5 * SECOND);
	ck_assert_uint_eq(w.ready, 2);
}
END_TEST

START_TEST(a_million_random_loads_never_break_the_limits)
{
	struct scale_limits l = limits(0, 1);
	struct scale_load load = { .now_ns = SECOND };
	struct scale scale;
	uint32_t before, target;

	srandom(7);
	for (int i = 0; i < 1000000; i++) {
		if (i % 1000 == 0) {
			l.min = (uint32_t)random() % 5;
			l.max = l.min + (uint32_t)random() % 60 + (l.min == 0);
			l.spare = (uint32_t)random() % 4;
			l.concurrency = 1 + (uint32_t)random() % 3;
			l.spawn_rate = 1 + (uint32_t)random() % 100;
			l.idle_ns = (1 + (uint64_t)random() % 20000) * MS;
			scale_init(&scale, &l, (uint32_t)random() % 64, load.now_ns);
		}
		load.ready = (uint32_t)random() % (scale.target + 1);
		load.coming = scale.target - load.ready;
		load.busy = load.ready > 0 ? (uint32_t)random() % (load.ready + 1) : 0;
		load.queued = random() % 3 == 0 ? (uint32_t)random() % 200 : 0;
		load.pressure = random() % 10 == 0;
		load.now_ns += (uint64_t)random() % (300 * MS);
		before = scale.target;
		target = scale_step(&scale, &l, &load);
		if (target < l.min || target > l.max)
			ck_abort_msg("%u is not within %u and %u", target, l.min, l.max);
		if (target < load.busy && target < before)
			ck_abort_msg("%u is less than are busy", target);
		/* generous: the tokens of the largest step */
		if (target > before && target - before > l.spawn_rate)
			ck_abort_msg("%u at once", target - before);
	}
}
END_TEST

START_TEST(memory_is_short_when_tasks_wait_for_it)
{
	ck_assert(
	    !load_pressure_is_high("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
				   "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"));
	ck_assert(
	    load_pressure_is_high("some avg10=35.20 avg60=9.00 avg300=1.00 total=77\n"
				  "full avg10=1.00 avg60=0.00 avg300=0.00 total=5\n"));
	ck_assert(
	    load_pressure_is_high("some avg10=12.00 avg60=99.00 avg300=99.00 total=77\n"
				  "full avg10=8.00 avg60=0.00 avg300=0.00 total=5\n"));
	ck_assert(!load_pressure_is_high("some avg10=19.99 avg60=99.00"));
	ck_assert(!load_pressure_is_high(""));
	ck_assert(!load_pressure_is_high("some avg10="));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scale");
	TCase *tc = tcase_create("scale");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_step_of_load_is_followed_within_a_second);
	tcase_add_test(tc, workers_leave_when_idle_timeout_is_over_and_not_before);
	tcase_add_test(tc, a_short_burst_starts_nobody);
	tcase_add_test(tc, a_small_need_gets_few_workers);
	tcase_add_test(tc, workers_that_come_are_counted_before_more_are_started);
	tcase_add_test(tc, on_demand_goes_to_zero_and_starts_at_once);
	tcase_add_test(tc, spare_workers_are_kept_beyond_the_busy_ones);
	tcase_add_test(tc, a_square_wave_does_not_make_it_flap);
	tcase_add_test(tc, after_a_calm_time_idle_timeout_holds_again);
	tcase_add_test(tc, no_more_are_started_in_a_second_than_spawn_rate_says);
	tcase_add_test(tc, a_pool_at_its_maximum_with_a_queue_is_saturated);
	tcase_add_test(tc, short_memory_stops_growth_but_not_the_first_worker);
	tcase_add_test(tc, a_worker_of_many_requests_counts_as_many);
	tcase_add_test(tc, a_million_random_loads_never_break_the_limits);
	tcase_add_test(tc, memory_is_short_when_tasks_wait_for_it);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
