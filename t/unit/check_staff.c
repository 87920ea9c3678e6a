/* SPDX-License-Identifier: ISC */
/*
 * A pool of simulated workers: the table of a worker's life (life.h) for each
 * slot, and staff_next, which starts and stops them.  Checked after each step:
 * never more than there are slots for, never below strength for a worker that
 * is replaced, no slot that is lost.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/staff.h"

#define SLOTS_MAX 40

struct world {
	struct staff_slot slots[SLOTS_MAX];
	uint32_t size;
	uint32_t wanted;
	uint32_t spawned;
};

static bool
has_process(enum worker_state state)
{
	return state == WORKER_STARTING || state == WORKER_CHECKING ||
	    state == WORKER_RUNNING || state == WORKER_OUTGOING ||
	    state == WORKER_STOPPING || state == WORKER_KILLED;
}

static bool
serves(enum worker_state state)
{
	return state == WORKER_RUNNING || state == WORKER_OUTGOING;
}

static uint32_t
count_serving(const struct world *w)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < w->size; i++)
		count += serves(w->slots[i].state);
	return count;
}

/* What worker.c does, as far as it matters here. */
static void
event(struct world *w, uint32_t slot, enum worker_event event_)
{
	struct staff_slot *s = &w->slots[slot];
	const struct worker_step *step = &worker_life[s->state][event_];
	struct staff_count count;

	s->state = step->next;
	switch (step->action) {
	case WORKER_DO_SPAWN:
		s->leaving = false;
		w->spawned++;
		break;
	case WORKER_DO_STOP:
	case WORKER_DO_STOP_SICK:
		s->leaving = true;
		break;
	case WORKER_DO_REPLACE:
		count = staff_count(w->slots, w->size);
		if (count.coming + count.going > w->wanted)
			event(w, slot, WORKER_ON_STOP);
		else if (random() % 2)
			event(w, slot, WORKER_ON_START);
		break;
	default:
		break;
	}
}

/* Does all that is to do, and checks each step of it. */
static void
review(struct world *w)
{
	struct staff_step step;
	struct staff_count count;
	enum worker_state was;

	for (uint32_t i = 0; i <= 2 * w->size; i++) {
		step = staff_next(w->slots, w->size, w->wanted);
		if (step.deed == STAFF_NOTHING)
			return;
		if (step.slot >= w->size)
			ck_abort_msg("slot %u of %u", step.slot, w->size);
		was = w->slots[step.slot].state;
		event(w, step.slot,
		    step.deed == STAFF_START ? WORKER_ON_START : WORKER_ON_STOP);
		count = staff_count(w->slots, w->size);
		if (step.deed == STAFF_START && count.coming + count.going > w->wanted)
			ck_abort_msg("%u come and %u run, %u are wanted", count.coming,
			    count.going, w->wanted);
		/* one that serves is stopped only when enough others do */
		if (step.deed == STAFF_STOP && was == WORKER_OUTGOING &&
		    count_serving(w) < w->wanted && w->size > w->wanted)
			ck_abort_msg("%u serve, %u are wanted", count_serving(w),
			    w->wanted);
		if (step.deed == STAFF_STOP && was == WORKER_RUNNING &&
		    count.going + count.coming < w->wanted)
			ck_abort_msg("%u are wanted", w->wanted);
	}
	ck_abort_msg("it never comes to rest");
}

static void
world_init(struct world *w, uint32_t size, uint32_t wanted)
{
	memset(w, 0, sizeof(*w));
	w->size = size;
	w->wanted = wanted;
	review(w);
}

/* All that are starting get ready. */
static void
all_ready(struct world *w)
{
	for (uint32_t i = 0; i < w->size; i++) {
		event(w, i, WORKER_ON_READY);
		event(w, i, WORKER_ON_PASSED);
	}
	review(w);
}

