/* SPDX-License-Identifier: ISC */
/* The circuit breaker under a simulated clock: every cell of its table, the
 * numbers of the window, the time that doubles, and what must hold whatever
 * comes. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "router/breaker.h"

#define SECOND_NS UINT64_C(1000000000)
#define START_NS  (UINT64_C(12345) * SECOND_NS)

/* A breaker, its settings and a clock. */
struct rig {
	struct breaker breaker;
	struct breaker_settings settings;
	uint64_t now_ns;
};

static struct rig
rig_new(void)
{
	struct rig rig = { .settings = { .is_on = 1,
			       .failures = 50,
			       .requests = 20,
			       .trials = 3,
			       .window_ns = 10 * SECOND_NS,
			       .time_ns = 5 * SECOND_NS,
			       .max_time_ns = 60 * SECOND_NS },
		.now_ns = START_NS };

	breaker_init(&rig.breaker);
	return rig;
}

static void
event(struct rig *rig, enum breaker_event event)
{
	breaker_event(&rig->breaker, &rig->settings, event, rig->now_ns,
	    rig->now_ns + SECOND_NS);
}

static uint32_t
admit(struct rig *rig)
{
	return breaker_admit(&rig->breaker, &rig->settings);
}

static void
end(struct rig *rig, uint32_t round, enum breaker_outcome outcome)
{
	breaker_end(&rig->breaker, &rig->settings, round, outcome, rig->now_ns);
}

static void
pass(struct rig *rig, unsigned count, enum breaker_outcome outcome)
{
	while (count-- > 0)
		end(rig, admit(rig), outcome);
}

/* Lets the time come that the breaker waits for. */
static void
time_out(struct rig *rig)
{
	rig->now_ns = breaker_deadline_ns(&rig->breaker);
	ck_assert_uint_ne(rig->now_ns, 0);
	event(rig, BREAKER_ON_TIME);
}

static void
trip(struct rig *rig)
{
	pass(rig, 20, BREAKER_FAILED);
	ck_assert_int_eq(rig->breaker.state, BREAKER_OPEN);
}

static void
half_open(struct rig *rig)
{
	trip(rig);
	time_out(rig);
	ck_assert_int_eq(rig->breaker.state, BREAKER_HALF_OPEN);
}

