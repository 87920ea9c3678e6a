/* SPDX-License-Identifier: ISC */
/* A configuration that is in use; pools of an older one may outlive it. */
#ifndef SUPERVISOR_PLAN_H
#define SUPERVISOR_PLAN_H

struct config;

struct plan {
	struct config *config;
	unsigned refs;
};

/* The caller has a hold on it, and config is the plan's. */
struct plan *plan_new(struct config *config);
struct plan *plan_retain(struct plan *plan);
/* The last hold frees it and its configuration; NULL is fine. */
void plan_release(struct plan *plan);

#endif
