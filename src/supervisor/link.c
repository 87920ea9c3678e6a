/* SPDX-License-Identifier: ISC */
#include "supervisor/link.h"

#include <string.h>

#include "common/util.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"
#include "supervisor/trouble.h"
#include "supervisor/upgrade.h"

void
link_send(struct link *link, const void *msg, size_t len, const int *fds, int count)
{
	channel_send(&link->process.channel, msg, len, fds, count);
}

static void
send_id(struct link *link, uint32_t type, uint32_t id)
{
	struct role_id role = { .type = type, .id = id };

	link_send(link, &role, sizeof(role), NULL, 0);
}

/* --- what it has to know ----------------------------------------------- */

static void
send_start(struct link *link)
{
	struct role_start role = { .type = ROLE_START,
		.epoch = link->epoch,
		.log_level = link->supervisor->logs.level,
		.taking = link->old.serves };

	link_send(link, &role, sizeof(role), NULL, 0);
}

void
link_tell_logs(struct link *link)
{
	send_id(link, ROLE_LOGS, link->supervisor->logs.level);
	access_targets_tell(link);
}

static void
send_listener(struct link *link, const struct listener *listener, bool is_new)
{
	struct role_listener role = { .type = ROLE_LISTENER,
		.id = listener->id,
		.port = listener->address.port,
		.is_unix = listener->address.kind == CONFIG_ADDRESS_UNIX,
		.stats_index = figures_listener_index(link->supervisor, listener),
		.settings = listener->settings };

	strlcpy(role.name, listener->name, sizeof(role.name));
	link_send(link, &role, sizeof(role), &listener->fd, is_new ? 1 : 0);
}

/* Behind START, which says whether it is to count already. */
static void
send_stats(struct link *link)
{
	struct role_id role = { .type = ROLE_STATS };
	int fd = link->supervisor->figures.fd;

	if (fd != -1)
		link_send(link, &role, sizeof(role), &fd, 1);
}

void
link_add_listener(struct link *link, const struct listener *listener)
{
	send_listener(link, listener, true);
}

void
link_update_listener(struct link *link, const struct listener *listener)
{
	send_listener(link, listener, false);
}

void
link_remove_listener(struct link *link, const struct listener *listener)
{
	send_id(link, ROLE_UNLISTEN, listener->id);
}

void
link_tell_worker(struct link *link, const struct worker *worker, uint32_t type)
{
	struct role_worker role = { .type = type,
		.generation = worker->pool->id,
		.worker = worker->slot,
		.pid = worker->pid,
		.timed_out = worker->timed_out };

	link_send(link, &role, sizeof(role), &worker->rest_fd,
	    type == ROLE_READY && worker->rest_fd != -1 ? 1 : 0);
}

static struct breaker_settings
breaker_of(const struct config_service *config)
{
	return (struct breaker_settings){
		.is_on = config->breaker,
		.failures = (uint32_t)config->breaker_failures,
		.requests = (uint32_t)config->breaker_requests,
		.status = (uint32_t)config->breaker_status,
		.trials = (uint32_t)config->breaker_trials,
		.window_ns = (uint64_t)config->breaker_window_ms * MS_NS,
		.time_ns = (uint64_t)config->breaker_time_ms * MS_NS,
		.max_time_ns = (uint64_t)config->breaker_max_time_ms * MS_NS,
	};
}

static struct service_settings
settings_of(const struct config_service *config)
{
	return (struct service_settings){
		.concurrency = (uint32_t)config->concurrency,
		.queue_limit = (uint32_t)config->queue_limit,
		.queue_timeout_ns = (uint64_t)config->queue_timeout_ms * MS_NS,
		.request_timeout_ns = (uint64_t)config->request_timeout_ms * MS_NS,
		.slow_threshold_ns = (uint64_t)config->slow_threshold_ms * MS_NS,
		.client_timeout_ns = (uint64_t)config->client_timeout_ms * MS_NS,
		.body_timeout_ns = (uint64_t)config->body_timeout_ms * MS_NS,
		.body_min_rate = (uint64_t)config->body_min_rate,
		.body_buffer = (uint64_t)config->body_buffer,
		.max_body = (uint64_t)config->max_body,
		.retries = (uint32_t)config->retries,
		.tell_load = config->scaling != CONFIG_SCALING_STATIC,
		.on_demand = config_starts_on_demand(config),
		.breaker = breaker_of(config),
		.outlier_failures = (uint32_t)config->outlier_failures,
		.server_timing = config->server_timing,
	};
}

