/* SPDX-License-Identifier: ISC */
#include "supervisor/tally.h"

#include <stddef.h>

#include "common/lease.h"
#include "supervisor/pool.h"
#include "supervisor/service.h"

static void
add(struct tally_counts *sum, struct tally_counts counts)
{
	sum->requests += counts.requests;
	sum->errors += counts.errors;
	sum->bytes += counts.bytes;
}

struct tally_counts
tally_worker(const struct worker *worker)
{
	const struct lease_worker *slot;

	if (!pool_is_leased(worker->pool) || worker->pid == 0)
		return (struct tally_counts){ 0 };
	slot = lease_worker_at(&worker->pool->board, worker->slot);
	return (struct tally_counts){ .requests = atomic_load(&slot->requests),
		.errors = atomic_load(&slot->errors),
		.bytes = atomic_load(&slot->bytes) };
}

void
tally_end(struct worker *worker, enum tally_reason how, uint64_t cpu_us)
{
	struct tally *tally = &worker->pool->service->tally;
	enum tally_reason reason = worker->reason;

	add(&tally->ended, tally_worker(worker));
	/* what was shown of it is not to become less */
	tally->ended_cpu_us += usage_end(&worker->usage, cpu_us);
	if (!worker->asked_to_leave)
		tally->restarts++;
	if (worker->timed_out)
		reason = TALLY_TIMEOUT;
	else if (reason == TALLY_NONE && !worker->asked_to_leave)
		reason = how;
	if (reason < TALLY_REASONS)
		tally->replaced[reason]++;
}

struct tally_counts
tally_service(const struct service *service)
{
	struct tally_counts sum = service->tally.ended;
	const struct pool *pool;

	TAILQ_FOREACH (pool, &service->pools, entry)
		for (uint32_t i = 0; i < pool->worker_count; i++)
			add(&sum, tally_worker(&pool->workers[i]));
	return sum;
}

const char *
tally_reason_name(enum tally_reason reason)
{
	static const char *const names[TALLY_REASONS] = {
		[TALLY_NONE] = "none",
		[TALLY_EXIT] = "exit",
		[TALLY_SIGNAL] = "signal",
		[TALLY_TIMEOUT] = "request_timeout",
		[TALLY_START_TIMEOUT] = "start_timeout",
		[TALLY_HEALTH] = "health",
		[TALLY_OUTLIER] = "outlier",
		[TALLY_MAX_REQUESTS] = "max_requests",
		[TALLY_MAX_LIFETIME] = "max_lifetime",
		[TALLY_MAX_MEMORY] = "max_memory",
		[TALLY_CONTRACT] = "contract",
	};

	return reason < TALLY_REASONS ? names[reason] : NULL;
}