START_TEST(a_pool_starts_as_many_as_are_wanted)
{
	struct world w;

	world_init(&w, 5, 4);
	ck_assert_uint_eq(w.spawned, 4);
	all_ready(&w);
	ck_assert_uint_eq(count_serving(&w), 4);
	w.wanted = 2;
	review(&w);
	ck_assert_uint_eq(staff_count(w.slots, w.size).going, 2);
}
END_TEST

START_TEST(an_idle_worker_is_stopped_before_a_busy_one_and_the_last_first)
{
	struct world w;

	world_init(&w, 5, 4);
	all_ready(&w);
	w.slots[3].busy = true;
	w.wanted = 3;
	review(&w);
	ck_assert_int_eq(w.slots[2].state, WORKER_STOPPING);
	w.wanted = 0;
	review(&w);
	ck_assert_uint_eq(count_serving(&w), 0);
}
END_TEST

START_TEST(those_that_are_not_ready_are_stopped_before_those_that_are)
{
	struct world w;

	world_init(&w, 5, 2);
	all_ready(&w);
	w.wanted = 4;
	review(&w);
	w.wanted = 3;
	review(&w);
	ck_assert_uint_eq(count_serving(&w), 2);
	ck_assert_uint_eq(staff_count(w.slots, w.size).coming, 1);
}
END_TEST

START_TEST(a_successor_is_ready_before_a_worker_leaves)
{
	struct world w;

	world_init(&w, 4, 3);
	all_ready(&w);
	event(&w, 1, WORKER_ON_RECYCLE);
	review(&w);
	ck_assert_int_eq(w.slots[1].state, WORKER_OUTGOING);
	ck_assert_int_eq(w.slots[3].state, WORKER_STARTING);
	all_ready(&w);
	ck_assert_int_eq(w.slots[1].state, WORKER_STOPPING);
	ck_assert_uint_eq(count_serving(&w), 3);
}
END_TEST

START_TEST(all_of_a_pool_can_be_replaced_with_one_slot_to_spare)
{
	struct world w;
	uint32_t fewest = UINT32_MAX;

	world_init(&w, 4, 3);
	all_ready(&w);
	for (uint32_t i = 0; i < 3; i++)
		event(&w, i, WORKER_ON_RECYCLE);
	review(&w);
	for (int round = 0; round < 20; round++) {
		fewest = count_serving(&w) < fewest ? count_serving(&w) : fewest;
		all_ready(&w);
		for (uint32_t i = 0; i < w.size; i++)
			if (w.slots[i].state == WORKER_STOPPING) {
				event(&w, i, WORKER_ON_EXIT);
				event(&w, i, WORKER_ON_SETTLED);
			} else if (w.slots[i].state == WORKER_WAITING)
				event(&w, i, WORKER_ON_TIMEOUT);
		review(&w);
	}
	ck_assert_uint_eq(fewest, 3);
	ck_assert_uint_eq(staff_count(w.slots, w.size).going, 3);
	ck_assert_uint_eq(staff_count(w.slots, w.size).outgoing, 0);
}
END_TEST

START_TEST(without_any_slot_to_spare_a_worker_leaves_first)
{
	struct world w;

	world_init(&w, 3, 3);
	all_ready(&w);
	event(&w, 0, WORKER_ON_RECYCLE);
	review(&w);
	ck_assert_int_eq(w.slots[0].state, WORKER_STOPPING);
}
END_TEST

START_TEST(a_sick_worker_is_made_up_for_while_it_leaves)
{
	struct world w;

	world_init(&w, 3, 2);
	all_ready(&w);
	event(&w, 0, WORKER_ON_SICK);
	review(&w);
	ck_assert_int_eq(w.slots[0].state, WORKER_STOPPING);
	ck_assert_int_eq(w.slots[2].state, WORKER_STARTING);
	all_ready(&w);
	event(&w, 0, WORKER_ON_EXIT);
	event(&w, 0, WORKER_ON_SETTLED);
	ck_assert_int_eq(w.slots[0].state, WORKER_EMPTY);
	ck_assert_uint_eq(count_serving(&w), 2);
}
END_TEST

