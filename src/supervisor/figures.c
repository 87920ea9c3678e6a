/* SPDX-License-Identifier: ISC */
#include "supervisor/figures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/supervisor.h"

#define LOOK_NS (1000 * MS_NS)

static const struct figures_second unknown = { -1, -1, -1, -1, -1 };

/* from: what was counted by now. */
static void
window_open(struct figures *figures, const struct figures_mark *from)
{
	figures->window = util_alloc(sizeof(*figures->window));
	figures->window->last = *from;
	figures->window->marks[figures->window->marked++] = *from;
}

/* --- places ------------------------------------------------------------ */

void
figures_assign(struct supervisor *supervisor, struct service *service)
{
	struct figures_mark nothing = { .at_ns = util_now_ns() };
	bool taken[STATS_SERVICES] = { false };
	const struct service *other;

	if (service->figures.serial != 0 || supervisor->figures.stats == NULL)
		return;
	TAILQ_FOREACH (other, &supervisor->services, entry)
		if (other->figures.serial != 0)
			taken[other->figures.index] = true;
	for (uint32_t i = 0; i < STATS_SERVICES; i++)
		if (!taken[i]) {
			service->figures.index = i;
			service->figures.serial = ++supervisor->next_id;
			window_open(&service->figures, &nothing);
			return;
		}
	log_warn("service %s: there are figures of %u services at most, and none of it",
	    service->name, STATS_SERVICES);
}

void
figures_release(struct figures *figures)
{
	free(figures->window);
	memset(figures, 0, sizeof(*figures));
}

/* Ids are never given twice, and the place bears the id: two that meet in one
 * place would only take turns in it. */
uint32_t
figures_listener_index(const struct supervisor *supervisor,
    const struct listener *listener)
{
	(void)supervisor;
	return listener->id % STATS_LISTENERS;
}

const struct stats_service *
figures_of(const struct supervisor *supervisor, const struct service *service)
{
	const struct figures *figures = &service->figures;
	const struct stats_service *place;

	if (supervisor->figures.stats == NULL || figures->serial == 0)
		return NULL;
	place = &supervisor->figures.stats->services[figures->index];
	return atomic_load_explicit(&place->serial, memory_order_acquire) ==
		figures->serial ?
	    place :
	    NULL;
}

const struct stats_listener *
figures_of_listener(const struct supervisor *supervisor, const struct listener *listener)
{
	const struct stats_listener *place;

	if (supervisor->figures.stats == NULL || !listener->routed)
		return NULL;
	place = &supervisor->figures.stats
		     ->listeners[figures_listener_index(supervisor, listener)];
	return atomic_load_explicit(&place->serial, memory_order_acquire) ==
		listener->id ?
	    place :
	    NULL;
}

/* --- sums -------------------------------------------------------------- */

uint64_t
figures_refused(const struct stats_service *place)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < STATS_REFUSALS; i++)
		sum += stats_get(&place->refused[i]);
	return sum;
}

uint64_t
figures_ended(const struct stats_service *place)
{
	uint64_t sum = figures_refused(place) + stats_get(&place->cut);

	for (unsigned i = 0; i < STATS_CLASSES; i++)
		sum += stats_get(&place->classes[i]);
	return sum;
}

uint64_t
figures_errors(const struct stats_service *place)
{
	uint64_t sum = stats_get(&place->classes[5]) + stats_get(&place->cut);

	for (unsigned i = 0; i < STATS_REFUSALS; i++)
		if (stats_refusal_status(i) >= 500)
			sum += stats_get(&place->refused[i]);
	return sum;
}

/* --- the last minute --------------------------------------------------- */

/* The router may write anything: what became less has not changed. */
static uint64_t
more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static void
take_mark(struct figures_mark *mark, const struct stats_service *place, uint64_t now_ns)
{
	mark->at_ns = now_ns;
	mark->ended = figures_ended(place);
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		mark->durations[i] = (uint32_t)stats_get(&place->duration.buckets[i]);
}

