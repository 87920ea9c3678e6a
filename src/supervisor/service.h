/* SPDX-License-Identifier: ISC */
/* A service: a name, the pool that serves it, and pools that are on their way
 * in or out. */
#ifndef SUPERVISOR_SERVICE_H
#define SUPERVISOR_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/roles.h"
#include "supervisor/figures.h"
#include "supervisor/pool.h"
#include "supervisor/tally.h"

struct service {
	TAILQ_ENTRY(service) entry;
	char *name;
	struct pools pools;
	struct pool *current;		 /* that serves; NULL: none (yet, or any more) */
	uint32_t generations;		 /* so far */
	enum role_breaker_state breaker; /* as the router told last */
	bool drained;			 /* new requests get 503 */
	struct tally tally;
	struct figures figures;
};
TAILQ_HEAD(services, service);

struct service *service_find(struct services *services, const char *name);
struct service *service_find_or_add(struct services *services, const char *name);
/* Frees a service that has no pool left. */
void service_drop_if_unused(struct services *services, struct service *service);

/* The worker that has this pid; the pool of this id.  NULL: none. */
struct worker *service_find_worker(struct services *services, pid_t pid);
/* The template that has this pid; NULL: none. */
struct template *service_find_template(struct services *services, pid_t pid);
/* Whether some template is about to have forked a worker. */
bool service_is_forking(struct services *services);
struct pool *service_find_pool(struct services *services, uint32_t id);

/* The event for every worker of every pool. */
void service_workers_event(struct services *services, enum worker_event event);

/* Services whose circuit breaker is open. */
unsigned service_count_open(struct services *services);
/* Of all services: those configured (with a serving pool), and processes. */
void service_count(struct services *services, unsigned *configured,
    unsigned *worker_count);

#endif
