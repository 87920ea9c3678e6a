/* SPDX-License-Identifier: ISC */
#include "supervisor/control_status.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/util.h"
#include "supervisor/json_text.h"
#include "supervisor/load.h"
#include "supervisor/supervisor.h"
#include "supervisor/tally.h"

static double
seconds_since(uint64_t since_ns)
{
	uint64_t now_ns = util_now_ns();

	/* what workers write may be anything */
	return since_ns == 0 || since_ns > now_ns ? 0 : (double)(now_ns - since_ns) / 1e9;
}

static json_t *
number_or_null(bool known, uint64_t number)
{
	/* what others write may be anything */
	if (number > INT64_MAX)
		number = INT64_MAX;
	return known ? json_integer((json_int_t)number) : json_null();
}

/* --- a service --------------------------------------------------------- */

/* The generation that is looked at: that serves, else the last one. */
struct pool *
control_status_pool(const struct service *service)
{
	return service->current != NULL ? service->current :
					  TAILQ_LAST(&service->pools, pools);
}

static void
count_worker(struct usage_clock *clock, struct worker *worker,
    struct control_workers *count)
{
	const struct usage *usage;

	switch (worker->state) {
	case WORKER_STARTING:
	case WORKER_CHECKING:
	case WORKER_WAITING:
		count->starting++;
		break;
	case WORKER_RUNNING:
	case WORKER_OUTGOING:
		if (load_is_busy(worker))
			count->busy++;
		else
			count->idle++;
		break;
	case WORKER_STOPPING:
	case WORKER_KILLED:
	case WORKER_LOST:
		count->stopping++;
		break;
	default:
		break;
	}
	usage = usage_look(clock, &worker->usage, worker->pid);
	count->memory += usage->memory;
	count->cpu_us += usage->cpu_us;
}

struct control_workers
control_status_workers(struct supervisor *supervisor, const struct service *service)
{
	struct control_workers count = { .cpu_us = service->tally.ended_cpu_us };
	struct pool *pool;

	TAILQ_FOREACH (pool, &service->pools, entry)
		for (uint32_t i = 0; i < pool->worker_count; i++)
			count_worker(&supervisor->usage, &pool->workers[i], &count);
	return count;
}

/* In one word, the worst first. */
const char *
control_status_state(const struct service *service)
{
	const struct pool *pool = control_status_pool(service);
	struct staff_count count;

	if (pool == NULL)
		return "stopping";
	if (pool->state > POOL_STANDBY)
		return "stopping";
	count = strength_count(pool);
	if (service->drained)
		return "drained";
	if (service->breaker == ROLE_BREAKER_OPEN)
		return "failing";
	if (pool->strength.target == 0)
		return "asleep";
	if (count.going + count.outgoing == 0)
		return pool->start_failed || pool->was_ready ? "down" : "starting";
	return strength_is_reached(pool) ? "running" : "degraded";
}

uint32_t
control_status_max(const struct pool *pool)
{
	if (pool->strength.by_hand != 0)
		return pool->strength.by_hand;
	return (uint32_t)(pool->config->scaling == CONFIG_SCALING_STATIC ?
		pool->config->workers :
		pool->config->workers_max);
}

static void
add_workers(json_t *json, struct supervisor *supervisor, const struct service *service,
    const struct pool *pool)
{
	struct control_workers count = control_status_workers(supervisor, service);
	bool leased = pool_is_leased(pool);

	json_object_set_new(json, "workers_busy", number_or_null(leased, count.busy));
	json_object_set_new(json, "workers_idle", number_or_null(leased, count.idle));
	json_object_set_new(json, "workers_ready", json_integer(count.busy + count.idle));
	json_object_set_new(json, "workers_starting", json_integer(count.starting));
	json_object_set_new(json, "workers_stopping", json_integer(count.stopping));
	json_object_set_new(json, "workers_target", json_integer(pool->strength.target));
	json_object_set_new(json, "workers_max", json_integer(control_status_max(pool)));
	json_object_set_new(json, "scaled_by_hand",
	    json_boolean(pool->strength.by_hand != 0));
	json_object_set_new(json, "memory_bytes", json_integer((json_int_t)count.memory));
	json_object_set_new(json, "cpu_seconds", json_real((double)count.cpu_us / 1e6));
}

