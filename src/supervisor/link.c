/* SPDX-License-Identifier: ISC */
#include "supervisor/link.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/spawn.h"
#include "supervisor/role_process.h"
#include "supervisor/supervisor.h"
#include "supervisor/trouble.h"
#include "supervisor/upgrade.h"

#define YOUNG_NS	(1000 * MS_NS)
#define BACK_OFF_MIN_NS (50 * MS_NS)
#define BACK_OFF_MAX_NS (5000 * MS_NS)

static void
send_msg(struct link *link, const void *role, size_t len, const int *fds, int count)
{
	channel_send(&link->channel, role, len, fds, count);
}

static void
send_id(struct link *link, uint32_t type, uint32_t id)
{
	struct role_id role = { .type = type, .id = id };

	send_msg(link, &role, sizeof(role), NULL, 0);
}

/* --- what it has to know ----------------------------------------------- */

static void
send_start(struct link *link)
{
	struct role_start role = { .type = ROLE_START,
		.epoch = link->epoch,
		.log_level = link->supervisor->logs.level,
		.taking = link->old.serves };

	send_msg(link, &role, sizeof(role), NULL, 0);
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
	send_msg(link, &role, sizeof(role), &listener->fd, is_new ? 1 : 0);
}

/* Behind START, which says whether it is to count already. */
static void
send_stats(struct link *link)
{
	struct role_id role = { .type = ROLE_STATS };
	int fd = link->supervisor->figures.fd;

	if (fd != -1)
		send_msg(link, &role, sizeof(role), &fd, 1);
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

static void
send_worker(struct link *link, const struct worker *worker, uint32_t type)
{
	struct role_worker role = { .type = type,
		.generation = worker->pool->id,
		.worker = worker->slot,
		.pid = worker->pid,
		.timed_out = worker->timed_out };

	send_msg(link, &role, sizeof(role), &worker->rest_fd,
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
	send_msg(link, &role, sizeof(role), fds, 3);
	/* also when not: it may remember an earlier service of this name */
	link_tell_drained(link, pool->service);
}

void
link_tell_drained(struct link *link, const struct service *service)
{
	struct role_drained role = { .type = ROLE_DRAINED_SERVICE,
		.drained = service->drained };

	strlcpy(role.service, service->name, sizeof(role.service));
	send_msg(link, &role, sizeof(role), NULL, 0);
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
	send_msg(link, buf, sizeof(role) + role.host_len + role.prefix_len, NULL, 0);
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

	send_msg(link, &role, sizeof(role), NULL, 0);
}

static void
send_trace(struct link *link)
{
	const struct config *config = link->supervisor->plan->config;
	struct role_trace role = { .type = ROLE_TRACE,
		.sample = (uint32_t)config->trace_sample,
		.export = access_targets_spans(link) };

	send_msg(link, &role, sizeof(role), NULL, 0);
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
			send_worker(link, worker, ROLE_READY);
		if (worker->state == WORKER_STOPPING || worker->state == WORKER_KILLED)
			send_worker(link, worker, ROLE_LEAVING);
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
			send_worker(link, &pool->workers[i], ROLE_GONE);
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

/* --- what it says ------------------------------------------------------ */

static void
on_gone_seen(struct link *link, const struct role_worker *role)
{
	struct pool *pool = service_find_pool(&link->supervisor->services,
	    role->generation);

	if (pool != NULL && role->worker < pool->worker_count)
		worker_event(&pool->workers[role->worker], WORKER_ON_SETTLED);
}

static void
on_kill(struct link *link, const struct role_kill *role)
{
	struct worker *worker = service_find_worker(&link->supervisor->services,
	    role->pid);

	/* only a worker of the very generation that the message came from */
	if (worker == NULL || worker->pool->id != role->generation)
		return;
	log_warn("service %s: worker %u (pid %d) broke the lease contract",
	    worker->pool->service->name, worker->slot, (int)role->pid);
	worker->reason = TALLY_CONTRACT;
	worker_event(worker, WORKER_ON_KILL);
}

static void
on_stuck(struct link *link, const struct role_stuck *role, size_t len)
{
	struct worker *worker = service_find_worker(&link->supervisor->services,
	    role->pid);

	if (len != sizeof(*role) + role->line_len || worker == NULL ||
	    worker->pool->id != role->generation || worker->slot != role->worker)
		return;
	if (role->type == ROLE_SLOW)
		stuck_slow(worker, role);
	else
		stuck_report(worker, role);
}

static void
on_load(struct link *link, const struct role_load *role)
{
	struct pool *pool = service_find_pool(&link->supervisor->services,
	    role->generation);

	/* the queue is the service's: of two generations, who serves has it */
	if (pool != NULL &&
	    (pool->service->current == NULL || pool->service->current == pool))
		strength_report(pool, role->queued);
}

static void
on_answer(struct link *link, const struct role_answer *role)
{
	control_answered(&link->supervisor->control, role->id, role->connections);
}

/* What a worker does, in an answer that is under way. */
static void
on_request(struct link *link, const struct role_request *role, size_t len)
{
	struct worker *worker = service_find_worker(&link->supervisor->services,
	    role->pid);
	struct worker_request *request;

	if (worker == NULL || worker->pool->id != role->generation ||
	    worker->slot != role->worker || role->line_len > ROLE_REQUEST_MAX ||
	    len != sizeof(*role) + role->line_len)
		return;
	request = &worker->request;
	if (request->query == role->query)
		return; /* of several the oldest, which comes first */
	request->query = role->query;
	request->serial = role->serial;
	memcpy(request->id, role->request_id, sizeof(request->id));
	memcpy(request->line, role->line, role->line_len);
	request->line[role->line_len] = '\0';
	for (char *p = request->line; *p != '\0'; p++) /* a client may send anything */
		if (*p < ' ' || *p >= 0x7f)
			*p = '?';
}

static void
on_outlier(struct link *link, const struct role_outlier *role)
{
	struct worker *worker = service_find_worker(&link->supervisor->services,
	    role->pid);

	if (worker == NULL || worker->pool->id != role->generation ||
	    worker->state != WORKER_RUNNING)
		return;
	log_warn("service %s: worker %u (pid %d) answered %u requests in a row with 5xx; "
		 "it is recycled",
	    worker->pool->service->name, worker->slot, (int)role->pid, role->failures);
	worker->reason = TALLY_OUTLIER;
	worker_event(worker, WORKER_ON_RECYCLE);
}

static void
on_retired(struct link *link, const struct role_id *role)
{
	struct pool *pool = service_find_pool(&link->supervisor->services, role->id);

	if (pool != NULL)
		pool_event(pool, POOL_ON_RETIRED);
}

static void
on_msg(void *owner, const void *buf, size_t len, const int *fds, int fd_count)
{
	struct link *link = owner;
	const struct role_id *role = buf;

	for (int i = 0; i < fd_count; i++)
		close(fds[i]); /* the router sends none */
	if (len < sizeof(*role))
		return;
	if (role->type == ROLE_GONE_SEEN && len == sizeof(struct role_worker))
		on_gone_seen(link, buf);
	else if (role->type == ROLE_KILL && len == sizeof(struct role_kill))
		on_kill(link, buf);
	else if ((role->type == ROLE_STUCK || role->type == ROLE_SLOW) &&
	    len >= sizeof(struct role_stuck))
		on_stuck(link, buf, len);
	else if (role->type == ROLE_LOAD && len == sizeof(struct role_load))
		on_load(link, buf);
	else if (role->type == ROLE_ANSWER && len == sizeof(struct role_answer))
		on_answer(link, buf);
	else if (role->type == ROLE_REQUEST && len >= sizeof(struct role_request))
		on_request(link, buf, len);
	else if (role->type == ROLE_BREAKER && len == sizeof(struct role_breaker))
		trouble_on_breaker(link->supervisor, buf);
	else if (role->type == ROLE_OUTLIER && len == sizeof(struct role_outlier))
		on_outlier(link, buf);
	else if (role->type == ROLE_RETIRED)
		on_retired(link, role);
	else if (role->type == ROLE_DRAINED)
		supervisor_drained(link->supervisor);
	else if (role->type == ROLE_TAKEN)
		link_old_taken(link, role->id);
}

static void
on_end(void *owner)
{
	struct link *link = owner;

	channel_close(&link->channel); /* its pidfd says the rest */
}

/* --- the process ------------------------------------------------------- */

static void
close_io(struct link *link, struct loop_io *io)
{
	if (io->fd == -1)
		return;
	loop_io_remove(&link->supervisor->loop, io);
	close(io->fd);
	io->fd = -1;
}

static void
on_failure(void *owner, uint32_t events)
{
	struct link *link = owner;
	struct spawn_failure failure;

	(void)events;
	if (read(link->failure.fd, &failure, sizeof(failure)) == sizeof(failure)) {
		failure.step[sizeof(failure.step) - 1] = '\0';
		log_error("cannot start the router: %s: %s", failure.step,
		    strerror(failure.error));
	}
	close_io(link, &link->failure);
}

static void
schedule_restart(struct link *link)
{
	uint64_t wait_ns = BACK_OFF_MIN_NS;

	if (++link->failures == 1) {
		link_start(link);
		return;
	}
	for (unsigned i = 2; i < link->failures && wait_ns < BACK_OFF_MAX_NS; i++)
		wait_ns *= 2;
	loop_timer_set(&link->supervisor->loop, &link->restart_timer,
	    util_now_ns() + wait_ns);
}

static void
on_exit_event(void *owner, uint32_t events)
{
	struct link *link = owner;
	siginfo_t info = { 0 };
	pid_t pid = link->pid;

	(void)events;
	if (link->failure.fd != -1)
		on_failure(link, 0);
	waitid(P_PIDFD, (id_t)link->exit.fd, &info, WEXITED | WNOHANG);
	close_io(link, &link->exit);
	channel_close(&link->channel);
	link->pid = 0;
	if (link->stopping) {
		supervisor_stop_check(link->supervisor);
		return;
	}
	log_error("the router (pid %d) %s %d; %s", (int)pid,
	    info.si_code == CLD_EXITED ? "exited with status" : "was killed by signal",
	    info.si_status,
	    link_old_serves_on(link) ? "the old one serves on; trying again" :
				       "starting another");
	link->deaths++;
	event_tell(link->supervisor, "router_died", NULL, "s:i", "pid", (int)pid);
	if (util_now_ns() - link->started_ns >= YOUNG_NS)
		link->failures = 0;
	supervisor_reap_strangers(link->supervisor);
	schedule_restart(link);
	upgrade_check(link->supervisor);
}

static void
on_restart_timer(void *owner)
{
	struct link *link = owner;

	if (link->pid == 0 && !link->stopping)
		link_start(link);
}

void
link_init(struct link *link, struct supervisor *supervisor)
{
	link->supervisor = supervisor;
	link->channel.io.fd = -1;
	link->channel.on_msg = on_msg;
	link->channel.on_end = on_end;
	link->channel.owner = link;
	link->exit = (struct loop_io){ .fd = -1, .fn = on_exit_event, .owner = link };
	link->failure = (struct loop_io){ .fd = -1, .fn = on_failure, .owner = link };
	link->restart_timer.fn = on_restart_timer;
	link->restart_timer.owner = link;
	link_old_init(link);
}

void
link_serving_router(const struct link *link, int *pid, int *channel)
{
	bool old = link->old.serves;

	*pid = (int)(old ? link->old.pid : link->pid);
	*channel = old ? link->old.channel : link->channel.io.fd;
	if (*pid == 0 || *channel == -1) {
		*pid = 0;
		*channel = -1;
	}
}

bool
link_is_changing(const struct link *link)
{
	return link->old.serves && link->pid != 0;
}

void
link_start(struct link *link)
{
	struct loop *loop = &link->supervisor->loop;
	int ends[2];

	link->started_ns = util_now_ns();
	link->epoch++;
	if (msg_pair(ends) == -1) {
		log_error("cannot start the router: %s", strerror(errno));
		schedule_restart(link);
		return;
	}
	link->pid = role_process_start(link->supervisor, "router", ends[1],
	    &link->exit.fd, &link->failure.fd);
	if (link->pid == 0) {
		close(ends[0]);
		close(ends[1]);
		schedule_restart(link);
		return;
	}
	close(ends[1]);
	loop_io_add(loop, &link->exit, EPOLLIN);
	loop_io_add(loop, &link->failure, EPOLLIN);
	if (channel_open(&link->channel, loop, ends[0]) == -1)
		log_error("cannot watch the router: %s", strerror(errno));
	send_everything(link);
}

void
link_stop(struct link *link, bool by_force)
{
	link->stopping = true;
	loop_timer_clear(&link->supervisor->loop, &link->restart_timer);
	if (by_force && link->pid != 0)
		syscall(SYS_pidfd_send_signal, link->exit.fd, SIGKILL, NULL, 0);
	channel_close(&link->channel);
	link_old_stop(link, by_force);
	/* nobody is left to settle the leases of those that died */
	service_workers_event(&link->supervisor->services, WORKER_ON_SETTLED);
}
