/* SPDX-License-Identifier: ISC */
#include "router/router.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/roles.h"
#include "common/util.h"
#include "router/connection.h"
#include "router/generation.h"
#include "router/guard.h"
#include "router/handover.h"
#include "router/listener.h"
#include "router/main.h"
#include "router/request.h"
#include "router/service.h"
#include "router/settle.h"
#include "router/takeover.h"

#define TITLE_INTERVAL_NS (250 * MS_NS)
#define FLUSH_INTERVAL_NS (50 * MS_NS)
#define ORPHAN_TIMEOUT_NS (30000 * MS_NS) /* without a supervisor */

/* --- title, logs ------------------------------------------------------- */

static void
show_title(void *owner)
{
	struct router *router = owner;

	setproctitle("-poold: router (%u connection%s, %u queued%s)",
	    router->connection_count, router->connection_count == 1 ? "" : "s",
	    router->queued, router->draining ? ", draining" : "");
}

void
router_title_touch(struct router *router)
{
	if (!loop_timer_is_set(&router->title_timer))
		loop_timer_set(&router->loop, &router->title_timer,
		    router->loop.now_ns + TITLE_INTERVAL_NS);
}

static void
flush_logs(void *owner)
{
	struct router *router = owner;
	bool left;

	meter_publish(router);
	left = access_log_flush(&router->access_log);
	if (log_flush())
		left = true;
	if (left && !loop_timer_is_set(&router->flush_timer))
		loop_timer_set(&router->loop, &router->flush_timer,
		    util_now_ns() + FLUSH_INTERVAL_NS);
}

static void
on_flush_timer(void *owner)
{
	(void)owner; /* the wait that follows flushes */
}

/* --- draining ---------------------------------------------------------- */

void
router_drain_check(struct router *router)
{
	struct role_id role = { .type = ROLE_DRAINED };

	if (!router->draining || router->drained || router->connection_count > 0)
		return;
	router->drained = true;
	if (router->orphaned)
		loop_stop(&router->loop);
	else
		channel_send(&router->supervisor, &role, sizeof(role), NULL, 0);
}

static void
drain(struct router *router)
{
	struct listener *listener;
	struct connection *connection, *next;

	if (router->draining)
		return;
	TAILQ_FOREACH (listener, &router->listeners, entry)
		listener_drain(listener);
	router->draining = true;
	TAILQ_FOREACH_SAFE (connection, &router->connections, entry, next)
		connection_drain(connection);
	show_title(router);
	router_drain_check(router);
}

/* --- messages from the supervisor -------------------------------------- */

static void
commit(struct router *router, uint32_t version)
{
	struct role_id role = { .type = ROLE_COMMITTED, .id = version };
	struct service *service;

	route_sort(&router->staged);
	route_resume(&router->staged, &router->routes);
	route_clear(&router->routes);
	router->routes = router->staged;
	memset(&router->staged, 0, sizeof(router->staged));
	access_log_commit(router);
	TAILQ_FOREACH (service, &router->services, entry)
		service->routed = false;
	for (size_t i = 0; i < router->routes.count; i++) {
		struct generation *generation = router->routes.routes[i].generation;

		generation->service->routed = true;
		if (generation->service->generation != generation)
			service_switch(generation->service, generation);
	}
	channel_send(&router->supervisor, &role, sizeof(role), NULL, 0);
}

static void
add_route(struct router *router, const struct role_route *role, size_t len)
{
	struct generation *generation;

	if (len != sizeof(*role) + role->host_len + role->prefix_len)
		return;
	generation = generation_find(router, role->generation);
	if (generation != NULL)
		route_add(&router->staged, role->listener, role->text, role->host_len,
		    role->text + role->host_len, role->prefix_len, role->weight,
		    generation);
}

static void
start(struct router *router, const struct role_start *role)
{
	router->epoch = (uint16_t)role->epoch;
	router->taking = role->taking != 0;
	log_set_level((enum log_level)role->log_level);
}

static void
limit(struct router *router, const struct role_limits *role)
{
	router->max_connections = role->connections;
	router->max_per_address = role->connections_per_address;
	listeners_resume(router);
}

static void
set_trace(struct router *router, const struct role_trace *role)
{
	router->trace_sample = role->sample;
	access_log_export(&router->access_log, role->export);
}

static void
worker_gone(struct router *router, const struct role_worker *role)
{
	struct generation *generation = generation_find(router, role->generation);
	struct role_worker seen = *role;

	if (generation != NULL)
		generation_worker_gone(generation, role->worker, role->timed_out != 0);
	seen.type = ROLE_GONE_SEEN;
	channel_send(&router->supervisor, &seen, sizeof(seen), NULL, 0);
}

