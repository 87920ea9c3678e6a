/* SPDX-License-Identifier: ISC */
/* What a worker may use and see, applied to it between fork and exec. */
#ifndef SUPERVISOR_LIMITS_H
#define SUPERVISOR_LIMITS_H

#include <sched.h>

#include "supervisor/config.h"

struct limits {
	const struct config_limits *config;
	cpu_set_t cpus;	    /* of cpu_affinity, if there is one */
	int64_t nofile_max; /* what there can be at most: the kernel refuses more,
			     * and so "unlimited" */
	int cgroup_fd;	    /* folder of its control group; -1: none */
};

/* Made ready before the fork, since the child may not allocate. */
void limits_init(struct limits *limits, const struct config_limits *config,
    int cgroup_fd);

/*
 * In the child, async-signal-safe, with the privileges that poold has.  NULL, or
 * the key that could not be applied, with errno.
 *
 * limits_enter_cgroup is for a child that was not born in its group, and comes
 * before descriptors are closed.  limits_confine changes what paths mean.
 */
const char *limits_enter_cgroup(const struct limits *limits);
const char *limits_apply(const struct limits *limits);
const char *limits_confine(const struct limits *limits);

/*
 * Why the step of a spawn failed, as it would stand behind "cannot "; NULL when
 * the step is none of the above.  The caller frees it.
 */
char *limits_explain(const char *step, const struct config_service *service, int error);

#endif
