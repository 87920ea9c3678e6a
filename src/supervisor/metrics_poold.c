/* SPDX-License-Identifier: ISC */
/* The metrics of poold itself: connections, the router, reloads, processes. */
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stats.h"
#include "common/util.h"
#include "supervisor/json_text.h"
#include "supervisor/load.h"
#include "supervisor/metrics.h"
#include "supervisor/supervisor.h"

/* clang-format off */
#define COLLECT(what)                                                          \
	static void                                                            \
	collect_##what(const struct metric *metric, struct supervisor *supervisor, \
	    json_t *samples)
/* clang-format on */

/* --- what the router counts -------------------------------------------- */

COLLECT(counter)
{
	const struct stats *stats = supervisor->figures.stats;

	if (stats != NULL)
		metrics_add(samples, NULL,
		    metrics_count(stats_get(&stats->counters[metric->arg])));
}

COLLECT(connections)
{
	static const char *const names[STATS_CONNS] = {
		[STATS_CONN_IDLE] = "idle",
		[STATS_CONN_READING] = "reading",
		[STATS_CONN_BODY] = "body",
		[STATS_CONN_QUEUED] = "queued",
		[STATS_CONN_LEASED] = "leased",
		[STATS_CONN_SENDING] = "sending",
		[STATS_CONN_CLOSING] = "closing",
		[STATS_CONN_DETACHED] = "detached",
	};
	const struct stats *stats = supervisor->figures.stats;

	(void)metric;
	for (unsigned i = 0; stats != NULL && i < STATS_CONNS; i++)
		metrics_add(samples, json_pack("{s:s}", "state", names[i]),
		    metrics_count(stats_get(&stats->connections[i])));
}

COLLECT(max_connections)
{
	(void)metric;
	metrics_add(samples, NULL,
	    metrics_count((uint64_t)supervisor->plan->config->max_connections));
}

COLLECT(unrouted)
{
	const struct stats *stats = supervisor->figures.stats;
	char status[16] = "other";

	(void)metric;
	for (unsigned i = 0; stats != NULL && i < STATS_STATUSES; i++) {
		if (i != STATS_OTHER)
			snprintf(status, sizeof(status), "%u", stats_status_code(i));
		else
			strlcpy(status, "other", sizeof(status));
		metrics_add(samples, json_pack("{s:s}", "status", status),
		    metrics_count(stats_get(&stats->refused[i])));
	}
}

static void
add_dropped(json_t *samples, const char *process, const char *log, uint64_t lines)
{
	metrics_add(samples, json_pack("{s:s, s:s}", "process", process, "log", log),
	    metrics_count(lines));
}

COLLECT(dropped)
{
	const struct stats *stats = supervisor->figures.stats;

	(void)metric;
	add_dropped(samples, "supervisor", "log", log_dropped());
	add_dropped(samples, "supervisor", "slow_log", supervisor->logs.slow.dropped);
	/* what workers print, when no logger reads it */
	add_dropped(samples, "supervisor", "output", supervisor->logs.dropped);
	add_dropped(samples, "logger", "all", logger_link_dropped(&supervisor->logger));
	if (stats == NULL)
		return;
	add_dropped(samples, "router", "log",
	    stats_get(&stats->counters[STATS_LOG_DROPPED]));
	add_dropped(samples, "router", "access_log",
	    stats_get(&stats->counters[STATS_ACCESS_DROPPED]));
}

/* --- listeners --------------------------------------------------------- */

static json_t *
listener_labels(const struct listener *listener)
{
	return json_pack("{s:o}", "listener", json_text(listener->name));
}

COLLECT(accepted)
{
	const struct stats_listener *place;
	const struct listener *listener;

	(void)metric;
	TAILQ_FOREACH (listener, &supervisor->listeners, entry) {
		place = figures_of_listener(supervisor, listener);
		if (place != NULL)
			metrics_add(samples, listener_labels(listener),
			    metrics_count(stats_get(&place->accepted)));
	}
}