#define ck_step(state, event, then, does)                              \
	do {                                                           \
		struct breaker_step step =                             \
		    breaker_life[BREAKER_##state][BREAKER_ON_##event]; \
                                                                       \
		ck_assert_int_eq(step.next, BREAKER_##then);           \
		ck_assert_int_eq(step.action, BREAKER_DO_##does);      \
	} while (0)

START_TEST(every_cell_is_as_meant)
{
	ck_step(CLOSED, SUCCESS, CLOSED, COUNT);
	ck_step(CLOSED, FAILURE, CLOSED, COUNT);
	ck_step(CLOSED, TRIP, OPEN, OPEN);
	ck_step(CLOSED, PASS, CLOSED, NOTHING);
	ck_step(CLOSED, TROUBLE, DOWN, SINK);
	ck_step(CLOSED, READY, CLOSED, NOTHING);
	ck_step(CLOSED, TIME, CLOSED, NOTHING);
	ck_step(CLOSED, RESET, CLOSED, CLOSE);
	ck_step(OPEN, SUCCESS, OPEN, NOTHING);
	ck_step(OPEN, FAILURE, OPEN, NOTHING);
	ck_step(OPEN, TRIP, OPEN, NOTHING);
	ck_step(OPEN, PASS, OPEN, NOTHING);
	ck_step(OPEN, TROUBLE, OPEN, NOTHING);
	ck_step(OPEN, READY, OPEN, NOTHING);
	ck_step(OPEN, TIME, HALF_OPEN, TRY);
	ck_step(OPEN, RESET, CLOSED, CLOSE);
	ck_step(DOWN, SUCCESS, DOWN, NOTHING);
	ck_step(DOWN, FAILURE, DOWN, NOTHING);
	ck_step(DOWN, TRIP, DOWN, NOTHING);
	ck_step(DOWN, PASS, DOWN, NOTHING);
	ck_step(DOWN, TROUBLE, DOWN, SINK);
	ck_step(DOWN, READY, HALF_OPEN, TRY);
	ck_step(DOWN, TIME, DOWN, NOTHING);
	ck_step(DOWN, RESET, CLOSED, CLOSE);
	ck_step(HALF_OPEN, SUCCESS, HALF_OPEN, CREDIT);
	ck_step(HALF_OPEN, FAILURE, OPEN, REOPEN);
	ck_step(HALF_OPEN, TRIP, HALF_OPEN, NOTHING);
	ck_step(HALF_OPEN, PASS, CLOSED, CLOSE);
	ck_step(HALF_OPEN, TROUBLE, DOWN, SINK);
	ck_step(HALF_OPEN, READY, HALF_OPEN, NOTHING);
	ck_step(HALF_OPEN, TIME, HALF_OPEN, RENEW);
	ck_step(HALF_OPEN, RESET, CLOSED, CLOSE);
	ck_assert_int_eq(BREAKER_STATES * BREAKER_EVENTS, 32);
}
END_TEST

START_TEST(it_opens_when_enough_requests_have_failed)
{
	struct rig rig = rig_new();

	pass(&rig, 19, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
	pass(&rig, 1, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_OPEN);
	ck_assert_uint_eq(rig.breaker.failed, 20);
	ck_assert_uint_eq(rig.breaker.ended, 20);
	ck_assert_uint_eq(admit(&rig), 0);
}
END_TEST

START_TEST(it_stays_closed_below_the_percentage)
{
	struct rig rig = rig_new();

	pass(&rig, 1000, BREAKER_SUCCEEDED);
	pass(&rig, 999, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
	pass(&rig, 1, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_OPEN);
}
END_TEST

START_TEST(what_says_nothing_does_not_count)
{
	struct rig rig = rig_new();

	pass(&rig, 1000, BREAKER_SAID_NOTHING);
	pass(&rig, 19, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
}
END_TEST

START_TEST(without_a_percentage_failures_do_not_open_it)
{
	struct rig rig = rig_new();

	rig.settings.failures = 0;
	pass(&rig, 10000, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
}
END_TEST

START_TEST(the_window_forgets)
{
	struct rig rig = rig_new();

	/* 19 in 9 s, then one that comes when the first are too old */
	for (int i = 0; i < 19; i++) {
		pass(&rig, 1, BREAKER_FAILED);
		rig.now_ns += SECOND_NS / 2;
	}
	rig.now_ns += 2 * SECOND_NS;
	pass(&rig, 1, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
	/* and never more than 19 in any window */
	for (int i = 0; i < 1000; i++) {
		rig.now_ns += SECOND_NS * 6 / 10;
		pass(&rig, 1, BREAKER_FAILED);
	}
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
}
END_TEST

START_TEST(it_is_half_open_after_its_time_and_lets_a_few_through)
{
	struct rig rig = rig_new();
	uint32_t round;

	trip(&rig);
	ck_assert_uint_eq(breaker_deadline_ns(&rig.breaker), rig.now_ns + 5 * SECOND_NS);
	time_out(&rig);
	ck_assert_int_eq(rig.breaker.state, BREAKER_HALF_OPEN);
	round = admit(&rig);
	ck_assert_uint_ne(round, 0);
	ck_assert_uint_eq(admit(&rig), round);
	ck_assert(!breaker_refuses(&rig.breaker, &rig.settings));
	ck_assert_uint_eq(admit(&rig), round);
	ck_assert(breaker_refuses(&rig.breaker, &rig.settings));
	ck_assert_uint_eq(admit(&rig), 0);
	/* one that says nothing makes room for another */
	end(&rig, round, BREAKER_SAID_NOTHING);
	ck_assert_uint_eq(admit(&rig), round);
	ck_assert_uint_eq(admit(&rig), 0);
	end(&rig, round, BREAKER_SUCCEEDED);
	end(&rig, round, BREAKER_SUCCEEDED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_HALF_OPEN);
	end(&rig, round, BREAKER_SUCCEEDED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
}
END_TEST

START_TEST(a_trial_that_fails_opens_it_for_twice_the_time_up_to_the_most)
{
	static const uint64_t seconds[] = { 10, 20, 40, 60, 60, 60 };
	struct rig rig = rig_new();

	half_open(&rig);
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		pass(&rig, 1, BREAKER_FAILED);
		ck_assert_int_eq(rig.breaker.state, BREAKER_OPEN);
		ck_assert_uint_eq(rig.breaker.until_ns - rig.now_ns,
		    seconds[i] * SECOND_NS);
		time_out(&rig);
	}
	/* well again, it begins anew */
	pass(&rig, 3, BREAKER_SUCCEEDED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
	trip(&rig);
	ck_assert_uint_eq(rig.breaker.until_ns - rig.now_ns, 5 * SECOND_NS);
}
END_TEST

START_TEST(what_was_let_through_before_a_change_has_no_say_after_it)
{
	struct rig rig = rig_new();
	uint32_t old = admit(&rig), trial;

	half_open(&rig);
	end(&rig, old, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_HALF_OPEN);
	for (int i = 0; i < 10; i++)
		end(&rig, old, BREAKER_SUCCEEDED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_HALF_OPEN);
	trial = admit(&rig);
	ck_assert_uint_ne(trial, old);
	event(&rig, BREAKER_ON_RESET);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
	pass(&rig, 19, BREAKER_FAILED);
	end(&rig, trial, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_CLOSED);
}
END_TEST

START_TEST(trials_of_an_earlier_try_still_take_their_place)
{
	struct rig rig = rig_new();
	uint32_t round;

	half_open(&rig);
	round = admit(&rig);
	ck_assert_uint_eq(admit(&rig), round);
	ck_assert_uint_eq(admit(&rig), round);
	end(&rig, round, BREAKER_FAILED);
	time_out(&rig);
	ck_assert_uint_eq(rig.breaker.in_flight, 2);
	ck_assert_uint_eq(admit(&rig), round);
	ck_assert_uint_eq(admit(&rig), 0);
}
END_TEST

START_TEST(trials_that_never_end_do_not_block_it_for_good)
{
	struct rig rig = rig_new();
	uint32_t stuck;

	half_open(&rig);
	stuck = admit(&rig);
	admit(&rig);
	time_out(&rig); /* there is room: they keep their say */
	ck_assert_uint_eq(rig.breaker.in_flight, 2);
	ck_assert_uint_eq(admit(&rig), stuck);
	ck_assert_uint_eq(admit(&rig), 0);
	time_out(&rig);
	ck_assert_int_eq(rig.breaker.state, BREAKER_HALF_OPEN);
	ck_assert_uint_ne(admit(&rig), 0);
	end(&rig, stuck, BREAKER_FAILED);
	ck_assert_int_eq(rig.breaker.state, BREAKER_HALF_OPEN);
	ck_assert_uint_eq(rig.breaker.in_flight, 1);
}
END_TEST

START_TEST(without_workers_it_is_open_until_one_is_ready)
{
	struct rig rig = rig_new();

	event(&rig, BREAKER_ON_TROUBLE);
	ck_assert_int_eq(rig.breaker.state, BREAKER_DOWN);
	ck_assert_uint_eq(admit(&rig), 0);
	ck_assert_uint_eq(breaker_deadline_ns(&rig.breaker), 0);
	event(&rig, BREAKER_ON_READY);
	ck_assert_int_eq(rig.breaker.state, BREAKER_HALF_OPEN);
	/* it was not open for a time before: no time to double */
	pass(&rig, 1, BREAKER_FAILED);
	ck_assert_uint_eq(rig.breaker.until_ns - rig.now_ns, 5 * SECOND_NS);
}
END_TEST

START_TEST(a_client_is_told_the_time_that_is_left)
{
	struct rig rig = rig_new();

	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 1);
	trip(&rig);
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 5);
	rig.now_ns += SECOND_NS / 2;
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 5);
	rig.now_ns += 3 * SECOND_NS;
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 2);
	rig.now_ns += 10 * SECOND_NS;
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 1);
	time_out(&rig);
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 1);
}
END_TEST

static void
trouble(struct rig *rig, uint64_t after_s)
{
	breaker_event(&rig->breaker, &rig->settings, BREAKER_ON_TROUBLE, rig->now_ns,
	    rig->now_ns + after_s * SECOND_NS);
}

START_TEST(without_workers_that_is_the_time_of_the_next_start)
{
	struct rig rig = rig_new();

	trouble(&rig, 8);
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 8);
	trouble(&rig, 4);
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 4);
	rig.now_ns += 5 * SECOND_NS;
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 1);
	trouble(&rig, 16); /* it was started, and died again */
	ck_assert_uint_eq(breaker_retry_after_s(&rig.breaker, rig.now_ns), 16);
}
END_TEST

