/* SPDX-License-Identifier: ISC */
#include "router/breaker.h"

#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

#define B(state, action)                             \
	{                                            \
		BREAKER_##state, BREAKER_DO_##action \
	}

/* Cells that say SAME state and NOTHING are events that come too late to
 * matter, or that the state does not wait for: the deaths of workers do not
 * shorten the time of an OPEN breaker, nor does one more READY. */
const struct breaker_step breaker_life[BREAKER_STATES][BREAKER_EVENTS] = {
	[BREAKER_CLOSED] = {
		[BREAKER_ON_SUCCESS] = B(CLOSED, COUNT),
		[BREAKER_ON_FAILURE] = B(CLOSED, COUNT),
		[BREAKER_ON_TRIP] = B(OPEN, OPEN),
		[BREAKER_ON_PASS] = B(CLOSED, NOTHING),
		[BREAKER_ON_TROUBLE] = B(DOWN, SINK),
		[BREAKER_ON_READY] = B(CLOSED, NOTHING),
		[BREAKER_ON_TIME] = B(CLOSED, NOTHING),
		[BREAKER_ON_RESET] = B(CLOSED, CLOSE),
	},
	[BREAKER_OPEN] = {
		[BREAKER_ON_SUCCESS] = B(OPEN, NOTHING),
		[BREAKER_ON_FAILURE] = B(OPEN, NOTHING),
		[BREAKER_ON_TRIP] = B(OPEN, NOTHING),
		[BREAKER_ON_PASS] = B(OPEN, NOTHING),
		[BREAKER_ON_TROUBLE] = B(OPEN, NOTHING),
		[BREAKER_ON_READY] = B(OPEN, NOTHING),
		[BREAKER_ON_TIME] = B(HALF_OPEN, TRY),
		[BREAKER_ON_RESET] = B(CLOSED, CLOSE),
	},
	[BREAKER_DOWN] = {
		[BREAKER_ON_SUCCESS] = B(DOWN, NOTHING),
		[BREAKER_ON_FAILURE] = B(DOWN, NOTHING),
		[BREAKER_ON_TRIP] = B(DOWN, NOTHING),
		[BREAKER_ON_PASS] = B(DOWN, NOTHING),
		[BREAKER_ON_TROUBLE] = B(DOWN, SINK),
		[BREAKER_ON_READY] = B(HALF_OPEN, TRY),
		[BREAKER_ON_TIME] = B(DOWN, NOTHING),
		[BREAKER_ON_RESET] = B(CLOSED, CLOSE),
	},
	[BREAKER_HALF_OPEN] = {
		[BREAKER_ON_SUCCESS] = B(HALF_OPEN, CREDIT),
		[BREAKER_ON_FAILURE] = B(OPEN, REOPEN),
		[BREAKER_ON_TRIP] = B(HALF_OPEN, NOTHING),
		[BREAKER_ON_PASS] = B(CLOSED, CLOSE),
		[BREAKER_ON_TROUBLE] = B(DOWN, SINK),
		[BREAKER_ON_READY] = B(HALF_OPEN, NOTHING),
		[BREAKER_ON_TIME] = B(HALF_OPEN, RENEW),
		[BREAKER_ON_RESET] = B(CLOSED, CLOSE),
	},
};

static uint32_t
next_round(uint32_t round)
{
	return round == UINT32_MAX ? 1 : round + 1;
}

/* What passed so far has no say any more. */
static void
begin_round(struct breaker *breaker)
{
	breaker->round = next_round(breaker->round);
	breaker->in_flight = 0;
}

static uint64_t
bucket_ns(const struct breaker_settings *settings)
{
	return settings->window_ns / BREAKER_BUCKETS + 1;
}

static struct breaker_bucket *
current_bucket(struct breaker *breaker, const struct breaker_settings *settings,
    uint64_t now_ns)
{
	uint64_t number = now_ns / bucket_ns(settings);
	struct breaker_bucket *bucket = &breaker->buckets[number % BREAKER_BUCKETS];

	if (bucket->number != number)
		*bucket = (struct breaker_bucket){ .number = number };
	return bucket;
}

/* Whether the window has enough requests, and too many of them failed; the
 * numbers are kept for the log. */
static bool
is_tripped(struct breaker *breaker, const struct breaker_settings *settings,
    uint64_t now_ns)
{
	uint64_t newest = now_ns / bucket_ns(settings);
	uint64_t failed = 0, ended = 0;

	for (unsigned i = 0; i < BREAKER_BUCKETS; i++) {
		const struct breaker_bucket *bucket = &breaker->buckets[i];

		if (bucket->number + BREAKER_BUCKETS <= newest || bucket->number > newest)
			continue;
		failed += bucket->failures;
		ended += (uint64_t)bucket->failures + bucket->successes;
	}
	breaker->failed = (uint32_t)failed;
	breaker->ended = (uint32_t)ended;
	return settings->failures > 0 && ended >= settings->requests &&
	    failed * 100 >= ended * settings->failures;
}

