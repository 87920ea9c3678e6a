/* SPDX-License-Identifier: ISC */
/* The state x event tables of workers and pools: every cell, and what must
 * hold on every path through them; and the pauses between two lives. */
#include <check.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/util.h"
#include "supervisor/life.h"

/* What has a process? */
static int
has_process(unsigned state)
{
	return state == WORKER_STARTING || state == WORKER_CHECKING ||
	    state == WORKER_RUNNING || state == WORKER_OUTGOING ||
	    state == WORKER_STOPPING || state == WORKER_KILLED;
}

static struct worker_step
step(enum worker_state state, enum worker_event event)
{
	return worker_life[state][event];
}

#define ck_step(state, event, then, does)                                       \
	do {                                                                    \
		struct worker_step s = step(WORKER_##state, WORKER_ON_##event); \
                                                                                \
		ck_assert_int_eq(s.next, WORKER_##then);                        \
		ck_assert_int_eq(s.action, WORKER_DO_##does);                   \
	} while (0)

/* Every cell: those that lead somewhere or do something, and that no other does. */
static const struct {
	unsigned char state, event, next, action;
} cells[] = {
#define C(state, event, next, action)                                                \
	{                                                                            \
		WORKER_##state, WORKER_ON_##event, WORKER_##next, WORKER_DO_##action \
	}
	C(EMPTY, START, STARTING, SPAWN),
	C(EMPTY, STOP, EMPTY, RELEASE),
	C(EMPTY, KILL, EMPTY, RELEASE),
	C(STARTING, READY, CHECKING, CHECK),
	C(STARTING, TIMEOUT, KILLED, KILL_LATE),
	C(STARTING, STOP, STOPPING, STOP),
	C(STARTING, KILL, KILLED, KILL),
	C(STARTING, EXIT, LOST, BURY),
	C(STARTING, FAILED, WAITING, BACK_OFF),
	C(CHECKING, PASSED, RUNNING, GO),
	C(CHECKING, TIMEOUT, KILLED, KILL_LATE),
	C(CHECKING, STOP, STOPPING, STOP),
	C(CHECKING, KILL, KILLED, KILL),
	C(CHECKING, EXIT, LOST, BURY),
	C(RUNNING, RECYCLE, OUTGOING, SUCCEED),
	C(RUNNING, SICK, STOPPING, STOP_SICK),
	C(RUNNING, STOP, STOPPING, STOP),
	C(RUNNING, KILL, KILLED, KILL),
	C(RUNNING, EXIT, LOST, BURY),
	C(OUTGOING, SICK, STOPPING, STOP_SICK),
	C(OUTGOING, STOP, STOPPING, STOP),
	C(OUTGOING, KILL, KILLED, KILL),
	C(OUTGOING, EXIT, LOST, BURY),
	C(STOPPING, TIMEOUT, KILLED, KILL_STUCK),
	C(STOPPING, KILL, KILLED, KILL),
	C(STOPPING, EXIT, LOST, BURY),
	C(STOPPING, FAILED, WAITING, REPLACE),
	C(KILLED, EXIT, LOST, BURY),
	C(KILLED, FAILED, WAITING, REPLACE),
	C(LOST, SETTLED, WAITING, REPLACE),
	C(WAITING, START, STARTING, SPAWN),
	C(WAITING, TIMEOUT, STARTING, SPAWN),
	C(WAITING, STOP, EMPTY, RELEASE),
	C(WAITING, KILL, EMPTY, RELEASE),
#undef C
};

static struct worker_step
expected(unsigned state, unsigned event)
{
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (cells[i].state == state && cells[i].event == event)
			return (struct worker_step){ cells[i].next, cells[i].action };
	return (struct worker_step){ (unsigned char)state, WORKER_DO_NOTHING };
}

START_TEST(every_cell_of_a_workers_life_is_as_it_should_be)
{
	for (unsigned state = 0; state < WORKER_STATES; state++)
		for (unsigned event = 0; event < WORKER_EVENTS; event++) {
			struct worker_step is = step(state, event);
			struct worker_step should = expected(state, event);

			if (is.next != should.next || is.action != should.action)
				ck_abort_msg("%s, event %u: to %s, action %u",
				    worker_state_name(state), event,
				    worker_state_name(is.next), is.action);
		}
}
END_TEST

START_TEST(every_cell_of_a_pools_life_is_as_it_should_be)
{
	static const unsigned char moves[][4] = {
		{ POOL_STARTING, POOL_ON_COMMIT, POOL_SERVING, POOL_DO_SERVE },
		{ POOL_STARTING, POOL_ON_RETIRE, POOL_RETIRING, POOL_DO_RETIRE },
		{ POOL_STARTING, POOL_ON_ABANDON, POOL_DRAINING, POOL_DO_DRAIN },
		{ POOL_SERVING, POOL_ON_STANDBY, POOL_STANDBY, POOL_DO_YIELD },
		{ POOL_SERVING, POOL_ON_RETIRE, POOL_RETIRING, POOL_DO_RETIRE },
		{ POOL_SERVING, POOL_ON_ABANDON, POOL_DRAINING, POOL_DO_DRAIN },
		{ POOL_STANDBY, POOL_ON_COMMIT, POOL_SERVING, POOL_DO_SERVE },
		{ POOL_STANDBY, POOL_ON_RETIRE, POOL_RETIRING, POOL_DO_RETIRE },
		{ POOL_STANDBY, POOL_ON_ABANDON, POOL_DRAINING, POOL_DO_DRAIN },
		{ POOL_RETIRING, POOL_ON_RETIRED, POOL_DRAINING, POOL_DO_DRAIN },
		{ POOL_RETIRING, POOL_ON_ABANDON, POOL_DRAINING, POOL_DO_DRAIN },
		{ POOL_DRAINING, POOL_ON_EMPTY, POOL_ENDED, POOL_DO_END },
	};

	for (unsigned state = 0; state < POOL_STATES; state++)
		for (unsigned event = 0; event < POOL_EVENTS; event++) {
			unsigned next = state, action = POOL_DO_NOTHING;

			for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
				if (moves[i][0] == state && moves[i][1] == event) {
					next = moves[i][2];
					action = moves[i][3];
				}
			if (pool_life[state][event].next != next ||
			    pool_life[state][event].action != action)
				ck_abort_msg("%s, event %u", pool_state_name(state),
				    event);
		}
}
END_TEST

START_TEST(a_worker_starts_gets_ready_and_leaves)
{
	ck_step(EMPTY, START, STARTING, SPAWN);
	ck_step(STARTING, READY, CHECKING, CHECK);
	ck_step(CHECKING, PASSED, RUNNING, GO);
	ck_step(RUNNING, STOP, STOPPING, STOP);
	ck_step(STOPPING, EXIT, LOST, BURY);
	ck_step(LOST, SETTLED, WAITING, REPLACE);
	ck_step(WAITING, STOP, EMPTY, RELEASE);
}
END_TEST

START_TEST(a_worker_that_dies_is_buried_whatever_it_was_doing)
{
	for (unsigned state = 0; state < WORKER_STATES; state++) {
		struct worker_step s = step(state, WORKER_ON_EXIT);

		if (has_process(state)) {
			ck_assert_int_eq(s.next, WORKER_LOST);
			ck_assert_int_eq(s.action, WORKER_DO_BURY);
		} else {
			ck_assert_int_eq(s.next, state);
			ck_assert_int_eq(s.action, WORKER_DO_NOTHING);
		}
	}
}
END_TEST

START_TEST(a_slot_is_not_used_again_before_its_leases_are_settled)
{
	for (unsigned event = 0; event < WORKER_EVENTS; event++) {
		struct worker_step s = step(WORKER_LOST, event);

		if (event == WORKER_ON_SETTLED)
			continue;
		ck_assert_int_eq(s.next, WORKER_LOST);
		ck_assert_int_eq(s.action, WORKER_DO_NOTHING);
	}
}
END_TEST

START_TEST(a_worker_that_is_late_or_stuck_is_killed)
{
	ck_step(STARTING, TIMEOUT, KILLED, KILL_LATE);
	ck_step(CHECKING, TIMEOUT, KILLED, KILL_LATE);
	ck_step(STOPPING, TIMEOUT, KILLED, KILL_STUCK);
	ck_step(RUNNING, TIMEOUT, RUNNING, NOTHING);
	ck_step(OUTGOING, TIMEOUT, OUTGOING, NOTHING);
	ck_step(KILLED, TIMEOUT, KILLED, NOTHING);
}
END_TEST

START_TEST(every_cell_of_a_templates_life_is_as_it_should_be)
{
	static const struct {
		unsigned char state, event, next, action;
	} moves[] = {
#define C(state, event, next, action) \
	{ TEMPLATE_##state, TEMPLATE_ON_##event, TEMPLATE_##next, TEMPLATE_DO_##action }
		C(NONE, START, STARTING, SPAWN),
		C(NONE, STOP, NONE, RELEASE),
		C(STARTING, READY, READY, SERVE),
		C(STARTING, TIMEOUT, KILLED, KILL_LATE),
		C(STARTING, BREACH, KILLED, KILL),
		C(STARTING, STOP, ENDING, END),
		C(STARTING, EXIT, WAITING, BURY),
		C(STARTING, FAILED, WAITING, FAIL),
		C(READY, TIMEOUT, KILLED, KILL_STUCK),
		C(READY, BREACH, KILLED, KILL),
		C(READY, STOP, ENDING, END),
		C(READY, EXIT, WAITING, BURY),
		C(KILLED, STOP, ENDING, END),
		C(KILLED, EXIT, WAITING, BURY),
		C(WAITING, START, STARTING, SPAWN),
		C(WAITING, TIMEOUT, STARTING, SPAWN),
		C(WAITING, STOP, NONE, RELEASE),
		C(ENDING, TIMEOUT, ENDING, KILL),
		C(ENDING, BREACH, ENDING, KILL),
		C(ENDING, EXIT, NONE, REAP),
#undef C
	};

	for (unsigned state = 0; state < TEMPLATE_STATES; state++)
		for (unsigned event = 0; event < TEMPLATE_EVENTS; event++) {
			unsigned next = state, action = TEMPLATE_DO_NOTHING;

			for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
				if (moves[i].state == state && moves[i].event == event) {
					next = moves[i].next;
					action = moves[i].action;
				}
			if (template_life[state][event].next != next ||
			    template_life[state][event].action != action)
				ck_abort_msg("%s, event %u", template_state_name(state),
				    event);
		}
}
END_TEST

START_TEST(only_a_slot_without_a_process_spawns_one)
{
	for (unsigned state = 0; state < WORKER_STATES; state++)
		for (unsigned event = 0; event < WORKER_EVENTS; event++) {
			struct worker_step s = step(state, event);

			if (s.action == WORKER_DO_SPAWN) {
				ck_assert(!has_process(state));
				ck_assert_int_ne(state, WORKER_LOST);
				ck_assert_int_eq(s.next, WORKER_STARTING);
			}
			/* and a process ends only by being reaped, or by not
			 * having been forked */
			if (has_process(state) && !has_process(s.next))
				ck_assert(
				    event == WORKER_ON_EXIT || event == WORKER_ON_FAILED);
			if (!has_process(state) && has_process(s.next))
				ck_assert_int_eq(s.action, WORKER_DO_SPAWN);
		}
}
END_TEST

START_TEST(a_worker_is_told_go_once)
{
	for (unsigned state = 0; state < WORKER_STATES; state++)
		for (unsigned event = 0; event < WORKER_EVENTS; event++)
			ck_assert(step(state, event).action != WORKER_DO_GO ||
			    (state == WORKER_CHECKING && event == WORKER_ON_PASSED));
}
END_TEST

START_TEST(a_worker_that_has_to_leave_serves_until_it_is_told_to_stop)
{
	ck_step(RUNNING, RECYCLE, OUTGOING, SUCCEED);
	ck_step(OUTGOING, RECYCLE, OUTGOING, NOTHING);
	ck_step(OUTGOING, STOP, STOPPING, STOP);
	ck_step(CHECKING, RECYCLE, CHECKING, NOTHING);
}
END_TEST

START_TEST(a_sick_worker_leaves_at_once_a_new_one_is_checked_again)
{
	ck_step(RUNNING, SICK, STOPPING, STOP_SICK);
	ck_step(OUTGOING, SICK, STOPPING, STOP_SICK);
	ck_step(CHECKING, SICK, CHECKING, NOTHING);
	ck_step(STOPPING, SICK, STOPPING, NOTHING);
}
END_TEST

START_TEST(stop_leads_to_an_end_from_every_state)
{
	for (unsigned state = 0; state < WORKER_STATES; state++) {
		unsigned s = step(state, WORKER_ON_STOP).next;

		/* it does not stop in time, dies, is settled, is not wanted */
		s = step(s, WORKER_ON_TIMEOUT).next;
		s = step(s, WORKER_ON_EXIT).next;
		s = step(s, WORKER_ON_SETTLED).next;
		s = step(s, WORKER_ON_STOP).next;
		ck_assert_int_eq(s, WORKER_EMPTY);
	}
}
END_TEST

START_TEST(a_million_random_events_keep_the_count_of_processes_right)
{
	unsigned state = WORKER_EMPTY;
	int processes = 0;

	srandom(1);
	for (int i = 0; i < 1000000; i++) {
		unsigned event = (unsigned)random() % WORKER_EVENTS;
		struct worker_step s = step(state, event);

		if (s.action == WORKER_DO_SPAWN)
			processes++;
		if (s.action == WORKER_DO_BURY ||
		    (event == WORKER_ON_FAILED && has_process(state) &&
			!has_process(s.next)))
			processes--;
		state = s.next;
		/* each ck_assert is a write to a pipe: a million are slow */
		if (processes != has_process(state))
			ck_abort_msg("%d processes in state %u", processes, state);
	}
}
END_TEST

#define ck_pool(state, event, then, does)                                      \
	do {                                                                   \
		struct pool_step s = pool_life[POOL_##state][POOL_ON_##event]; \
                                                                               \
		ck_assert_int_eq(s.next, POOL_##then);                         \
		ck_assert_int_eq(s.action, POOL_DO_##does);                    \
	} while (0)

START_TEST(a_pool_serves_retires_drains_and_ends)
{
	ck_pool(STARTING, COMMIT, SERVING, SERVE);
	ck_pool(SERVING, RETIRE, RETIRING, RETIRE);
	ck_pool(RETIRING, RETIRED, DRAINING, DRAIN);
	ck_pool(DRAINING, EMPTY, ENDED, END);
}
END_TEST

START_TEST(a_pool_stands_by_until_its_successor_is_proven)
{
	ck_pool(SERVING, STANDBY, STANDBY, YIELD);
	ck_pool(STANDBY, COMMIT, SERVING, SERVE);
	ck_pool(STANDBY, RETIRE, RETIRING, RETIRE);
	ck_pool(STANDBY, ABANDON, DRAINING, DRAIN);
	ck_pool(RETIRING, COMMIT, RETIRING, NOTHING);
	ck_pool(STARTING, STANDBY, STARTING, NOTHING);
}
END_TEST

START_TEST(the_queue_is_shut_only_when_the_router_is_done_or_all_is_given_up)
{
	for (unsigned state = 0; state < POOL_STATES; state++)
		for (unsigned event = 0; event < POOL_EVENTS; event++)
			if (pool_life[state][event].action == POOL_DO_DRAIN)
				ck_assert(event == POOL_ON_ABANDON ||
				    (event == POOL_ON_RETIRED && state == POOL_RETIRING));
}
END_TEST

START_TEST(a_pool_ends_once_and_only_when_it_is_empty)
{
	for (unsigned state = 0; state < POOL_STATES; state++)
		for (unsigned event = 0; event < POOL_EVENTS; event++) {
			struct pool_step s = pool_life[state][event];

			ck_assert(s.action != POOL_DO_END ||
			    (state == POOL_DRAINING && event == POOL_ON_EMPTY));
			/* never back, but from standby */
			ck_assert(s.next >= state ||
			    (state == POOL_STANDBY && s.next == POOL_SERVING &&
				event == POOL_ON_COMMIT));
		}
}
END_TEST

START_TEST(every_state_has_a_name)
{
	for (unsigned state = 0; state < WORKER_STATES; state++)
		ck_assert_int_gt(worker_state_name(state)[0], 0);
	for (unsigned state = 0; state < POOL_STATES; state++)
		ck_assert_int_gt(pool_state_name(state)[0], 0);
}
END_TEST

START_TEST(pauses_between_attempts_double_up_to_their_maximum)
{
	ck_assert_uint_eq(util_back_off_ns(0, 100, 5000), 100);
	ck_assert_uint_eq(util_back_off_ns(2, 100, 5000), 100);
	ck_assert_uint_eq(util_back_off_ns(3, 100, 5000), 200);
	ck_assert_uint_eq(util_back_off_ns(7, 100, 5000), 3200);
	ck_assert_uint_eq(util_back_off_ns(8, 100, 5000), 5000);
	ck_assert_uint_eq(util_back_off_ns(UINT_MAX, 100, 5000), 5000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("life");
	TCase *tc = tcase_create("life");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, every_cell_of_a_workers_life_is_as_it_should_be);
	tcase_add_test(tc, every_cell_of_a_pools_life_is_as_it_should_be);
	tcase_add_test(tc, every_cell_of_a_templates_life_is_as_it_should_be);
	tcase_add_test(tc, a_worker_starts_gets_ready_and_leaves);
	tcase_add_test(tc, a_worker_that_dies_is_buried_whatever_it_was_doing);
	tcase_add_test(tc, a_slot_is_not_used_again_before_its_leases_are_settled);
	tcase_add_test(tc, a_worker_that_is_late_or_stuck_is_killed);
	tcase_add_test(tc, only_a_slot_without_a_process_spawns_one);
	tcase_add_test(tc, a_worker_is_told_go_once);
	tcase_add_test(tc, a_worker_that_has_to_leave_serves_until_it_is_told_to_stop);
	tcase_add_test(tc, a_sick_worker_leaves_at_once_a_new_one_is_checked_again);
	tcase_add_test(tc, stop_leads_to_an_end_from_every_state);
	tcase_add_test(tc, a_million_random_events_keep_the_count_of_processes_right);
	tcase_add_test(tc, a_pool_serves_retires_drains_and_ends);
	tcase_add_test(tc, a_pool_stands_by_until_its_successor_is_proven);
	tcase_add_test(tc,
	    the_queue_is_shut_only_when_the_router_is_done_or_all_is_given_up);
	tcase_add_test(tc, a_pool_ends_once_and_only_when_it_is_empty);
	tcase_add_test(tc, every_state_has_a_name);
	tcase_add_test(tc, pauses_between_attempts_double_up_to_their_maximum);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