void
link_add_pool(struct link *link, struct pool *pool)
{
	struct role_generation role = { .type = ROLE_GENERATION,
		.id = pool->id,
		.settings = settings_of(pool->config),
		.layout = pool->board.layout };
	int fds[] = { pool->queue[POOL_ROUTER_END], pool->done[POOL_ROUTER_END],
		pool->board_fd };

	if (!pool_is_leased(pool))
		return;
	figures_assign(link->supervisor, pool->service);
	role.stats_index = pool->service->figures.index;
	role.stats_serial = pool->service->figures.serial;
	strlcpy(role.service, pool->service->name, sizeof(role.service));
	link_send(link, &role, sizeof(role), fds, 3);
	/* also when not: it may remember an earlier service of this name */
	link_tell_drained(link, pool->service);
}

void
link_tell_drained(struct link *link, const struct service *service)
{
	struct role_drained role = { .type = ROLE_DRAINED_SERVICE,
		.drained = service->drained };

	strlcpy(role.service, service->name, sizeof(role.service));
	link_send(link, &role, sizeof(role), NULL, 0);
}

static void
send_route(struct link *link, const struct pool *pool, const struct listener *listener,
    const struct config_route *route)
{
	char buf[sizeof(struct role_route) + ROLE_TEXT_MAX];
	struct role_route role = { .type = ROLE_ROUTE,
		.generation = pool->id,
		.listener = listener->id,
		.host_len = (uint16_t)strlen(route->host),
		.prefix_len = (uint16_t)strlen(route->prefix),
		/* one that is not shared gets all, whatever its weight */
		.weight = route->weight == CONFIG_WEIGHT_NONE ? 1 :
								(uint32_t)route->weight };

	/* lines of the configuration are much shorter */
	if ((size_t)role.host_len + role.prefix_len > ROLE_TEXT_MAX)
		return;
	memcpy(buf, &role, sizeof(role));
	memcpy(buf + sizeof(role), route->host, role.host_len);
	memcpy(buf + sizeof(role) + role.host_len, route->prefix, role.prefix_len);
	link_send(link, buf, sizeof(role) + role.host_len + role.prefix_len, NULL, 0);
}

/* The routes as the configuration in force has them: an unchanged pool may
 * come from an older one, with the same routes on other listeners. */
static void
send_routes(struct link *link, const struct pool *pool,
    const struct config_service *service)
{
	const struct config *config = link->supervisor->plan->config;
	struct config_string *name;
	struct config_route *route;
	struct listener *listener;

	TAILQ_FOREACH (name, &service->listen, entry) {
		listener = listener_by_address(&link->supervisor->listeners,
		    config_listen_find(config, name->value)->address);
		TAILQ_FOREACH (route, &service->routes, entry)
			send_route(link, pool, listener, route);
	}
}

static void
send_limits(struct link *link)
{
	const struct config *config = link->supervisor->plan->config;
	struct role_limits role = {
		.type = ROLE_LIMITS,
		.connections = (uint32_t)config->max_connections,
		.connections_per_address = (uint32_t)config->max_connections_per_address
	};

	link_send(link, &role, sizeof(role), NULL, 0);
}

static void
send_trace(struct link *link)
{
	const struct config *config = link->supervisor->plan->config;
	struct role_trace role = { .type = ROLE_TRACE,
		.sample = (uint32_t)config->trace_sample,
		.export = access_targets_spans(link) };

	link_send(link, &role, sizeof(role), NULL, 0);
}

void
link_commit(struct link *link)
{
	struct config_service *config;
	struct service *service;

	send_limits(link);
	access_targets_tell(link);
	send_trace(link);
	TAILQ_FOREACH (config, &link->supervisor->plan->config->services, entry) {
		service = service_find(&link->supervisor->services, config->name);
		if (service != NULL && service->current != NULL &&
		    pool_is_leased(service->current))
			send_routes(link, service->current, config);
	}
	access_rules_tell(link);
	send_id(link, ROLE_COMMIT, ++link->version);
}

