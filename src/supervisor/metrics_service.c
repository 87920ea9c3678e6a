/* SPDX-License-Identifier: ISC */
/* The metrics of services. */
#include <jansson.h>
#include <stddef.h>
#include <string.h>

#include "common/stats.h"
#include "common/util.h"
#include "supervisor/control_status.h"
#include "supervisor/json_text.h"
#include "supervisor/load.h"
#include "supervisor/metrics.h"
#include "supervisor/supervisor.h"

/* What a collect function has at hand for one service. */
struct at {
	struct supervisor *supervisor;
	const struct service *service;
	struct pool *pool;
	const struct stats_service *place; /* NULL: nobody counts it */
	json_t *samples;
};

static json_t *
labels_of(const struct at *at)
{
	return json_pack("{s:o}", "service", json_text(at->service->name));
}

static json_t *
labels_and(const struct at *at, const char *label, const char *value)
{
	return json_pack("{s:o, s:s}", "service", json_text(at->service->name), label,
	    value);
}

static void
for_each(const struct metric *metric, struct supervisor *supervisor, json_t *samples,
    void (*fn)(const struct metric *metric, const struct at *at))
{
	struct at at = { .supervisor = supervisor, .samples = samples };

	TAILQ_FOREACH (at.service, &supervisor->services, entry) {
		at.pool = control_status_pool(at.service);
		at.place = figures_of(supervisor, at.service);
		if (at.pool != NULL)
			fn(metric, &at);
	}
}

