/* SPDX-License-Identifier: ISC */
#include <bsd/libutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "supervisor/control_client.h"
#include "supervisor/fingerprint.h"
#include "supervisor/pool.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/supervisor.h"

static const struct record_table no_keys = { NULL, 0 };

static void
put(struct record_writer *writer, const char *section, const struct record_table *table,
    const void *object)
{
	record_begin(writer, section);
	record_put(writer, table, object);
}

/* All of a configuration, or of its services one alone. */
static char *
config_text(const struct config *config, const struct config_service *service)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	if (service == NULL)
		config_dump(config, out);
	else
		config_dump_service(config, service, out);
	fclose(out);
	return text;
}

static char *
groups_text(const struct config_account *account)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (int i = 0; i < account->group_count; i++)
		fprintf(out, "%s%lu", i > 0 ? " " : "",
		    (unsigned long)account->groups[i]);
	fclose(out);
	return text;
}

/* Whether the configuration in force says the same about the service: what else
 * an older one says must not be in the way of an upgrade. */
static bool
is_in_force(const struct pool *pool)
{
	const struct config *config = pool->supervisor->plan->config;
	const struct config_service *now = config_service_find(config,
	    pool->service->name);
	char *a, *b;
	bool same;

	if (pool->config == now)
		return true;
	if (now == NULL)
		return false;
	a = config_service_text(config, now);
	b = config_service_text(pool->plan->config, pool->config);
	same = a != NULL && b != NULL && strcmp(a, b) == 0;
	free(a);
	free(b);
	return same;
}

static void
save_pool(struct pool *pool, struct record_writer *writer)
{
	struct state_pool more = {
		.files = (char *)(uintptr_t)fingerprint_files(pool->fingerprint),
		.groups = groups_text(&pool->account),
		.current = pool->service->current == pool,
	};

	if (!is_in_force(pool))
		more.config = config_text(pool->plan->config, pool->config);
	put(writer, "pool", &state_pool_table, pool);
	record_put(writer, &state_pool_more_table, &more);
	free(more.config);
	free(more.groups);
	for (uint32_t i = 0; i < pool->worker_count; i++) {
		control_line_save(&pool->workers[i]);
		put(writer, "worker", &state_worker_table, &pool->workers[i]);
		control_line_clear(&pool->workers[i].line);
	}
}

static void
save_head(struct supervisor *supervisor, struct record_writer *writer)
{
	struct state_head head = {
		.format = STATE_FORMAT,
		.version = (char *)(uintptr_t)PACKAGE_VERSION,
		.config = config_text(supervisor->plan->config, NULL),
		.log_fd = log_fd() > STDERR_FILENO ? log_fd() : -1,
		.pid_fd = supervisor->pidfile != NULL ?
		    pidfile_fileno(supervisor->pidfile) :
		    -1,
		.fd_limit = spawn_fd_limit(),
		.logger_channel = -1,
	};

	link_serving_router(&supervisor->link, &head.router_pid, &head.router_channel);
	if (supervisor->logger.process.pid != 0 &&
	    supervisor->logger.process.channel.io.fd != -1) {
		head.logger_pid = (int)supervisor->logger.process.pid;
		head.logger_channel = supervisor->logger.process.channel.io.fd;
	}
	if (head.config == NULL)
		writer->failed = true;
	put(writer, "state", &state_head_table, &head);
	free(head.config);
}

static void
save_events(const struct events *events, struct record_writer *writer)
{
	size_t first = events->count > EVENT_KEPT ? events->count - EVENT_KEPT : 0;
	struct state_event event;

	for (size_t i = first; i < events->count; i++) {
		event = (struct state_event){ .id = i + 1,
			.text = events->kept[i % EVENT_KEPT] };
		put(writer, "event", &state_event_table, &event);
	}
}

static void
save_oneoffs(struct supervisor *supervisor, struct record_writer *writer)
{
	struct oneoff *oneoff;

	TAILQ_FOREACH (oneoff, &supervisor->oneoffs, entry) {
		oneoff->client_fd = oneoff->client != NULL ? oneoff->client->io.fd : -1;
		put(writer, "oneoff", &state_oneoff_table, oneoff);
		oneoff->client_fd = -1;
	}
}

/* Standard error needs no handing over. */
static void
put_access(struct record_writer *writer, const struct access_target *target)
{
	struct access_target copy = *target;

	if (copy.fd <= STDERR_FILENO)
		copy.fd = -1;
	put(writer, "access", &state_access_table, &copy);
}

bool
state_save(struct supervisor *supervisor, struct record_writer *writer)
{
	struct access_target *target;
	struct inherited *inherited;
	struct listener *listener;
	struct log_source *source;
	struct log_dest *dest;
	struct service *service;
	struct pool *pool;

	save_head(supervisor, writer);
	put(writer, "supervisor", &state_supervisor_table, supervisor);
	TAILQ_FOREACH (dest, &supervisor->logs.dests, entry)
		put(writer, "log_dest", &state_log_dest_table, dest);
	TAILQ_FOREACH (source, &supervisor->logs.sources, entry)
		put(writer, "log_source", &state_log_source_table, source);
	TAILQ_FOREACH (target, &supervisor->logs.access.list, entry)
		put_access(writer, target);
	TAILQ_FOREACH (listener, &supervisor->listeners, entry)
		put(writer, "listener", &state_listener_table, listener);
	TAILQ_FOREACH (inherited, &supervisor->inherited, entry)
		put(writer, "inherited", &state_inherited_table, inherited);
	TAILQ_FOREACH (service, &supervisor->services, entry) {
		put(writer, "service", &state_service_table, service);
		TAILQ_FOREACH (pool, &service->pools, entry)
			save_pool(pool, writer);
	}
	save_events(&supervisor->events, writer);
	save_oneoffs(supervisor, writer);
	put(writer, "end", &no_keys, NULL);
	return !writer->failed;
}
