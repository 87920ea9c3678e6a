/* SPDX-License-Identifier: ISC */
#include "supervisor/reload_steps.h"

#include <jansson.h>

#include "supervisor/config.h"
#include "supervisor/control_wait.h"
#include "supervisor/json_text.h"
#include "supervisor/pool.h"
#include "supervisor/strength.h"
#include "supervisor/supervisor.h"

void
reload_step_checked(struct supervisor *supervisor, const struct config *config)
{
	const struct config_service *service;
	const struct config_listen *listen;
	int services = 0, listeners = 0;

	TAILQ_FOREACH (service, &config->services, entry)
		services++;
	TAILQ_FOREACH (listen, &config->listens, entry)
		listeners++;
	control_wait_step(&supervisor->control,
	    json_pack("{s:s, s:i, s:i}", "step", "checked", "service_count", services,
		"listener_count", listeners));
}

void
reload_step_bound(struct supervisor *supervisor)
{
	const struct listener *listener;

	TAILQ_FOREACH (listener, &supervisor->listeners, entry)
		if (listener->fresh)
			control_wait_step(&supervisor->control,
			    json_pack("{s:s, s:o}", "step", "bound", "address",
				json_text(listener->text)));
}

/* What is told of a generation. */
static void
tell(struct pool *pool, const char *step)
{
	struct staff_count count = strength_count(pool);
	uint32_t cap = pool->strength.cap, target = pool->strength.target;

	control_wait_step(&pool->supervisor->control,
	    json_pack("{s:s, s:o, s:i, s:i, s:i}", "step", step, "service",
		json_text(pool->service->name), "generation", (int)pool->number,
		"workers_ready", (int)(count.going + count.outgoing), "workers_target",
		(int)(cap < target ? cap : target)));
}

void
reload_step_starting(struct pool *pool)
{
	tell(pool, "starting");
}

void
reload_step_ready(struct pool *pool)
{
	struct staff_count count = strength_count(pool);

	/* a pool that needs none is complete before it has any */
	if (count.going + count.outgoing > 0)
		tell(pool, "ready");
}

void
reload_step_switched(struct supervisor *supervisor)
{
	control_wait_step(&supervisor->control, json_pack("{s:s}", "step", "switched"));
}

void
reload_step_retired(struct pool *pool)
{
	tell(pool, "retired");
}