/* arg: 0 the length, 1 the limit. */
COLLECT(accept_queue)
{
	const struct listener *listener;
	uint32_t figures[2];

	TAILQ_FOREACH (listener, &supervisor->listeners, entry)
		if (load_accept_queue(listener->fd, &figures[0], &figures[1]))
			metrics_add(samples, listener_labels(listener),
			    metrics_count(figures[metric->arg]));
}

/* --- reloads ----------------------------------------------------------- */

COLLECT(reloads)
{
	const struct control_reloads *reloads = &supervisor->control.reloads;

	(void)metric;
	metrics_add(samples, json_pack("{s:s}", "result", "success"),
	    metrics_count(reloads->done));
	metrics_add(samples, json_pack("{s:s}", "result", "failure"),
	    metrics_count(reloads->failed));
}

COLLECT(reload_successful)
{
	(void)metric;
	metrics_add(samples, NULL, json_integer(supervisor->control.failure == NULL));
}

COLLECT(reload_time)
{
	uint64_t ms = supervisor->control.reloads.last_done_ms;

	(void)metric;
	if (ms != 0)
		metrics_add(samples, NULL, json_real((double)ms / 1e3));
}

COLLECT(reload_duration)
{
	const struct control_reloads *reloads = &supervisor->control.reloads;

	(void)metric;
	if (reloads->done + reloads->failed > 0)
		metrics_add(samples, NULL, json_real((double)reloads->last_ns / 1e9));
}

COLLECT(config_version)
{
	(void)metric;
	metrics_add(samples, NULL, metrics_count(supervisor->link.version));
}

/* --- processes --------------------------------------------------------- */

COLLECT(build)
{
	(void)supervisor;
	(void)metric;
	metrics_add(samples, json_pack("{s:s}", "version", PACKAGE_VERSION),
	    json_integer(1));
}

COLLECT(start_time)
{
	(void)metric;
	metrics_add(samples, NULL,
	    json_real((double)supervisor->figures.started_ms / 1e3));
}

COLLECT(router_up)
{
	(void)metric;
	metrics_add(samples, NULL, json_integer(supervisor->link.process.pid != 0));
}

COLLECT(router_restarts)
{
	(void)metric;
	metrics_add(samples, NULL, metrics_count(supervisor->link.deaths));
}

static struct usage
look(const struct metric *metric, struct supervisor *supervisor, pid_t pid)
{
	struct usage *usage = pid == getpid() ? &supervisor->own_usage :
						&supervisor->link.usage;

	(void)metric;
	return *usage_look(&supervisor->usage, usage, pid);
}

static void
add_process(json_t *samples, const char *name, json_t *value)
{
	metrics_add(samples, json_pack("{s:s}", "process", name), value);
}

COLLECT(process_memory)
{
	struct usage own = look(metric, supervisor, getpid());
	struct usage router = look(metric, supervisor, supervisor->link.process.pid);

	add_process(samples, "supervisor", metrics_count(own.memory));
	if (router.looked_ns != 0)
		add_process(samples, "router", metrics_count(router.memory));
}

COLLECT(process_cpu)
{
	struct usage own = look(metric, supervisor, getpid());
	struct usage router = look(metric, supervisor, supervisor->link.process.pid);

	add_process(samples, "supervisor", json_real((double)own.cpu_us / 1e6));
	if (router.looked_ns != 0)
		add_process(samples, "router", json_real((double)router.cpu_us / 1e6));
}

/* --- the table --------------------------------------------------------- */

#define COUNTER(counter) collect_counter, STATS_##counter

