/* SPDX-License-Identifier: ISC */
/* What the control socket tells, as JSON; the keys are listed in poolctl(1).
 * All return new references. */
#ifndef SUPERVISOR_CONTROL_STATUS_H
#define SUPERVISOR_CONTROL_STATUS_H

#include <stdbool.h>

struct config;
struct json_t;
struct service;
struct supervisor;

/* All services; workers: each with all of its workers. */
struct json_t *control_status(struct supervisor *supervisor, bool workers);
/* One service, with each of its workers. */
struct json_t *control_status_service(struct supervisor *supervisor,
    struct service *service);
/* What is wrong, for monitoring. */
struct json_t *control_status_check(struct supervisor *supervisor);
/* Every key with its value and where it stands, if that is known; see control_config.c. */
struct json_t *control_status_config(const struct config *config);

#endif
