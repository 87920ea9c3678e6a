/* SPDX-License-Identifier: ISC */
/* What the control socket tells, as JSON; the keys are listed in poolctl(1).
 * Those that return JSON return new references. */
#ifndef SUPERVISOR_CONTROL_STATUS_H
#define SUPERVISOR_CONTROL_STATUS_H

#include <stdbool.h>
#include <stdint.h>

struct config;
struct config_service;
struct json_t;
struct pool;
struct service;
struct supervisor;

struct control_wanted {
	bool workers; /* each service with all of its workers */
	bool history; /* with what was in each second of the last minute */
};

struct json_t *control_status(struct supervisor *supervisor,
    struct control_wanted wanted);
/* One service, with each of its workers. */
struct json_t *control_status_service(struct supervisor *supervisor,
    struct service *service, struct control_wanted wanted);
/* What is wrong, for monitoring. */
struct json_t *control_status_check(struct supervisor *supervisor);
/* Every key with its value and where it stands, if that is known; see control_config.c. */
struct json_t *control_status_config(const struct config *config);

/* Adds what the configuration says of a service; started: as its workers were. */
void control_about_service(struct json_t *json, const struct supervisor *supervisor,
    const struct config_service *started);
struct json_t *control_about_listeners(const struct supervisor *supervisor);

/* For metrics.c, so that both say the same: */

struct control_workers {
	uint32_t busy, idle, starting, stopping;
	uint64_t memory; /* bytes */
	uint64_t cpu_us; /* with those that are gone */
};

/* The generation that is looked at: that serves, else the last one; or NULL. */
struct pool *control_status_pool(const struct service *service);
/* In one word, the worst first. */
const char *control_status_state(const struct service *service);
/* Of all generations; within a round of usage.h. */
struct control_workers control_status_workers(struct supervisor *supervisor,
    const struct service *service);
/* As many as there may be. */
uint32_t control_status_max(const struct pool *pool);

#endif
