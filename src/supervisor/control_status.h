/* SPDX-License-Identifier: ISC */
/* What the control socket tells, as JSON; the keys are listed in poolctl(1).
 * All return new references. */
#ifndef SUPERVISOR_CONTROL_STATUS_H
#define SUPERVISOR_CONTROL_STATUS_H

#include <stdbool.h>

struct config;
struct config_service;
struct json_t;
struct service;
struct supervisor;

/* All services; with_workers: each with all of its workers. */
struct json_t *control_status(struct supervisor *supervisor, bool with_workers);
/* One service, with each of its workers. */
struct json_t *control_status_service(struct supervisor *supervisor,
    struct service *service);
/* What is wrong, for monitoring. */
struct json_t *control_status_check(struct supervisor *supervisor);
/* Every key with its value and where it stands, if that is known; see control_config.c. */
struct json_t *control_status_config(const struct config *config);

/* Adds what the configuration says of a service; started: as its workers were. */
void control_about_service(struct json_t *json, const struct supervisor *supervisor,
    const struct config_service *started);
struct json_t *control_about_listeners(const struct supervisor *supervisor);

#endif