const struct metric metrics_of_poold[] = {
	{ "poold_build_info", "gauge", "The version of poold; the value is 1.",
	    collect_build, 0 },
	{ "poold_start_time_seconds", "gauge",
	    "When poold was started, since the epoch; upgrades do not change it.",
	    collect_start_time, 0 },
	{ "poold_config_version", "gauge",
	    "Counts up with every configuration that came into force.",
	    collect_config_version, 0 },
	{ "poold_reloads_total", "counter", "Reloads and restarts of a service.",
	    collect_reloads, 0 },
	{ "poold_last_reload_successful", "gauge",
	    "0 when the last reload failed, else 1.", collect_reload_successful, 0 },
	{ "poold_last_reload_success_timestamp_seconds", "gauge",
	    "When the last reload that succeeded was done, since the epoch.",
	    collect_reload_time, 0 },
	{ "poold_last_reload_duration_seconds", "gauge",
	    "How long the last reload took, whether it succeeded or not.",
	    collect_reload_duration, 0 },
	{ "poold_connections", "gauge", "Connections of clients, by state.",
	    collect_connections, 0 },
	{ "poold_connections_max", "gauge", "Connections that there may be.",
	    collect_max_connections, 0 },
	{ "poold_connections_accepted_total", "counter", "Connections that were taken.",
	    COUNTER(ACCEPTED) },
	{ "poold_connections_turned_away_total", "counter",
	    "Connections over max_connections_per_address.", COUNTER(TURNED_AWAY) },
	{ "poold_connections_evicted_total", "counter",
	    "Idle connections that were closed to make room.", COUNTER(EVICTED) },
	{ "poold_connections_out_of_step_total", "counter",
	    "Connections that a worker left in the midst of something.",
	    COUNTER(OUT_OF_STEP) },
	{ "poold_listener_accepted_total", "counter",
	    "Connections that were taken, by listener.", collect_accepted, 0 },
	{ "poold_listener_accept_queue_length", "gauge",
	    "Connections that wait to be accepted.", collect_accept_queue, 0 },
	{ "poold_listener_accept_queue_limit", "gauge",
	    "Connections that may wait to be accepted.", collect_accept_queue, 1 },
	{ "poold_unrouted_refusals_total", "counter",
	    "Requests answered by poold for which there was no service, by status.",
	    collect_unrouted, 0 },
	{ "poold_leases_total", "counter", "Leases that were sent, retries included.",
	    COUNTER(LEASES) },
	{ "poold_lease_kicks_total", "counter",
	    "Wake-ups that were repeated since nobody took a lease.", COUNTER(KICKS) },
	{ "poold_lease_violations_total", "counter",
	    "Messages of workers that broke the lease contract.", COUNTER(FORGED) },
	{ "poold_slow_clients_total", "counter", "Clients ended for client_timeout.",
	    COUNTER(SLOW_CLIENTS) },
	{ "poold_slow_requests_total", "counter", "Requests past slow_threshold.",
	    COUNTER(SLOW_REQUESTS) },
	{ "poold_request_timeouts_total", "counter",
	    "Reports of requests past request_timeout.", COUNTER(TIMEOUTS) },
	{ "poold_responses_finished_total", "counter",
	    "Responses whose rest the router sent.", COUNTER(RESTS) },
	{ "poold_log_lines_dropped_total", "counter",
	    "Lines that could not be written, by log.", collect_dropped, 0 },
	{ "poold_router_up", "gauge", "1 when the router runs.", collect_router_up, 0 },
	{ "poold_router_restarts_total", "counter",
	    "Routers that ended without having been told to.", collect_router_restarts,
	    0 },
	{ "poold_router_wakeups_total", "counter",
	    "How often the router stopped waiting for events.", COUNTER(WAKEUPS) },
	{ "poold_process_memory_bytes", "gauge",
	    "Resident memory of poold's own processes.", collect_process_memory, 0 },
	{ "poold_process_cpu_seconds_total", "counter",
	    "CPU time of poold's own processes.", collect_process_cpu, 0 },
};
const size_t metrics_of_poold_count = sizeof(metrics_of_poold) /
    sizeof(metrics_of_poold[0]);