/* Microseconds are as exact as it is known; below 0: it is not. */
static json_t *
real_or_null(double value)
{
	return value < 0 ? json_null() : json_real(round(value * 1e6) / 1e6);
}

static json_t *
count_or_null(int64_t count)
{
	return count < 0 ? json_null() : json_integer(count);
}

static json_t *
classes_json(const struct stats_service *place)
{
	static const char *const names[STATS_CLASSES] = { "none", "1xx", "2xx", "3xx",
		"4xx", "5xx" };
	json_t *json;

	if (place == NULL)
		return json_null();
	json = json_object();
	for (unsigned i = 0; i < STATS_CLASSES; i++)
		json_object_set_new(json, names[i],
		    number_or_null(true, stats_get(&place->classes[i])));
	return json;
}

/* The oldest second first; those before poold knew the service are null. */
static json_t *
history_json(const struct service *service)
{
	json_t *rate = json_array(), *p50 = json_array(), *p99 = json_array(),
	       *errors = json_array(), *queue = json_array();

	for (unsigned age = FIGURES_SECONDS; age-- > 0;) {
		struct figures_second second = figures_second(service, age);

		json_array_append_new(rate, real_or_null((double)second.rate));
		json_array_append_new(p50, real_or_null((double)second.p50));
		json_array_append_new(p99, real_or_null((double)second.p99));
		json_array_append_new(errors, count_or_null(second.errors));
		json_array_append_new(queue, count_or_null(second.queued));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "rate", rate, "p50", p50, "p99",
	    p99, "errors", errors, "queue", queue);
}

/* What the router counts. */
static void
add_figures(json_t *json, const struct supervisor *supervisor,
    const struct service *service, bool history)
{
	const struct stats_service *place = figures_of(supervisor, service);
	struct figures_minute minute = figures_last_minute(supervisor, service);

	json_object_set_new(json, "requests_per_second", real_or_null(minute.rate));
	json_object_set_new(json, "p50_seconds", real_or_null(minute.p50));
	json_object_set_new(json, "p99_seconds", real_or_null(minute.p99));
	json_object_set_new(json, "in_flight",
	    number_or_null(place != NULL, place ? stats_get(&place->in_flight) : 0));
	json_object_set_new(json, "refusals",
	    number_or_null(place != NULL, place ? figures_refused(place) : 0));
	json_object_set_new(json, "retries",
	    number_or_null(place != NULL,
		place ? stats_get(&place->retried) + stats_get(&place->replayed) : 0));
	json_object_set_new(json, "status_classes", classes_json(place));
	if (history)
		json_object_set_new(json, "history",
		    place != NULL ? history_json(service) : json_null());
}

static void
add_counters(json_t *json, struct service *service, bool leased)
{
	struct tally_counts counts = tally_service(service);

	json_object_set_new(json, "requests", number_or_null(leased, counts.requests));
	json_object_set_new(json, "errors", number_or_null(leased, counts.errors));
	json_object_set_new(json, "response_bytes", number_or_null(leased, counts.bytes));
	json_object_set_new(json, "restarts",
	    json_integer((json_int_t)service->tally.restarts));
}

static json_t *
service_json(struct supervisor *supervisor, struct service *service, bool history)
{
	static const char *const breakers[ROLE_BREAKER_STATES] = { "closed", "open",
		"half-open" };
	static const char *const scalings[] = { "static", "dynamic", "ondemand" };
	struct pool *pool = control_status_pool(service);
	json_t *json;
	bool leased;

	if (pool == NULL)
		return NULL;
	leased = pool_is_leased(pool);
	json = json_pack("{s:o, s:s, s:s, s:s, s:i, s:b}", "service",
	    json_text(service->name), "state", control_status_state(service), "mode",
	    leased ? "lease" : "inherit", "scaling", scalings[pool->config->scaling],
	    "generation", (int)pool->number, "drained", service->drained);
	if (json == NULL)
		return NULL;
	add_workers(json, supervisor, service, pool);
	json_object_set_new(json, "queued",
	    number_or_null(!leased || supervisor->control.answered, load_queued(pool)));
	json_object_set_new(json, "queue_limit",
	    number_or_null(leased, (uint64_t)pool->config->queue_limit));
	add_counters(json, service, leased);
	add_figures(json, supervisor, service, history);
	control_about_service(json, supervisor, pool->config);
	json_object_set_new(json, "breaker",
	    leased && pool->config->breaker ? json_string(breakers[service->breaker]) :
					      json_null());
	return json;
}

