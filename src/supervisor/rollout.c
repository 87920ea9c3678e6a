/* SPDX-License-Identifier: ISC */
#include "supervisor/rollout.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/pool.h"
#include "supervisor/service.h"

static bool
is_rolling(const struct pool *pool)
{
	return pool->config->reload == CONFIG_RELOAD_ROLLING;
}

uint32_t
rollout_first_batch(const struct config_service *config)
{
	return config->reload == CONFIG_RELOAD_ROLLING ? (uint32_t)config->reload_batch :
							 STRENGTH_NO_CAP;
}

struct rollout *
rollout_begin(struct pool *fresh, struct pool *old)
{
	struct rollout *rollout = util_alloc(sizeof(*rollout));

	rollout->fresh = fresh;
	rollout->old = old;
	if (old != NULL)
		rollout->size = old->strength.target;
	if (fresh != NULL && old != NULL && is_rolling(fresh))
		pool_share(old, true);
	return rollout;
}

/* The batch is proven: the workers that it replaces leave, the next one comes.
 * Returns whether there is a next one. */
static bool
next_batch(struct rollout *rollout)
{
	struct pool *fresh = rollout->fresh, *old = rollout->old;
	uint32_t batch = (uint32_t)fresh->config->reload_batch, cap = fresh->strength.cap;

	if (cap >= fresh->strength.target || cap >= rollout->size) {
		strength_cap(fresh, STRENGTH_NO_CAP);
		return false;
	}
	if (old != NULL)
		strength_cap(old, rollout->size > cap ? rollout->size - cap : 0);
	log_info("service %s: generation %u serves with %u workers, generation %u goes "
		 "on with %u",
	    fresh->service->name, fresh->number, cap, old != NULL ? old->number : 0,
	    old != NULL ? old->strength.cap : 0);
	strength_cap(fresh, cap + batch);
	rollout->proven_ns = 0;
	return true;
}

uint64_t
rollout_step(struct rollout *rollout, uint64_t now_ns)
{
	struct pool *fresh = rollout->fresh;

	if (fresh == NULL)
		rollout->done = true;
	if (rollout->done || !strength_is_reached(fresh))
		return 0;
	if (rollout->proven_ns == 0)
		rollout->proven_ns = now_ns +
		    (uint64_t)fresh->config->reload_grace_ms * MS_NS;
	if (now_ns < rollout->proven_ns)
		return rollout->proven_ns;
	rollout->done = !next_batch(rollout);
	return 0;
}

void
rollout_undo(struct rollout *rollout)
{
	if (rollout->old == NULL)
		return;
	pool_share(rollout->old, false);
	strength_cap(rollout->old, STRENGTH_NO_CAP);
}

void
rollout_free(struct rollout *rollout)
{
	free(rollout);
}