static void
count(struct breaker *breaker, const struct breaker_settings *settings,
    enum breaker_event event, uint64_t now_ns)
{
	struct breaker_bucket *bucket = current_bucket(breaker, settings, now_ns);

	if (event == BREAKER_ON_SUCCESS) {
		bucket->successes++;
		return;
	}
	bucket->failures++;
	if (is_tripped(breaker, settings, now_ns))
		breaker_event(breaker, settings, BREAKER_ON_TRIP, now_ns, 0);
}

static void
credit(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ns)
{
	if (++breaker->successes >= settings->trials)
		breaker_event(breaker, settings, BREAKER_ON_PASS, now_ns, 0);
}

static void
reopen(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ns)
{
	/* 0: it was DOWN before, not open for a time */
	breaker->open_ns = breaker->open_ns > 0 ? 2 * breaker->open_ns :
						  settings->time_ns;
	if (breaker->open_ns > settings->max_time_ns)
		breaker->open_ns = settings->max_time_ns;
	breaker->until_ns = now_ns + breaker->open_ns;
}

static void
sink(struct breaker *breaker, enum breaker_state was, uint64_t start_ns)
{
	if (was == BREAKER_CLOSED)
		begin_round(breaker);
	breaker->until_ns = start_ns;
}

static void
renew(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ns)
{
	if (breaker->in_flight >= settings->trials)
		begin_round(breaker);
	breaker->until_ns = now_ns + settings->max_time_ns;
}

static void
begin_closed(struct breaker *breaker)
{
	begin_round(breaker);
	breaker->open_ns = 0;
	breaker->until_ns = 0;
	memset(breaker->buckets, 0, sizeof(breaker->buckets));
}

void
breaker_event(struct breaker *breaker, const struct breaker_settings *settings,
    enum breaker_event event, uint64_t now_ns, uint64_t start_ns)
{
	enum breaker_state was = breaker->state;
	const struct breaker_step *step = &breaker_life[was][event];

	breaker->state = step->next;
	switch ((enum breaker_action)step->action) {
	case BREAKER_DO_NOTHING:
	case BREAKER_ACTIONS:
		break;
	case BREAKER_DO_COUNT:
		count(breaker, settings, event, now_ns);
		break;
	case BREAKER_DO_CREDIT:
		credit(breaker, settings, now_ns);
		break;
	case BREAKER_DO_OPEN:
		begin_round(breaker);
		breaker->open_ns = settings->time_ns;
		breaker->until_ns = now_ns + breaker->open_ns;
		break;
	case BREAKER_DO_REOPEN:
		reopen(breaker, settings, now_ns);
		break;
	case BREAKER_DO_SINK:
		sink(breaker, was, start_ns);
		break;
	case BREAKER_DO_TRY:
		breaker->successes = 0;
		breaker->until_ns = now_ns + settings->max_time_ns;
		break;
	case BREAKER_DO_RENEW:
		renew(breaker, settings, now_ns);
		break;
	case BREAKER_DO_CLOSE:
		begin_closed(breaker);
		break;
	}
}

void
breaker_init(struct breaker *breaker)
{
	memset(breaker, 0, sizeof(*breaker));
	begin_round(breaker);
}

bool
breaker_refuses(const struct breaker *breaker, const struct breaker_settings *settings)
{
	switch (breaker->state) {
	case BREAKER_OPEN:
	case BREAKER_DOWN:
		return true;
	case BREAKER_HALF_OPEN:
		return breaker->in_flight >= settings->trials;
	case BREAKER_CLOSED:
	case BREAKER_STATES:
		break;
	}
	return false;
}

uint32_t
breaker_admit(struct breaker *breaker, const struct breaker_settings *settings)
{
	if (breaker_refuses(breaker, settings))
		return 0;
	if (breaker->state == BREAKER_HALF_OPEN)
		breaker->in_flight++;
	return breaker->round;
}

void
breaker_end(struct breaker *breaker, const struct breaker_settings *settings,
    uint32_t round, enum breaker_outcome outcome, uint64_t now_ns)
{
	if (round != breaker->round)
		return;
	/* of a round that is not CLOSED's, only trials have passed */
	if (breaker->state != BREAKER_CLOSED && breaker->in_flight > 0)
		breaker->in_flight--;
	if (outcome == BREAKER_SUCCEEDED)
		breaker_event(breaker, settings, BREAKER_ON_SUCCESS, now_ns, 0);
	else if (outcome == BREAKER_FAILED)
		breaker_event(breaker, settings, BREAKER_ON_FAILURE, now_ns, 0);
}

uint64_t
breaker_deadline_ns(const struct breaker *breaker)
{
	return breaker->state == BREAKER_OPEN || breaker->state == BREAKER_HALF_OPEN ?
	    breaker->until_ns :
	    0;
}

uint32_t
breaker_retry_after_s(const struct breaker *breaker, uint64_t now_ns)
{
	if ((breaker->state != BREAKER_OPEN && breaker->state != BREAKER_DOWN) ||
	    breaker->until_ns <= now_ns)
		return 1;
	return (uint32_t)((breaker->until_ns - now_ns + SECOND_NS - 1) / SECOND_NS);
}