/* What is under way, by round. */
#define FLIGHTS_MAX 64

struct flights {
	uint32_t rounds[FLIGHTS_MAX];
	unsigned count;
};

static unsigned
count_of_round(const struct flights *flights, uint32_t round)
{
	unsigned count = 0;

	for (unsigned i = 0; i < flights->count; i++)
		if (flights->rounds[i] == round)
			count++;
	return count;
}

static void
take_off(struct rig *rig, struct flights *flights)
{
	enum breaker_state state = rig->breaker.state;
	bool refuses = breaker_refuses(&rig->breaker, &rig->settings);
	uint32_t round;

	if (flights->count == FLIGHTS_MAX)
		return;
	round = admit(rig);
	/* each assertion of Check costs a system call */
	if (refuses != (round == 0) || (state == BREAKER_CLOSED && round == 0) ||
	    ((state == BREAKER_OPEN || state == BREAKER_DOWN) && round != 0))
		ck_abort_msg("state %d gave round %u", (int)state, round);
	if (round != 0)
		flights->rounds[flights->count++] = round;
}

static void
land(struct rig *rig, struct flights *flights)
{
	unsigned i;
	uint32_t round;

	if (flights->count == 0)
		return;
	i = (unsigned)rand() % flights->count;
	round = flights->rounds[i];
	flights->rounds[i] = flights->rounds[--flights->count];
	end(rig, round, (enum breaker_outcome)(rand() % 3));
}