static struct figures_minute
between(const struct figures_mark *from, const struct figures_mark *to)
{
	struct figures_minute minute = { -1, -1, -1 };
	uint64_t passed_ns = more(to->at_ns, from->at_ns);
	uint32_t counts[STATS_BUCKETS];

	if (passed_ns == 0)
		return minute;
	minute.rate = (double)more(to->ended, from->ended) * 1e9 / (double)passed_ns;
	if (to->ended == from->ended)
		return minute;
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		counts[i] = to->durations[i] - from->durations[i];
	minute.p50 = stats_quantile(counts, 0.5);
	minute.p99 = stats_quantile(counts, 0.99);
	return minute;
}

static void
look_at(struct supervisor *supervisor, struct service *service, uint64_t now_ns)
{
	const struct stats_service *place = figures_of(supervisor, service);
	struct figures_window *window = service->figures.window;
	struct figures_minute past;
	struct figures_mark now;
	uint64_t errors;

	if (place == NULL)
		return;
	take_mark(&now, place, now_ns);
	errors = figures_errors(place);
	if (window == NULL) { /* after an upgrade: what came before is not of now */
		window_open(&service->figures, &now);
		service->figures.window->errors = errors;
		return;
	}
	past = between(&window->last, &now);
	window->seconds[window->looked++ % FIGURES_SECONDS] = (struct figures_second){
		.rate = (float)past.rate,
		.p50 = (float)past.p50,
		.p99 = (float)past.p99,
		.errors = (int64_t)more(errors, window->errors),
		.queued = (int64_t)stats_get(&place->queued)
	};
	if (window->looked % FIGURES_MARK_SECONDS == 0)
		window->marks[window->marked++ % FIGURES_MARKS] = now;
	window->last = now;
	window->errors = errors;
}

static void
on_timer(void *owner)
{
	struct supervisor *supervisor = owner;
	struct service *service;
	uint64_t now_ns = util_now_ns();

	TAILQ_FOREACH (service, &supervisor->services, entry)
		look_at(supervisor, service, now_ns);
	loop_timer_set(&supervisor->loop, &supervisor->figures.timer, now_ns + LOOK_NS);
}

struct figures_minute
figures_last_minute(const struct supervisor *supervisor, const struct service *service)
{
	const struct stats_service *place = figures_of(supervisor, service);
	const struct figures_window *window = service->figures.window;
	struct figures_mark now;
	unsigned oldest;

	if (place == NULL || window == NULL)
		return (struct figures_minute){ -1, -1, -1 };
	take_mark(&now, place, util_now_ns());
	oldest = window->marked > FIGURES_MARKS ? window->marked % FIGURES_MARKS : 0;
	return between(&window->marks[oldest], &now);
}

struct figures_second
figures_second(const struct service *service, unsigned age)
{
	const struct figures_window *window = service->figures.window;

	if (window == NULL || age >= FIGURES_SECONDS || age >= window->looked)
		return unknown;
	return window->seconds[(window->looked - 1 - age) % FIGURES_SECONDS];
}

/* --- begin and end ----------------------------------------------------- */

void
figures_init(struct supervisor *supervisor)
{
	struct figures_board *board = &supervisor->figures;

	board->fd = -1;
	board->timer.fn = on_timer;
	board->timer.owner = supervisor;
}

void
figures_open(struct supervisor *supervisor)
{
	struct figures_board *board = &supervisor->figures;
	struct service *service;

	if (board->fd != -1) {
		board->stats = stats_map(board->fd);
		if (board->stats == NULL) {
			log_info("the figures of the old version begin anew");
			close(board->fd);
			board->fd = -1;
		}
	}
	if (board->stats == NULL) {
		/* nobody has a place in what is new */
		TAILQ_FOREACH (service, &supervisor->services, entry)
			figures_release(&service->figures);
		board->fd = stats_create();
		if (board->fd != -1)
			board->stats = stats_map(board->fd);
		if (board->stats == NULL)
			log_warn("no memory for figures of requests: %s",
			    strerror(errno));
	}
	/* once, so that it does not follow the clock */
	board->started_ms = util_epoch_ms() -
	    (util_now_ns() - supervisor->started_ns) / MS_NS;
	loop_timer_set(&supervisor->loop, &board->timer, util_now_ns() + LOOK_NS);
}

void
figures_close(struct supervisor *supervisor)
{
	struct figures_board *board = &supervisor->figures;

	loop_timer_clear(&supervisor->loop, &board->timer);
	stats_unmap(board->stats);
	board->stats = NULL;
	if (board->fd != -1)
		close(board->fd);
	board->fd = -1;
}