static void
worker_trouble(struct router *router, const struct role_trouble *role)
{
	struct generation *generation = generation_find(router, role->generation);

	if (generation != NULL)
		guard_trouble(generation, role);
}

/* By name: it is told of a service before its first generation serves. */
static void
drain_service(struct router *router, const struct role_drained *role, size_t len)
{
	struct role_drained copy;

	if (len != sizeof(copy))
		return;
	copy = *role;
	copy.service[sizeof(copy.service) - 1] = '\0';
	service_get(router, copy.service)->drained = copy.drained != 0;
}

static void
answer(struct router *router, const struct role_ask *ask, size_t len)
{
	struct role_answer role = { .type = ROLE_ANSWER,
		.id = ask->id,
		.connections = router->connection_count };
	const struct service *service;

	if (len != sizeof(*ask))
		return;
	TAILQ_FOREACH (service, &router->services, entry) {
		service_tell_queued(service);
		if (strncmp(service->name, ask->service, sizeof(ask->service)) == 0)
			settle_tell_requests(service, ask->id);
	}
	channel_send(&router->supervisor, &role, sizeof(role), NULL, 0);
}

static void
handle_worker(struct router *router, const struct role_worker *role, int rest_fd)
{
	struct generation *generation = generation_find(router, role->generation);

	if (role->type == ROLE_GONE)
		worker_gone(router, role);
	else if (generation == NULL) {
		if (rest_fd != -1)
			close(rest_fd);
	} else if (role->type == ROLE_READY)
		generation_worker_ready(generation, role->worker, role->pid, rest_fd);
	else
		generation_worker_leaving(generation, role->worker);
}

static void
handle_id(struct router *router, const struct role_id *role)
{
	struct generation *generation;

	switch (role->type) {
	case ROLE_UNLISTEN:
		listener_remove(router, role->id);
		break;
	case ROLE_COMMIT:
		commit(router, role->id);
		break;
	case ROLE_DRAIN:
		drain(router);
		break;
	case ROLE_RETIRE:
		if ((generation = generation_find(router, role->id)) != NULL)
			generation_retire(generation);
		break;
	case ROLE_SHARE:
		if ((generation = generation_find(router, role->id)) != NULL)
			service_share(generation->service, generation);
		break;
	case ROLE_UNSHARE:
		if ((generation = generation_find(router, role->id)) != NULL &&
		    generation->service->sharer == generation)
			service_share(generation->service, NULL);
		break;
	case ROLE_FORGET:
		if ((generation = generation_find(router, role->id)) != NULL)
			generation_forget(generation);
		break;
	default:
		break;
	}
}

static void
on_msg(void *owner, const void *buf, size_t len, const int *fds, int fd_count)
{
	struct router *router = owner;
	const struct role_id *role = buf; /* all messages begin alike */

	if (len < sizeof(*role))
		return;
	switch (role->type) {
	case ROLE_START:
		start(router, buf);
		break;
	case ROLE_STATS:
		if (fd_count == 1)
			meter_open(router, fds[0]);
		break;
	case ROLE_LISTENER:
		if (fd_count == 1)
			listener_add(router, buf, fds[0]);
		else
			listener_change(router, buf);
		break;
	case ROLE_LIMITS:
		limit(router, buf);
		break;
	case ROLE_TRACE:
		set_trace(router, buf);
		break;
	case ROLE_GENERATION:
		if (fd_count == 3)
			generation_new(router, buf, fds);
		break;
	case ROLE_ROUTE:
		add_route(router, buf, len);
		break;
	case ROLE_READY:
	case ROLE_LEAVING:
	case ROLE_GONE:
		handle_worker(router, buf, fd_count == 1 ? fds[0] : -1);
		break;
	case ROLE_ASK:
		answer(router, buf, len);
		break;
	case ROLE_TROUBLE:
		worker_trouble(router, buf);
		break;
	case ROLE_DRAINED_SERVICE:
		drain_service(router, buf, len);
		break;
	case ROLE_LOGS:
		log_set_level((enum log_level)role->id);
		break;
	case ROLE_ACCESS_DEST:
		if (fd_count == 1)
			access_log_add_dest(&router->access_log, role->id, fds[0]);
		break;
	case ROLE_ACCESS_RULE:
		access_log_add_rule(&router->access_log, buf, len);
		break;
	case ROLE_TAKE:
		if (fd_count == 1)
			takeover_begin(router, fds[0]);
		break;
	case ROLE_HANDOVER:
		if (fd_count == 1)
			handover_begin(router, fds[0]);
		break;
	default:
		handle_id(router, buf);
		break;
	}
}

