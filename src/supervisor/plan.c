/* SPDX-License-Identifier: ISC */
#include "supervisor/plan.h"

#include <stdlib.h>

#include "common/util.h"
#include "supervisor/config.h"

struct plan *
plan_new(struct config *config)
{
	struct plan *plan = util_alloc(sizeof(*plan));

	plan->config = config;
	plan->refs = 1;
	return plan;
}

struct plan *
plan_retain(struct plan *plan)
{
	plan->refs++;
	return plan;
}

void
plan_release(struct plan *plan)
{
	if (plan == NULL || --plan->refs > 0)
		return;
	config_free(plan->config);
	free(plan);
}