/* --- a worker ---------------------------------------------------------- */

static json_t *
request_seconds(const struct worker *worker)
{
	const struct lease_worker *slot;

	if (!load_is_busy(worker))
		return json_null();
	slot = lease_worker_at(&worker->pool->board, worker->slot);
	return json_real(seconds_since(atomic_load(&slot->started_ns)));
}

/* Of the last answer of the router, if it was about this very request. */
static const struct worker_request *
request_of(const struct supervisor *supervisor, const struct worker *worker)
{
	const struct control *control = &supervisor->control;

	if (!control->answered || worker->request.query != control->query ||
	    !load_is_busy(worker))
		return NULL;
	return &worker->request;
}

static void
add_request(json_t *json, const struct supervisor *supervisor,
    const struct worker *worker)
{
	const struct worker_request *request = request_of(supervisor, worker);
	char id[2 * sizeof(request->id) + 1];

	if (request != NULL)
		util_hex(request->id, sizeof(request->id), id);
	json_object_set_new(json, "request",
	    json_text(request != NULL ? request->line : NULL));
	json_object_set_new(json, "request_id", json_text(request != NULL ? id : NULL));
	json_object_set_new(json, "request_seconds", request_seconds(worker));
}

static const char *
worker_word(const struct worker *worker)
{
	if (worker_is_going(worker) && pool_is_leased(worker->pool))
		return load_is_busy(worker) ? "busy" : "idle";
	return worker_state_name(worker->state);
}

static json_t *
worker_json(struct supervisor *supervisor, struct worker *worker)
{
	const struct usage *usage = usage_look(&supervisor->usage, &worker->usage,
	    worker->pid);
	struct tally_counts counts = tally_worker(worker);
	bool leased = pool_is_leased(worker->pool), there = worker->pid != 0;
	json_t *json = json_pack("{s:i, s:i, s:o, s:s}", "slot", (int)worker->slot,
	    "generation", (int)worker->pool->number, "pid",
	    number_or_null(there, (uint64_t)worker->pid), "state", worker_word(worker));

	if (json == NULL)
		return NULL;
	add_request(json, supervisor, worker);
	json_object_set_new(json, "requests", number_or_null(leased, counts.requests));
	json_object_set_new(json, "errors", number_or_null(leased, counts.errors));
	json_object_set_new(json, "memory_bytes",
	    number_or_null(usage->looked_ns != 0, usage->memory));
	json_object_set_new(json, "cpu_seconds",
	    usage->looked_ns != 0 ? json_real((double)usage->cpu_us / 1e6) : json_null());
	json_object_set_new(json, "uptime_seconds",
	    there ? json_real(seconds_since(worker->spawned_ns)) : json_null());
	json_object_set_new(json, "last_exit",
	    worker->last_exit[0] != '\0' ? json_text(worker->last_exit) : json_null());
	json_object_set_new(json, "last_exit_seconds",
	    worker->last_exit_ns != 0 ? json_real(seconds_since(worker->last_exit_ns)) :
					json_null());
	return json;
}

static json_t *
workers_json(struct supervisor *supervisor, const struct service *service)
{
	json_t *workers = json_array();
	struct pool *pool;

	TAILQ_FOREACH (pool, &service->pools, entry)
		for (uint32_t i = 0; i < pool->worker_count; i++)
			if (pool->workers[i].state != WORKER_EMPTY)
				json_array_append_new(workers,
				    worker_json(supervisor, &pool->workers[i]));
	return workers;
}

/* The process that workers are forked from; null where there is none. */
static json_t *
template_json(struct supervisor *supervisor, const struct service *service)
{
	struct pool *pool = control_status_pool(service);
	struct template *template = &pool->template;
	const struct usage *usage;

	if (template->pid == 0)
		return json_null();
	usage = usage_look(&supervisor->usage, &template->usage, template->pid);
	return json_pack("{s:i, s:s, s:o, s:f}", "pid", (int)template->pid, "state",
	    template_state_name(template->state), "memory_bytes",
	    number_or_null(usage->looked_ns != 0, usage->memory), "uptime_seconds",
	    seconds_since(template->spawned_ns));
}