/* clang-format off */
/* collect_NAME: add_NAME for each service. */
#define COLLECT(name)                                                          \
	static void                                                            \
	collect_##name(const struct metric *metric, struct supervisor *supervisor, \
	    json_t *samples)                                                   \
	{                                                                      \
		for_each(metric, supervisor, samples, add_##name);             \
	}
/* clang-format on */

/* --- what the router counts -------------------------------------------- */

static void
add_word(const struct metric *metric, const struct at *at)
{
	const _Atomic uint64_t *word;

	if (at->place == NULL)
		return;
	word = (const void *)((const char *)at->place + metric->arg);
	metrics_add(at->samples, labels_of(at), metrics_count(stats_get(word)));
}
COLLECT(word)

static void
add_classes(const struct metric *metric, const struct at *at)
{
	static const char *const names[STATS_CLASSES] = { "none", "1xx", "2xx", "3xx",
		"4xx", "5xx" };

	(void)metric;
	for (unsigned i = 0; at->place != NULL && i < STATS_CLASSES; i++)
		metrics_add(at->samples, labels_and(at, "class", names[i]),
		    metrics_count(stats_get(&at->place->classes[i])));
}
COLLECT(classes)

static void
add_refusals(const struct metric *metric, const struct at *at)
{
	char status[16];

	(void)metric;
	for (unsigned i = 0; at->place != NULL && i < STATS_REFUSALS; i++) {
		snprintf(status, sizeof(status), "%u", stats_refusal_status(i));
		metrics_add(at->samples,
		    json_pack("{s:o, s:s, s:s}", "service", json_text(at->service->name),
			"status", status, "reason", stats_refusal_name(i)),
		    metrics_count(stats_get(&at->place->refused[i])));
	}
}
COLLECT(refusals)

static void
add_retries(const struct metric *metric, const struct at *at)
{
	(void)metric;
	if (at->place == NULL)
		return;
	metrics_add(at->samples, labels_and(at, "kind", "untouched"),
	    metrics_count(stats_get(&at->place->retried)));
	metrics_add(at->samples, labels_and(at, "kind", "replayed"),
	    metrics_count(stats_get(&at->place->replayed)));
}
COLLECT(retries)

/* Bounds of buckets as others use them, all of them bounds of ours. */
static const uint64_t bounds_us[] = { 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000,
	250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000 };

static void
add_times(const struct metric *metric, const struct at *at)
{
	const struct stats_times *times;
	json_t *buckets = json_array();
	uint64_t count = 0;
	unsigned bucket = 0;

	if (at->place == NULL) {
		json_decref(buckets);
		return;
	}
	times = (const void *)((const char *)at->place + metric->arg);
	for (size_t i = 0; i < sizeof(bounds_us) / sizeof(bounds_us[0]); i++) {
		for (; stats_bucket_ns(bucket + 1) <= bounds_us[i] * 1000; bucket++)
			count += stats_get(&times->buckets[bucket]);
		json_array_append_new(buckets,
		    json_pack("[f, o]", (double)bounds_us[i] / 1e6,
			metrics_count(count)));
	}
	for (; bucket < STATS_BUCKETS; bucket++)
		count += stats_get(&times->buckets[bucket]);
	json_array_append_new(at->samples,
	    json_pack("{s:o, s:o, s:f, s:o}", "labels", labels_of(at), "buckets", buckets,
		"sum", (double)stats_get(&times->sum_ns) / 1e9, "count",
		metrics_count(count)));
}
COLLECT(times)

/* --- what the supervisor knows ----------------------------------------- */

static void
add_queue(const struct metric *metric, const struct at *at)
{
	(void)metric;
	if (!pool_is_leased(at->pool))
		metrics_add(at->samples, labels_of(at),
		    metrics_count(load_queued(at->pool)));
	else if (at->place != NULL)
		metrics_add(at->samples, labels_of(at),
		    metrics_count(stats_get(&at->place->queued)));
}
COLLECT(queue)

static void
add_queue_limit(const struct metric *metric, const struct at *at)
{
	(void)metric;
	if (pool_is_leased(at->pool))
		metrics_add(at->samples, labels_of(at),
		    metrics_count((uint64_t)at->pool->config->queue_limit));
}
COLLECT(queue_limit)

static void
add_workers(const struct metric *metric, const struct at *at)
{
	struct control_workers count = control_status_workers(at->supervisor,
	    at->service);

	(void)metric;
	if (pool_is_leased(at->pool)) {
		metrics_add(at->samples, labels_and(at, "state", "busy"),
		    metrics_count(count.busy));
		metrics_add(at->samples, labels_and(at, "state", "idle"),
		    metrics_count(count.idle));
	} else
		metrics_add(at->samples, labels_and(at, "state", "ready"),
		    metrics_count(count.busy + count.idle));
	metrics_add(at->samples, labels_and(at, "state", "starting"),
	    metrics_count(count.starting));
	metrics_add(at->samples, labels_and(at, "state", "stopping"),
	    metrics_count(count.stopping));
}
COLLECT(workers)

static void
add_workers_max(const struct metric *metric, const struct at *at)
{
	(void)metric;
	metrics_add(at->samples, labels_of(at),
	    metrics_count(control_status_max(at->pool)));
}
COLLECT(workers_max)

static void
add_workers_target(const struct metric *metric, const struct at *at)
{
	(void)metric;
	metrics_add(at->samples, labels_of(at), metrics_count(at->pool->strength.target));
}
COLLECT(workers_target)

static void
add_restarts(const struct metric *metric, const struct at *at)
{
	(void)metric;
	for (unsigned i = TALLY_NONE + 1; i < TALLY_REASONS; i++)
		metrics_add(at->samples, labels_and(at, "reason", tally_reason_name(i)),
		    metrics_count(at->service->tally.replaced[i]));
}
COLLECT(restarts)

static void
add_checks(const struct metric *metric, const struct at *at)
{
	(void)metric;
	metrics_add(at->samples, labels_of(at),
	    metrics_count(at->service->tally.checks_failed));
}
COLLECT(checks)

static void
add_memory(const struct metric *metric, const struct at *at)
{
	(void)metric;
	metrics_add(at->samples, labels_of(at),
	    metrics_count(control_status_workers(at->supervisor, at->service).memory));
}
COLLECT(memory)

static void
add_cpu(const struct metric *metric, const struct at *at)
{
	uint64_t us = control_status_workers(at->supervisor, at->service).cpu_us;

	(void)metric;
	metrics_add(at->samples, labels_of(at), json_real((double)us / 1e6));
}
COLLECT(cpu)

/* One of names is so: 1, and 0 for the others. */
static void
add_one_of(const struct at *at, const char *const *names, size_t count, const char *is)
{
	for (size_t i = 0; i < count; i++)
		metrics_add(at->samples, labels_and(at, "state", names[i]),
		    json_integer(strcmp(names[i], is) == 0));
}

static void
add_state(const struct metric *metric, const struct at *at)
{
	static const char *const names[] = { "running", "degraded", "starting", "down",
		"failing", "asleep", "drained", "stopping" };

	(void)metric;
	add_one_of(at, names, sizeof(names) / sizeof(names[0]),
	    control_status_state(at->service));
}
COLLECT(state)

static void
add_breaker(const struct metric *metric, const struct at *at)
{
	static const char *const names[ROLE_BREAKER_STATES] = { "closed", "open",
		"half-open" };

	(void)metric;
	if (pool_is_leased(at->pool) && at->pool->config->breaker)
		add_one_of(at, names, ROLE_BREAKER_STATES, names[at->service->breaker]);
}
COLLECT(breaker)

/* --- the table --------------------------------------------------------- */

#define WORD(member) collect_word, offsetof(struct stats_service, member)

const struct metric metrics_of_services[] = {
	{ "poold_requests_total", "counter",
	    "Requests that workers have answered, by class of status.", collect_classes,
	    0 },
	{ "poold_refusals_total", "counter",
	    "Requests of a service that poold answered itself, by status and reason.",
	    collect_refusals, 0 },
	{ "poold_responses_cut_total", "counter",
	    "Responses that were broken off since their worker died.", WORD(cut) },
	{ "poold_retries_total", "counter",
	    "Requests that went to another worker since theirs died.", collect_retries,
	    0 },
	{ "poold_response_bytes_total", "counter", "Bytes of responses of workers.",
	    WORD(bytes) },
	{ "poold_request_duration_seconds", "histogram",
	    "Time from the whole head of a request to its worker's being done.",
	    collect_times, offsetof(struct stats_service, duration) },
	{ "poold_queue_duration_seconds", "histogram",
	    "Time from the whole head of a request until a worker took it.",
	    collect_times, offsetof(struct stats_service, queue) },
	{ "poold_requests_in_flight", "gauge",
	    "Requests that are leased to workers or on their way there.",
	    WORD(in_flight) },
	{ "poold_queue_length", "gauge", "Requests that wait for a worker.",
	    collect_queue, 0 },
	{ "poold_queue_limit", "gauge", "Requests that may wait for a worker.",
	    collect_queue_limit, 0 },
	{ "poold_service_state", "gauge", "1 for the state that a service is in.",
	    collect_state, 0 },
	{ "poold_breaker_state", "gauge",
	    "1 for the state that the circuit breaker of a service is in.",
	    collect_breaker, 0 },
	{ "poold_breaker_opened_total", "counter",
	    "How often the circuit breaker of a service has opened.",
	    WORD(breaker_opened) },
	{ "poold_workers", "gauge", "Workers by state.", collect_workers, 0 },
	{ "poold_workers_max", "gauge", "Workers that there may be.", collect_workers_max,
	    0 },
	{ "poold_workers_target", "gauge", "Workers that there should be.",
	    collect_workers_target, 0 },
	{ "poold_worker_restarts_total", "counter",
	    "Workers that had to be replaced, by reason.", collect_restarts, 0 },
	{ "poold_health_check_failures_total", "counter", "Health checks that failed.",
	    collect_checks, 0 },
	{ "poold_service_memory_bytes", "gauge", "Resident memory of the workers.",
	    collect_memory, 0 },
	{ "poold_service_cpu_seconds_total", "counter",
	    "CPU time of all workers of a service, and their children that have ended.",
	    collect_cpu, 0 },
};
const size_t metrics_of_services_count = sizeof(metrics_of_services) /
    sizeof(metrics_of_services[0]);
