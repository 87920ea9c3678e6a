/* SPDX-License-Identifier: ISC */
#include "supervisor/scale.h"

#include <string.h>

/* Growth so soon after a shrinking is flapping (the longer of the two); the
 * next hold is longer by the factor, up to so many idle_timeouts; after so many
 * holds without shrinking all is forgotten. */
#define FLAP_NS	    UINT64_C(10000000000)
#define FLAP_HOLDS  4
#define HOLD_FACTOR 4
#define HOLD_MAX    64
#define CALM_HOLDS  16

static uint32_t
clamp(uint64_t n, uint32_t min, uint32_t max)
{
	if (n < min)
		return min;
	return n > max ? max : (uint32_t)n;
}

void
scale_init(struct scale *scale, const struct scale_limits *limits, uint32_t target,
    uint64_t now_ns)
{
	memset(scale, 0, sizeof(*scale));
	scale->target = clamp(target, limits->min, limits->max);
	scale->hold_ns = limits->idle_ns;
	scale->bucket_ns = now_ns;
	scale->tokens_ns = now_ns;
	scale->tokens = limits->spawn_rate;
	/* those we begin with may go when idle_timeout is over, not before */
	for (int i = 0; i < SCALE_BUCKETS; i++)
		scale->needed[i] = scale->target;
}

/* --- what was needed lately -------------------------------------------- */

static void
note_need(struct scale *scale, uint64_t now_ns, uint32_t need)
{
	uint64_t width_ns = scale->hold_ns / SCALE_BUCKETS + 1;
	uint64_t passed = (now_ns - scale->bucket_ns) / width_ns;

	if (passed >= SCALE_BUCKETS)
		memset(scale->needed, 0, sizeof(scale->needed));
	else if (passed > 0) {
		memmove(scale->needed + passed, scale->needed,
		    (SCALE_BUCKETS - passed) * sizeof(scale->needed[0]));
		memset(scale->needed, 0, passed * sizeof(scale->needed[0]));
	}
	scale->bucket_ns += passed * width_ns;
	if (need > scale->needed[0])
		scale->needed[0] = need;
}

static uint32_t
most_needed(const struct scale *scale)
{
	uint32_t most = 0;

	for (int i = 0; i < SCALE_BUCKETS; i++)
		if (scale->needed[i] > most)
			most = scale->needed[i];
	return most;
}

/* --- growth ------------------------------------------------------------ */

static void
count_tokens(struct scale *scale, const struct scale_limits *limits, uint64_t now_ns)
{
	scale->tokens += (double)(now_ns - scale->tokens_ns) / 1e9 * limits->spawn_rate;
	if (scale->tokens > limits->spawn_rate)
		scale->tokens = limits->spawn_rate;
	scale->tokens_ns = now_ns;
}

/* Workers that what waits would keep busy, when those that come are there. */
static uint32_t
waiting_for(const struct scale_limits *limits, const struct scale_load *load)
{
	uint64_t workers = ((uint64_t)load->queued + limits->concurrency - 1) /
	    limits->concurrency;

	return workers > limits->max ? limits->max : (uint32_t)workers;
}

static bool
is_sustained(struct scale *scale, const struct scale_load *load)
{
	if (load->queued == 0) {
		scale->queued_since_ns = 0;
		return false;
	}
	if (scale->queued_since_ns == 0)
		scale->queued_since_ns = load->now_ns;
	return load->ready + load->coming == 0 ||
	    load->now_ns - scale->queued_since_ns >= SCALE_SUSTAIN_NS;
}

/* How many workers there should be now, without limits. */
static uint64_t
wanted(struct scale *scale, const struct scale_limits *limits,
    const struct scale_load *load)
{
	uint64_t want = (uint64_t)load->busy + limits->spare, more;
	uint32_t waiting = waiting_for(limits, load);

	if (is_sustained(scale, load) && waiting > load->coming &&
	    (scale->grown_ns == 0 || load->now_ns - scale->grown_ns >= SCALE_SUSTAIN_NS ||
		load->ready + load->coming == 0)) {
		more = waiting - load->coming;
		if (more > scale->target && scale->target > 0)
			more = scale->target;
		if (scale->target + more > want)
			want = scale->target + more;
	}
	return want;
}

static void
remember_flapping(struct scale *scale, const struct scale_limits *limits, uint64_t now_ns)
{
	uint64_t since_ns = now_ns - scale->shrunk_ns;
	uint64_t longest_ns = HOLD_MAX * limits->idle_ns;

	if (scale->shrunk_ns == 0)
		return;
	if (since_ns < FLAP_NS || since_ns < FLAP_HOLDS * scale->hold_ns) {
		scale->hold_ns *= HOLD_FACTOR;
		if (scale->hold_ns > longest_ns)
			scale->hold_ns = longest_ns;
	} else if (since_ns > CALM_HOLDS * scale->hold_ns)
		scale->hold_ns = limits->idle_ns;
	scale->shrunk_ns = 0;
}

static void
grow(struct scale *scale, const struct scale_limits *limits,
    const struct scale_load *load, uint32_t target)
{
	uint32_t more = target - scale->target;

	count_tokens(scale, limits, load->now_ns);
	if (more > scale->tokens)
		more = (uint32_t)scale->tokens;
	if (more == 0)
		return;
	scale->tokens -= more;
	scale->target += more;
	scale->grown_ns = load->now_ns;
	remember_flapping(scale, limits, load->now_ns);
}

/* --- both -------------------------------------------------------------- */

static void
shrink(struct scale *scale, const struct scale_limits *limits, uint64_t now_ns)
{
	uint32_t target = clamp(most_needed(scale), limits->min, limits->max);

	if (target >= scale->target)
		return;
	scale->target = target;
	scale->shrunk_ns = now_ns;
}

uint32_t
scale_step(struct scale *scale, const struct scale_limits *limits,
    const struct scale_load *load)
{
	uint64_t want = wanted(scale, limits, load);
	uint32_t target = clamp(want, limits->min, limits->max);
	bool waits = scale->queued_since_ns != 0 &&
	    load->now_ns - scale->queued_since_ns >= SCALE_SUSTAIN_NS;

	note_need(scale, load->now_ns,
	    clamp((uint64_t)load->busy + limits->spare + waiting_for(limits, load), 0,
		limits->max));
	if (target < limits->min)
		target = limits->min;
	scale->saturated = scale->target == limits->max && waits;
	scale->squeezed = load->pressure && target > scale->target &&
	    scale->target >= limits->min && scale->target > 0;
	if (target > scale->target && !scale->squeezed)
		grow(scale, limits, load, target);
	else if (target <= scale->target)
		shrink(scale, limits, load->now_ns);
	return scale->target;
}