void
link_drain(struct link *link)
{
	send_id(link, ROLE_DRAIN, 0);
}

/* A pool with its workers, as they are now. */
static void
send_pool(struct link *link, struct pool *pool)
{
	link_add_pool(link, pool);
	for (uint32_t i = 0; i < pool->worker_count; i++) {
		struct worker *worker = &pool->workers[i];

		if (worker->pid == 0)
			continue;
		if (worker_is_going(worker) || worker->state == WORKER_STOPPING ||
		    worker->state == WORKER_KILLED)
			link_tell_worker(link, worker, ROLE_READY);
		if (worker->state == WORKER_STOPPING || worker->state == WORKER_KILLED)
			link_tell_worker(link, worker, ROLE_LEAVING);
	}
	if (pool->sharing)
		send_id(link, ROLE_SHARE, pool->id);
}

/* What something is done about, and not told as a table. */
static void
send_questions(struct link *link, struct pool *pool)
{
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].state == WORKER_LOST)
			link_tell_worker(link, &pool->workers[i], ROLE_GONE);
	trouble_tell(pool);
	if (pool->state == POOL_RETIRING)
		send_id(link, ROLE_RETIRE, pool->id);
}

static void
send_everything(struct link *link)
{
	struct supervisor *supervisor = link->supervisor;
	struct listener *listener;
	struct service *service;
	struct pool *pool;

	if (!link->old.serves)
		trouble_forget_breakers(supervisor);
	send_start(link);
	send_stats(link);
	TAILQ_FOREACH (service, &supervisor->services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			if (pool_is_leased(pool)) {
				/* what waited at the old one is gone */
				strength_forget_queue(pool);
				send_pool(link, pool);
			}
	link_commit(link);
	/* late, so that the first request finds its route */
	TAILQ_FOREACH (listener, &supervisor->listeners, entry)
		if (listener->routed && !listener->fresh)
			link_add_listener(link, listener);
	if (link->old.serves)
		link_old_hand_over(link);
	TAILQ_FOREACH (service, &supervisor->services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			if (pool_is_leased(pool))
				send_questions(link, pool);
	if (supervisor->phase != SUPERVISOR_SERVING)
		link_drain(link);
}

/* --- the process ------------------------------------------------------- */

static void
on_start(void *owner)
{
	struct link *link = owner;

	link->epoch++;
	send_everything(link);
}

static void
on_exit_event(void *owner, pid_t pid, const siginfo_t *info)
{
	struct link *link = owner;

	if (link->stopping) {
		stop_check(link->supervisor);
		return;
	}
	link->deaths++;
	event_tell(link->supervisor, "router_died", NULL, "s:i", "pid", (int)pid);
	role_process_replace(&link->process, pid, info,
	    link_old_serves_on(link) ? "the old one serves on; trying again" :
				       "starting another");
	upgrade_check(link->supervisor);
}

void
link_init(struct link *link, struct supervisor *supervisor)
{
	link->supervisor = supervisor;
	role_process_init(&link->process, supervisor, "router");
	link->process.on_start = on_start;
	link->process.on_msg = link_said;
	link->process.on_exit = on_exit_event;
	link->process.owner = link;
	link_old_init(link);
}

void
link_serving_router(const struct link *link, int *pid, int *channel)
{
	bool old = link->old.serves;

	*pid = (int)(old ? link->old.pid : link->process.pid);
	*channel = old ? link->old.channel : link->process.channel.io.fd;
	if (*pid == 0 || *channel == -1) {
		*pid = 0;
		*channel = -1;
	}
}

bool
link_is_changing(const struct link *link)
{
	return link->old.serves && link->process.pid != 0;
}

void
link_start(struct link *link)
{
	role_process_start(&link->process);
}

void
link_stop(struct link *link, bool by_force)
{
	link->stopping = true;
	loop_timer_clear(&link->supervisor->loop, &link->process.restart_timer);
	if (by_force)
		role_process_kill(&link->process);
	channel_close(&link->process.channel);
	link_old_stop(link, by_force);
	/* nobody is left to settle the leases of those that died */
	service_workers_event(&link->supervisor->services, WORKER_ON_SETTLED);
}
