/* SPDX-License-Identifier: ISC */
#include "supervisor/service.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"

struct service *
service_find(struct services *services, const char *name)
{
	struct service *service;

	TAILQ_FOREACH (service, services, entry)
		if (strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

struct service *
service_find_or_add(struct services *services, const char *name)
{
	struct service *service = service_find(services, name);

	if (service != NULL)
		return service;
	service = util_alloc(sizeof(*service));
	service->name = util_strdup(name);
	TAILQ_INIT(&service->pools);
	TAILQ_INSERT_TAIL(services, service, entry);
	return service;
}

void
service_drop_if_unused(struct services *services, struct service *service)
{
	if (!TAILQ_EMPTY(&service->pools))
		return;
	TAILQ_REMOVE(services, service, entry);
	figures_release(&service->figures);
	free(service->name);
	free(service);
}

static struct worker *
find_in_pool(struct pool *pool, pid_t pid)
{
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].pid == pid)
			return &pool->workers[i];
	return NULL;
}

struct worker *
service_find_worker(struct services *services, pid_t pid)
{
	struct service *service;
	struct pool *pool;
	struct worker *worker;

	if (pid <= 0)
		return NULL;
	TAILQ_FOREACH (service, services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			if ((worker = find_in_pool(pool, pid)) != NULL)
				return worker;
	return NULL;
}

struct template *
service_find_template(struct services *services, pid_t pid)
{
	struct service *service;
	struct pool *pool;

	if (pid <= 0)
		return NULL;
	TAILQ_FOREACH (service, services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			if (pool->template.pid == pid)
				return &pool->template;
	return NULL;
}

bool
service_is_forking(struct services *services)
{
	struct service *service;
	struct pool *pool;

	TAILQ_FOREACH (service, services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			if (template_is_forking(&pool->template))
				return true;
	return false;
}

struct pool *
service_find_pool(struct services *services, uint32_t id)
{
	struct service *service;
	struct pool *pool;

	TAILQ_FOREACH (service, services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			if (pool->id == id)
				return pool;
	return NULL;
}

void
service_workers_event(struct services *services, enum worker_event event)
{
	struct service *service, *next_service;
	struct pool *pool, *next;

	TAILQ_FOREACH_SAFE (service, services, entry, next_service)
		for (pool = TAILQ_FIRST(&service->pools); pool != NULL; pool = next) {
			/* the last pool takes the service along */
			next = TAILQ_NEXT(pool, entry);
			pool_workers_event(pool, event);
		}
}

void
service_count(struct services *services, unsigned *configured, unsigned *worker_count)
{
	struct service *service;
	struct pool *pool;

	*configured = *worker_count = 0;
	TAILQ_FOREACH (service, services, entry) {
		if (service->current != NULL)
			(*configured)++;
		TAILQ_FOREACH (pool, &service->pools, entry)
			for (uint32_t i = 0; i < pool->worker_count; i++)
				if (pool->workers[i].pid != 0)
					(*worker_count)++;
	}
}

unsigned
service_count_open(struct services *services)
{
	struct service *service;
	unsigned count = 0;

	TAILQ_FOREACH (service, services, entry)
		if (service->breaker == ROLE_BREAKER_OPEN)
			count++;
	return count;
}
