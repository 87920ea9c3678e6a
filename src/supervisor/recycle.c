/* SPDX-License-Identifier: ISC */
#include "supervisor/recycle.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/util.h"
#include "supervisor/load.h"
#include "supervisor/pool.h"
#include "supervisor/service.h"

/* Reading memory takes the kernel some time. */
#define MEMORY_INTERVAL_NS (1000 * MS_NS)

bool
recycle_is_wanted(const struct pool *pool)
{
	const struct config_service *config = pool->config;

	return config->max_requests > 0 || config->max_lifetime_ms > 0 ||
	    config->max_memory > 0;
}

/* limit, or up to recycle_jitter per cent more. */
static uint64_t
jitter(const struct pool *pool, uint64_t limit)
{
	uint64_t range = limit / 100 * (uint64_t)pool->config->recycle_jitter +
	    limit % 100 * (uint64_t)pool->config->recycle_jitter / 100;

	if (range > UINT32_MAX - 1) /* milliseconds of years: coarser will do */
		range = UINT32_MAX - 1;
	return limit + arc4random_uniform((uint32_t)range + 1);
}

void
recycle_begin(struct worker *worker)
{
	const struct config_service *config = worker->pool->config;

	worker->requests_max = jitter(worker->pool, (uint64_t)config->max_requests);
	worker->lifetime_ns = jitter(worker->pool, (uint64_t)config->max_lifetime_ms) *
	    MS_NS;
}

void
recycle_worker(struct worker *worker, enum tally_reason reason, const char *why)
{
	if (worker->state != WORKER_RUNNING)
		return;
	log_info("service %s: worker %u (pid %d) is replaced: %s",
	    worker->pool->service->name, worker->slot, (int)worker->pid, why);
	worker->reason = reason;
	worker_event(worker, WORKER_ON_RECYCLE);
}

/* TALLY_NONE: it is not. */
static enum tally_reason
used_up_by(struct worker *worker, uint64_t now_ns, char *why, size_t size)
{
	const struct pool *pool = worker->pool;
	uint64_t requests;

	if (pool->config->max_requests > 0 && pool_is_leased(pool)) {
		requests = atomic_load(
		    &lease_worker_at(&pool->board, worker->slot)->requests);
		snprintf(why, size, "it has answered %llu requests",
		    (unsigned long long)requests);
		if (requests >= worker->requests_max)
			return TALLY_MAX_REQUESTS;
	}
	snprintf(why, size, "it has lived for %llu s",
	    (unsigned long long)((now_ns - worker->ready_ns) / (1000 * MS_NS)));
	if (pool->config->max_lifetime_ms > 0 &&
	    now_ns - worker->ready_ns >= worker->lifetime_ns)
		return TALLY_MAX_LIFETIME;
	return TALLY_NONE;
}

/* The share of memory of its own; what is resident where that is not told. */
static uint64_t
memory_of(const struct worker *worker, uint64_t max)
{
	uint64_t rss = load_rss(worker->pid), pss;

	if (rss <= max) /* the cheaper look, and never the smaller figure */
		return rss;
	pss = load_pss(worker->pid);
	return pss > 0 ? pss : rss;
}

/* The largest of those that are too large; idle ones first. */
static struct worker *
find_fat(struct pool *pool, uint64_t *memory)
{
	uint64_t max = (uint64_t)pool->config->max_memory, bytes;
	struct worker *worker, *fat = NULL;
	bool fat_is_busy = true, busy;

	*memory = max;
	for (uint32_t i = 0; i < pool->worker_count; i++) {
		worker = &pool->workers[i];
		if (worker->state != WORKER_RUNNING)
			continue;
		busy = load_is_busy(worker);
		if (busy && !fat_is_busy)
			continue;
		bytes = memory_of(worker, max);
		if (bytes > max && (bytes > *memory || (fat_is_busy && !busy))) {
			fat = worker;
			fat_is_busy = busy;
			*memory = bytes;
		}
	}
	return fat;
}

static void
look_at_memory(struct pool *pool, uint64_t now_ns)
{
	struct worker *worker;
	uint64_t memory;
	char why[96];

	if (pool->config->max_memory == 0 ||
	    now_ns - pool->memory_looked_ns < MEMORY_INTERVAL_NS)
		return;
	pool->memory_looked_ns = now_ns;
	worker = find_fat(pool, &memory);
	if (worker == NULL)
		return;
	snprintf(why, sizeof(why), "it holds %llu KiB of memory, max_memory is %lld KiB",
	    (unsigned long long)(memory >> 10),
	    (long long)(pool->config->max_memory >> 10));
	recycle_worker(worker, TALLY_MAX_MEMORY, why);
}

void
recycle_look(struct pool *pool, uint64_t now_ns)
{
	uint32_t room = pool->worker_count - pool->strength.target;
	enum tally_reason reason;
	char why[96];

	if (!recycle_is_wanted(pool))
		return;
	for (uint32_t i = 0; i < pool->worker_count; i++) {
		struct worker *worker = &pool->workers[i];

		if (strength_count(pool).outgoing >= room)
			return;
		if (worker->state != WORKER_RUNNING)
			continue;
		reason = used_up_by(worker, now_ns, why, sizeof(why));
		if (reason != TALLY_NONE)
			recycle_worker(worker, reason, why);
	}
	if (strength_count(pool).outgoing < room)
		look_at_memory(pool, now_ns);
}
