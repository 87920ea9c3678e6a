/* SPDX-License-Identifier: ISC */
#include "supervisor/tally.h"

#include "common/lease.h"
#include "common/util.h"
#include "supervisor/pool.h"
#include "supervisor/service.h"

#define MOMENT_NS (500 * MS_NS) /* a shorter time says little */

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
tally_end(struct worker *worker)
{
	struct tally *tally = &worker->pool->service->tally;

	add(&tally->ended, tally_worker(worker));
	if (!worker->asked_to_leave)
		tally->restarts++;
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

double
tally_rate(struct service *service, uint64_t requests)
{
	struct tally *tally = &service->tally;
	uint64_t now_ns = util_now_ns(), passed_ns = now_ns - tally->looked_ns;

	if (tally->looked_ns == 0)
		tally->rate = -1;
	else if (passed_ns < MOMENT_NS)
		return tally->rate;
	else if (requests >= tally->looked_requests) /* workers may write anything */
		tally->rate = (double)(requests - tally->looked_requests) * 1e9 /
		    (double)passed_ns;
	tally->looked_ns = now_ns;
	tally->looked_requests = requests;
	return tally->rate;
}