json_t *
control_status_service(struct supervisor *supervisor, struct service *service,
    struct control_wanted wanted)
{
	json_t *json;

	usage_begin(&supervisor->usage);
	json = service_json(supervisor, service, wanted.history);
	if (json == NULL)
		return NULL;
	json_object_set_new(json, "ok", json_true());
	json_object_set_new(json, "workers", workers_json(supervisor, service));
	json_object_set_new(json, "template", template_json(supervisor, service));
	return json;
}

/* --- all --------------------------------------------------------------- */

static json_t *
poold_json(struct supervisor *supervisor)
{
	static const char *const phases[] = { "serving", "draining", "stopping" };
	const struct control *control = &supervisor->control;

	return json_pack("{s:s, s:i, s:f, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:I}",
	    "version", PACKAGE_VERSION, "pid", (int)getpid(), "uptime_seconds",
	    seconds_since(supervisor->started_ns), "phase", phases[supervisor->phase],
	    "config_file", json_text(supervisor->config_file), "reloading",
	    supervisor->reload != NULL, "reload_error", json_text(control->failure),
	    "router_pid",
	    number_or_null(supervisor->link.process.pid != 0,
		(uint64_t)supervisor->link.process.pid),
	    "connections", number_or_null(control->answered, control->connections),
	    "logger_pid",
	    number_or_null(supervisor->logger.process.pid != 0,
		(uint64_t)supervisor->logger.process.pid),
	    "log_lines_dropped", (json_int_t)logs_dropped(supervisor));
}

json_t *
control_status(struct supervisor *supervisor, struct control_wanted wanted)
{
	json_t *services = json_array(), *json;
	struct service *service;

	usage_begin(&supervisor->usage);
	TAILQ_FOREACH (service, &supervisor->services, entry) {
		if ((json = service_json(supervisor, service, wanted.history)) == NULL)
			continue;
		if (wanted.workers)
			json_object_set_new(json, "workers",
			    workers_json(supervisor, service));
		json_array_append_new(services, json);
	}
	return json_pack("{s:b, s:o, s:o, s:o}", "ok", 1, "poold", poold_json(supervisor),
	    "listeners", control_about_listeners(supervisor), "services", services);
}

/* --- check ------------------------------------------------------------- */

enum { FINE, WARNING, CRITICAL };

struct check_list {
	json_t *problems;
	int worst;
};

static void
problem(struct check_list *list, int severity, const char *service, const char *what)
{
	if (severity > list->worst)
		list->worst = severity;
	json_array_append_new(list->problems,
	    json_pack("{s:s, s:o, s:o}", "severity",
		severity == CRITICAL ? "critical" : "warning", "service",
		json_text(service), "problem", json_text(what)));
}

static void
check_service(struct check_list *list, const struct service *service)
{
	static const struct {
		const char *state, *what;
		int severity;
	} states[] = {
		{ "failing", "the circuit breaker is open", CRITICAL },
		{ "down", "no worker is ready", CRITICAL },
		{ "starting", "no worker is ready yet", WARNING },
		{ "degraded", "fewer workers are ready than there should be", WARNING },
		{ "drained", "it is drained", WARNING },
	};
	const char *state = control_status_state(service);

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(state, states[i].state) == 0)
			problem(list, states[i].severity, service->name, states[i].what);
	if (service->breaker == ROLE_BREAKER_HALF_OPEN)
		problem(list, WARNING, service->name, "the circuit breaker is half-open");
}

json_t *
control_status_check(struct supervisor *supervisor)
{
	static const char *const words[] = { "ok", "warning", "critical" };
	struct check_list list = { .problems = json_array() };
	struct service *service;

	if (supervisor->phase != SUPERVISOR_SERVING)
		problem(&list, CRITICAL, NULL, "poold stops");
	else if (supervisor->link.process.pid == 0)
		problem(&list, CRITICAL, NULL, "the router does not run");
	else if (!supervisor->control.answered)
		problem(&list, CRITICAL, NULL, "the router does not answer");
	if (supervisor->control.failure != NULL)
		problem(&list, WARNING, NULL, "the last reload failed");
	TAILQ_FOREACH (service, &supervisor->services, entry)
		check_service(&list, service);
	return json_pack("{s:b, s:s, s:i, s:o}", "ok", 1, "status", words[list.worst],
	    "code", list.worst, "problems", list.problems);
}