static void
on_orphan_timer(void *owner)
{
	struct router *router = owner;

	log_warn("giving %u connections up", router->connection_count);
	loop_stop(&router->loop);
}

/* The supervisor is done with us, or died: then finish what is there. */
static void
on_end(void *owner)
{
	struct router *router = owner;

	channel_close(&router->supervisor);
	router->orphaned = true;
	if (router->drained) {
		loop_stop(&router->loop);
		return;
	}
	log_error("the supervisor is gone; finishing %u connections",
	    router->connection_count);
	loop_timer_set(&router->loop, &router->orphan_timer,
	    router->loop.now_ns + ORPHAN_TIMEOUT_NS);
	drain(router);
	router_drain_check(router);
}

/* --- start ------------------------------------------------------------- */

/* As many connections as the system allows. */
static void
raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static struct router *
router_new(void)
{
	struct router *router = util_alloc(sizeof(*router));

	TAILQ_INIT(&router->listeners);
	TAILQ_INIT(&router->generations);
	TAILQ_INIT(&router->services);
	TAILQ_INIT(&router->connections);
	TAILQ_INIT(&router->idle);
	RB_INIT(&router->addresses);
	router->max_connections = UINT32_MAX;
	access_log_init(&router->access_log);
	router->flush_timer.fn = on_flush_timer;
	router->flush_timer.owner = router;
	router->orphan_timer.fn = on_orphan_timer;
	router->orphan_timer.owner = router;
	router->title_timer.fn = show_title;
	router->title_timer.owner = router;
	router->supervisor.owner = router;
	router->supervisor.on_msg = on_msg;
	router->supervisor.on_end = on_end;
	return router;
}

/* Counters since the start, for people and for tests. */
static void
log_stats(const struct router *router)
{
	const struct router_stats *stats = &router->stats;
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{ "accepted", stats->accepted },
		{ "leases", stats->leases },
		{ "refusals", stats->refusals },
		{ "retried", stats->retried },
		{ "replayed", stats->replayed },
		{ "second_retry", stats->second_retry },
		{ "lost_502", stats->lost_502 },
		{ "lost_cut", stats->lost_cut },
		{ "lost_whole", stats->lost_whole },
		{ "kicks", stats->kicks },
		{ "forged", stats->forged },
		{ "adopted", stats->adopted },
		{ "slow_clients", stats->slow_clients },
		{ "timeouts", stats->timeouts },
		{ "slow_requests", stats->slow_requests },
		{ "evicted", stats->evicted },
		{ "turned_away", stats->turned_away },
		{ "breaker_opened", stats->breaker_opened },
		{ "breaker_refused", stats->breaker_refused },
		{ "rests", stats->rests },
		{ "out_of_step", stats->out_of_step },
		{ "wakeups", router->loop.wakeups },
	};
	char text[1024];
	size_t len = 0;

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %s=%llu",
		    counters[i].name, (unsigned long long)counters[i].value);
	log_info("counters:%s", text);
}

void
router_log_end(struct router *router)
{
	log_stats(router);
	meter_publish(router);
	access_log_flush(&router->access_log);
	log_flush();
}

/* The kernel would take it all back; checkers for leaks would not know. */
static void
router_free(struct router *router)
{
	struct connection *connection, *next;

	router->draining = router->drained = true;
	handover_cancel(router);
	takeover_cancel(router);
	TAILQ_FOREACH_SAFE (connection, &router->connections, entry, next) {
		if (connection->request != NULL && connection->state != CONNECTION_LEASED)
			request_free(connection->request);
		connection_close(connection);
	}
	generations_free(router);
	services_free(router);
	listeners_free(router);
	meter_close(router);
	route_clear(&router->routes);
	route_clear(&router->staged);
	channel_close(&router->supervisor);
	access_log_close(&router->access_log);
	loop_destroy(&router->loop);
	free(router);
	log_close();
}

int
router_main(void)
{
	struct router *router = router_new();

	log_open("router", STDERR_FILENO);
	signal(SIGPIPE, SIG_IGN);
	/* the end of the channel says the same, and later */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_NAME, "poold-router");
	/* a worker of the same user could take our descriptors otherwise */
	prctl(PR_SET_DUMPABLE, 0);
	raise_fd_limit();
	if (loop_init(&router->loop) == -1 ||
	    channel_open(&router->supervisor, &router->loop, ROLE_FD_CHANNEL) == -1) {
		log_error("cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	router->loop.before_wait = flush_logs;
	router->loop.before_wait_owner = router;
	show_title(router);
	loop_run(&router->loop);
	if (router->taking)
		_exit(router->status); /* nothing of it is ours */
	log_stats(router);
	router_free(router);
	return 0;
}