static bool
invariants_hold(const struct rig *rig, const struct flights *flights)
{
	const struct breaker *breaker = &rig->breaker;
	uint64_t deadline_ns = breaker_deadline_ns(breaker);

	if (breaker->round == 0 || breaker_retry_after_s(breaker, rig->now_ns) < 1)
		return false;
	if (breaker->state == BREAKER_CLOSED)
		return breaker->in_flight == 0 && deadline_ns == 0;
	if (breaker->in_flight != count_of_round(flights, breaker->round) ||
	    breaker->in_flight > rig->settings.trials)
		return false;
	if (breaker->state == BREAKER_DOWN) /* READY ends it */
		return deadline_ns == 0;
	/* its end is set, and not too far away */
	return deadline_ns > rig->now_ns &&
	    deadline_ns <= rig->now_ns + rig->settings.max_time_ns &&
	    (breaker->state != BREAKER_OPEN || breaker->open_ns >= rig->settings.time_ns);
}

static void
random_step(struct rig *rig, struct flights *flights)
{
	uint64_t deadline_ns = breaker_deadline_ns(&rig->breaker);
	unsigned dice = (unsigned)rand() % 1000;

	if (dice < 450)
		take_off(rig, flights);
	else if (dice < 900)
		land(rig, flights);
	else if (dice < 990)
		rig->now_ns += (uint64_t)(rand() % 1000) * (SECOND_NS / 1000);
	else if (dice < 993)
		event(rig, BREAKER_ON_TROUBLE);
	else if (dice < 999)
		event(rig, BREAKER_ON_READY);
	else
		event(rig, BREAKER_ON_RESET);
	deadline_ns = breaker_deadline_ns(&rig->breaker);
	if (deadline_ns != 0 && rig->now_ns >= deadline_ns)
		event(rig, BREAKER_ON_TIME);
}

START_TEST(a_million_random_events_keep_what_must_hold)
{
	struct rig rig = rig_new();
	struct flights flights = { .count = 0 };
	unsigned visits[BREAKER_STATES] = { 0 };
	enum breaker_state was;

	srand(1);
	for (int i = 0; i < 1000000; i++) {
		was = rig.breaker.state;
		random_step(&rig, &flights);
		if (!invariants_hold(&rig, &flights))
			ck_abort_msg("step %d: from state %d to %d", i, (int)was,
			    (int)rig.breaker.state);
		if (rig.breaker.state != was)
			visits[rig.breaker.state]++;
	}
	for (unsigned state = 0; state < BREAKER_STATES; state++)
		ck_assert_uint_gt(visits[state], 100);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("breaker");
	TCase *tc = tcase_create("breaker");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, every_cell_is_as_meant);
	tcase_add_test(tc, it_opens_when_enough_requests_have_failed);
	tcase_add_test(tc, it_stays_closed_below_the_percentage);
	tcase_add_test(tc, what_says_nothing_does_not_count);
	tcase_add_test(tc, without_a_percentage_failures_do_not_open_it);
	tcase_add_test(tc, the_window_forgets);
	tcase_add_test(tc, it_is_half_open_after_its_time_and_lets_a_few_through);
	tcase_add_test(tc, a_trial_that_fails_opens_it_for_twice_the_time_up_to_the_most);
	tcase_add_test(tc, what_was_let_through_before_a_change_has_no_say_after_it);
	tcase_add_test(tc, trials_of_an_earlier_try_still_take_their_place);
	tcase_add_test(tc, trials_that_never_end_do_not_block_it_for_good);
	tcase_add_test(tc, without_workers_it_is_open_until_one_is_ready);
	tcase_add_test(tc, a_client_is_told_the_time_that_is_left);
	tcase_add_test(tc, without_workers_that_is_the_time_of_the_next_start);
	tcase_add_test(tc, a_million_random_events_keep_what_must_hold);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