START_TEST(a_worker_that_died_is_replaced_in_its_slot)
{
	struct world w;

	world_init(&w, 3, 2);
	all_ready(&w);
	event(&w, 0, WORKER_ON_EXIT);
	review(&w);
	ck_assert_int_eq(w.slots[0].state, WORKER_LOST);
	ck_assert_int_eq(w.slots[2].state, WORKER_EMPTY);
}
END_TEST

/* One random thing that can happen to a worker, or to what is wanted. */
static void
happen(struct world *w, uint32_t most)
{
	static const enum worker_event events[] = { WORKER_ON_READY, WORKER_ON_READY,
		WORKER_ON_PASSED, WORKER_ON_PASSED, WORKER_ON_RECYCLE, WORKER_ON_SICK,
		WORKER_ON_TIMEOUT, WORKER_ON_KILL, WORKER_ON_EXIT, WORKER_ON_SETTLED,
		WORKER_ON_SETTLED, WORKER_ON_FAILED };
	uint32_t slot = (uint32_t)random() % w->size;
	enum worker_event what =
	    events[(size_t)random() % (sizeof(events) / sizeof(events[0]))];

	if (random() % 50 == 0)
		w->wanted = (uint32_t)random() % (most + 1);
	w->slots[slot].busy = random() % 2 != 0;
	/* what cannot happen: an exit without a process */
	if (what == WORKER_ON_EXIT && !has_process(w->slots[slot].state))
		return;
	event(w, slot, what);
}

/* Everybody leaves in the end. */
static void
wind_up(struct world *w)
{
	w->wanted = 0;
	review(w);
	for (int round = 0; round < 4; round++)
		for (uint32_t i = 0; i < w->size; i++) {
			event(w, i, WORKER_ON_STOP);
			if (has_process(w->slots[i].state))
				event(w, i, WORKER_ON_EXIT);
			event(w, i, WORKER_ON_SETTLED);
		}
	for (uint32_t i = 0; i < w->size; i++)
		if (w->slots[i].state != WORKER_EMPTY)
			ck_abort_msg("slot %u is %s", i,
			    worker_state_name(w->slots[i].state));
}

START_TEST(a_million_random_events_break_no_promise)
{
	struct world w;
	struct staff_count count;
	uint32_t most = 0, serving;

	srandom(11);
	world_init(&w, 1, 0);
	for (int i = 0; i < 1000000; i++) {
		if (i % 5000 == 0) {
			wind_up(&w);
			most = 1 + (uint32_t)random() % 30;
			world_init(&w, most + 1 + most / 8, most);
		}
		happen(&w, most);
		serving = count_serving(&w);
		review(&w);
		count = staff_count(w.slots, w.size);
		if (count.going > w.wanted)
			ck_abort_msg("%u run, %u are wanted", count.going, w.wanted);
		/* what the review did took nobody away that is needed */
		if (count_serving(&w) < serving && count_serving(&w) < w.wanted &&
		    count.coming + count.going < w.wanted)
			ck_abort_msg("%u serve, %u did before, %u are wanted",
			    count_serving(&w), serving, w.wanted);
	}
	wind_up(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("staff");
	TCase *tc = tcase_create("staff");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_pool_starts_as_many_as_are_wanted);
	tcase_add_test(tc,
	    an_idle_worker_is_stopped_before_a_busy_one_and_the_last_first);
	tcase_add_test(tc, those_that_are_not_ready_are_stopped_before_those_that_are);
	tcase_add_test(tc, a_successor_is_ready_before_a_worker_leaves);
	tcase_add_test(tc, all_of_a_pool_can_be_replaced_with_one_slot_to_spare);
	tcase_add_test(tc, without_any_slot_to_spare_a_worker_leaves_first);
	tcase_add_test(tc, a_sick_worker_is_made_up_for_while_it_leaves);
	tcase_add_test(tc, a_worker_that_died_is_replaced_in_its_slot);
	tcase_add_test(tc, a_million_random_events_break_no_promise);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
