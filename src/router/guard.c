/* SPDX-License-Identifier: ISC */
#include "router/guard.h"

#include <string.h>

#include "common/util.h"
#include "router/generation.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"

static const struct breaker_settings *
settings_of(const struct service *service)
{
	return &service->settings.breaker;
}

static uint64_t
now_of(const struct service *service)
{
	return service->router->loop.now_ns;
}

/* --- what others see --------------------------------------------------- */

static enum role_breaker_state
shown(enum breaker_state state)
{
	static const enum role_breaker_state states[] = {
		[BREAKER_CLOSED] = ROLE_BREAKER_CLOSED,
		[BREAKER_OPEN] = ROLE_BREAKER_OPEN,
		[BREAKER_DOWN] = ROLE_BREAKER_OPEN,
		[BREAKER_HALF_OPEN] = ROLE_BREAKER_HALF_OPEN,
	};

	return states[state];
}

/* From which state to which says why. */
static enum role_breaker_why
why_of(enum breaker_state was, enum breaker_state state)
{
	switch (state) {
	case BREAKER_OPEN:
		return was == BREAKER_CLOSED ? ROLE_BREAKER_RATE : ROLE_BREAKER_TRIAL;
	case BREAKER_DOWN:
		return ROLE_BREAKER_DOWN;
	case BREAKER_HALF_OPEN:
		return was == BREAKER_DOWN ? ROLE_BREAKER_READY : ROLE_BREAKER_TIME;
	case BREAKER_CLOSED:
	case BREAKER_STATES:
		break;
	}
	return ROLE_BREAKER_PASSED;
}

static void
tell(struct service *service, enum role_breaker_why why)
{
	const struct breaker *breaker = &service->breaker;
	uint64_t now_ns = now_of(service);
	struct role_breaker role = { .type = ROLE_BREAKER,
		.state = shown(breaker->state),
		.why = why,
		.failed = breaker->failed,
		.requests = breaker->ended,
		.trials = settings_of(service)->trials };

	if (breaker->until_ns > now_ns)
		role.time_ns = breaker->until_ns - now_ns;
	if (service->generation != NULL)
		role.failures = service->generation->trouble.failures;
	strlcpy(role.service, service->name, sizeof(role.service));
	channel_send(&service->router->supervisor, &role, sizeof(role), NULL, 0);
}

/* --- changes ----------------------------------------------------------- */

static void
set_timer(struct service *service)
{
	uint64_t deadline_ns = breaker_deadline_ns(&service->breaker);
	struct loop *loop = &service->router->loop;

	if (deadline_ns == 0)
		loop_timer_clear(loop, &service->breaker_timer);
	else if (service->breaker_timer.deadline_ns != deadline_ns)
		loop_timer_set(loop, &service->breaker_timer, deadline_ns);
}

/* After every event; was: the state before. */
static void
follow(struct service *service, enum breaker_state was, enum role_breaker_why why)
{
	enum breaker_state state = service->breaker.state;

	set_timer(service);
	if (shown(state) == shown(was))
		return;
	tell(service, why);
	if (shown(state) != ROLE_BREAKER_OPEN)
		return;
	service->router->stats.breaker_opened++;
	stats_add(&service->place->breaker_opened, 1);
	/* whatever has waited would be tried on a service that is broken */
	service_shed(service);
}

static void
event(struct service *service, enum breaker_event event, uint64_t start_ns)
{
	breaker_event(&service->breaker, settings_of(service), event, now_of(service),
	    start_ns);
}

/* Not every worker counts its answers for the supervisor to see; we do. */
static bool
is_in_trouble(const struct generation *generation)
{
	return generation != NULL && generation->ready == 0 &&
	    generation->trouble.start_ns != 0 &&
	    generation->answered_ns < generation->trouble.since_ns;
}

static void
sink_if_in_trouble(struct service *service)
{
	const struct generation *generation = service->generation;

	if (settings_of(service)->is_on && is_in_trouble(generation))
		event(service, BREAKER_ON_TROUBLE, generation->trouble.start_ns);
}

static void
on_timer(void *owner)
{
	struct service *service = owner;
	enum breaker_state was = service->breaker.state;

	event(service, BREAKER_ON_TIME, 0);
	/* what is there to try it on? */
	sink_if_in_trouble(service);
	follow(service, was, why_of(was, service->breaker.state));
}

void
guard_reset(struct service *service)
{
	enum breaker_state was = service->breaker.state;

	event(service, BREAKER_ON_RESET, 0);
	sink_if_in_trouble(service);
	follow(service, was,
	    service->breaker.state == BREAKER_DOWN ? ROLE_BREAKER_DOWN :
						     ROLE_BREAKER_FRESH);
}

void
guard_ready(struct generation *generation)
{
	struct service *service = generation->service;
	enum breaker_state was = service->breaker.state;

	memset(&generation->trouble, 0, sizeof(generation->trouble));
	if (service->generation != generation)
		return;
	event(service, BREAKER_ON_READY, 0);
	follow(service, was, why_of(was, service->breaker.state));
}

void
guard_trouble(struct generation *generation, const struct role_trouble *role)
{
	struct service *service = generation->service;
	enum breaker_state was = service->breaker.state;

	generation->trouble = *role;
	if (service->generation != generation)
		return;
	sink_if_in_trouble(service);
	follow(service, was, why_of(was, service->breaker.state));
}

/* --- requests ---------------------------------------------------------- */

bool
guard_is_open(const struct service *service)
{
	return settings_of(service)->is_on &&
	    shown(service->breaker.state) == ROLE_BREAKER_OPEN;
}

bool
guard_refuses(const struct service *service)
{
	return settings_of(service)->is_on &&
	    breaker_refuses(&service->breaker, settings_of(service));
}

bool
guard_admit(struct request *request)
{
	struct service *service = request->service;

	if (!settings_of(service)->is_on)
		return true;
	request->breaker_round = breaker_admit(&service->breaker, settings_of(service));
	return request->breaker_round != 0;
}

void
guard_end(struct request *request, enum breaker_outcome outcome)
{
	struct service *service = request->service;
	uint32_t round = request->breaker_round;
	enum breaker_state was;

	if (service == NULL || round == 0)
		return;
	request->breaker_round = 0;
	was = service->breaker.state;
	breaker_end(&service->breaker, settings_of(service), round, outcome,
	    now_of(service));
	follow(service, was, why_of(was, service->breaker.state));
}

void
guard_end_status(struct request *request, unsigned status)
{
	uint32_t bad = settings_of(request->service)->status;

	if (status == 0)
		guard_end(request, BREAKER_SAID_NOTHING);
	else if (bad != 0 && status >= bad)
		guard_end(request, BREAKER_FAILED);
	else
		guard_end(request, BREAKER_SUCCEEDED);
}

/* --- life -------------------------------------------------------------- */

void
guard_init(struct service *service)
{
	breaker_init(&service->breaker);
	service->breaker_timer.fn = on_timer;
	service->breaker_timer.owner = service;
}

void
guard_activate(struct service *service)
{
	struct generation *generation = service->generation;

	/* a worker may have become ready while nobody was there to hear it */
	if (service->breaker.state == BREAKER_DOWN && generation != NULL &&
	    generation->ready > 0)
		guard_ready(generation);
	set_timer(service);
}

void
guard_stop(struct service *service)
{
	loop_timer_clear(&service->router->loop, &service->breaker_timer);
}
