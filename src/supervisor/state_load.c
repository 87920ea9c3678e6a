/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/fingerprint.h"
#include "supervisor/pool.h"
#include "supervisor/recycle.h"
#include "supervisor/state.h"
#include "supervisor/supervisor.h"

#define WORKERS_MAX LEASE_WORKERS_MAX

struct loader {
	struct supervisor *supervisor;
	struct state_head *head;
	struct record_reader reader;
	struct record record;
	struct service *service; /* the last */
	struct pool *pool;	 /* the last */
	bool ended;
};

static bool
get(struct loader *loader, const struct record_table *table, void *object, char **why)
{
	return record_get(&loader->reader, &loader->record, table, object, why);
}

/* --- configurations ---------------------------------------------------- */

/* config_load reads files. */
static int
open_text(const char *text)
{
	size_t len = strlen(text);
	int fd = memfd_create("poold-configuration", MFD_CLOEXEC);

	if (fd != -1 && write(fd, text, len) == (ssize_t)len)
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

/* Where its keys stand is the old version's knowledge; see poolctl(1). */
static void
forget_origins(struct config *config)
{
	struct config_string *file;

	/* every origin points to one of these */
	TAILQ_FOREACH (file, &config->files, entry)
		file->value[0] = '\0';
	config->file[0] = '\0';
}

static struct config *
load_config(const char *text, char **why)
{
	struct config_errors errors;
	struct config *config = NULL;
	int fd = open_text(text);
	char path[64];

	if (fd == -1) {
		*why = util_strdup("no memory for the configuration");
		return NULL;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config_errors_init(&errors);
	config = config_load(path, &errors);
	if (config == NULL)
		*why = util_asprintf("the configuration in force cannot be read: %s",
		    TAILQ_EMPTY(&errors.list) ? "" : TAILQ_FIRST(&errors.list)->text);
	else
		forget_origins(config);
	config_errors_free(&errors);
	close(fd);
	return config;
}

/* --- sections ---------------------------------------------------------- */

static char *
load_head(struct loader *loader)
{
	struct state_head *head = loader->head;
	struct config *config;
	char *why;

	if (!get(loader, &state_head_table, head, &why))
		return why;
	if (head->format != STATE_FORMAT && !(STATE_FORMAT == 2 && head->format == 1))
		return util_asprintf("the state of poold %s has format %u, this poold "
				     "reads format %u",
		    head->version, head->format, STATE_FORMAT);
	config = load_config(head->config, &why);
	if (config != NULL)
		loader->supervisor->plan = plan_new(config);
	return why;
}

static char *
load_supervisor(struct loader *loader)
{
	char *why;

	get(loader, &state_supervisor_table, loader->supervisor, &why);
	return why;
}

static char *
load_log_dest(struct loader *loader)
{
	struct log_dest *dest = util_alloc(sizeof(*dest));
	char *why;

	dest->fd = -1;
	TAILQ_INSERT_TAIL(&loader->supervisor->logs.dests, dest, entry);
	get(loader, &state_log_dest_table, dest, &why);
	return why;
}

static char *
load_log_source(struct loader *loader)
{
	struct log_source *source = util_alloc(sizeof(*source));
	char *why;

	source->fd = -1;
	TAILQ_INSERT_TAIL(&loader->supervisor->logs.sources, source, entry);
	get(loader, &state_log_source_table, source, &why);
	return why;
}

static const struct config_listen *
find_listen(const struct config *config, const char *address)
{
	const struct config_listen *listen;

	TAILQ_FOREACH (listen, &config->listens, entry)
		if (strcmp(listen->address, address) == 0)
			return listen;
	return NULL;
}

static char *
load_listener(struct loader *loader)
{
	struct listener *listener = util_alloc(sizeof(*listener));
	const struct config_listen *config;
	char *why;

	listener->fd = -1;
	TAILQ_INSERT_TAIL(&loader->supervisor->listeners, listener, entry);
	if (!get(loader, &state_listener_table, listener, &why))
		return why;
	config = find_listen(loader->supervisor->plan->config, listener->text);
	if (config == NULL)
		return util_asprintf("no [listen] section has the address %s",
		    listener->text);
	if (!listener_restore(listener, config))
		return util_asprintf("%s is no address", listener->text);
	return NULL;
}

/* Standard error is not one of the descriptors that are handed over. */
static char *
load_access(struct loader *loader)
{
	struct access_target *target = util_alloc(sizeof(*target));
	char *why;

	TAILQ_INSERT_TAIL(&loader->supervisor->logs.access.list, target, entry);
	target->text = util_strdup("");
	target->fd = -1;
	get(loader, &state_access_table, target, &why);
	if (target->fd == -1)
		target->fd = STDERR_FILENO;
	return why;
}

static char *
load_inherited(struct loader *loader)
{
	struct inherited *inherited = util_alloc(sizeof(*inherited));
	char *why;

	TAILQ_INSERT_TAIL(&loader->supervisor->inherited, inherited, entry);
	inherited->fd = -1;
	inherited->name = util_strdup("");
	get(loader, &state_inherited_table, inherited, &why);
	return why;
}

static char *
load_service(struct loader *loader)
{
	struct service saved = { 0 };
	char *why;

	if (!get(loader, &state_service_table, &saved, &why)) {
		free(saved.name);
		return why;
	}
	loader->service = service_find_or_add(&loader->supervisor->services, saved.name);
	loader->service->generations = saved.generations;
	loader->service->breaker = saved.breaker;
	loader->service->drained = saved.drained;
	loader->service->tally = saved.tally;
	/* a place beyond those of this version is none */
	if (saved.figures.index < STATS_SERVICES)
		loader->service->figures = saved.figures;
	loader->pool = NULL;
	free(saved.name);
	return NULL;
}

static void
set_groups(struct config_account *account, const char *text)
{
	size_t most = text != NULL ? strlen(text) / 2 + 1 : 0;
	char *end;

	if (most == 0)
		return;
	account->groups = util_alloc(most * sizeof(*account->groups));
	for (; *text != '\0' && (size_t)account->group_count < most; text = end) {
		account->groups[account->group_count++] = (gid_t)strtoul(text, &end, 10);
		if (end == text)
			break;
	}
}

/* What a pool of this version cannot be without; the rest is taken as it is. */
static char *
check_pool(const struct loader *loader, const struct pool *saved)
{
	const struct lease_scoreboard *layout = &saved->board.layout;
	const struct config_service *config = saved->config;

	if (config == NULL)
		return util_asprintf("the configuration in force has no service %s",
		    loader->service->name);
	if (saved->worker_count == 0 || saved->worker_count > WORKERS_MAX)
		return util_asprintf("service %s has %u workers", loader->service->name,
		    saved->worker_count);
	if (config->mode != CONFIG_MODE_LEASE)
		return NULL;
	if (layout->magic != LEASE_MAGIC || layout->protocol != LEASE_PROTOCOL ||
	    layout->worker_size < sizeof(struct lease_worker) ||
	    layout->slot_size < LEASE_SLOT_MIN ||
	    layout->worker_count < saved->worker_count)
		return util_asprintf("the workers of service %s speak another version of "
				     "the lease contract",
		    loader->service->name);
	return NULL;
}

static void
free_more(struct state_pool *more)
{
	free(more->config);
	free(more->files);
	free(more->groups);
}

/* The configuration that the pool is of: in force, or its own. */
static struct plan *
find_plan(struct loader *loader, const struct state_pool *more, char **why)
{
	struct config *config;

	if (more->config == NULL)
		return plan_retain(loader->supervisor->plan);
	config = load_config(more->config, why);
	return config != NULL ? plan_new(config) : NULL;
}

static char *
make_pool(struct loader *loader, struct pool *saved, const struct state_pool *more)
{
	struct service *service = loader->service;
	struct pool *pool;
	struct plan *plan;
	char *why = NULL;

	plan = find_plan(loader, more, &why);
	if (plan == NULL)
		return why;
	saved->config = config_service_find(plan->config, service->name);
	why = check_pool(loader, saved);
	if (why == NULL) {
		pool = pool_restore(loader->supervisor, service, plan, saved);
		pool->fingerprint = fingerprint_join(plan->config, pool->config,
		    more->files);
		set_groups(&pool->account, more->groups);
		if (more->current)
			service->current = pool;
		loader->pool = pool;
	}
	plan_release(plan); /* the pool has its own hold */
	return why;
}

static char *
load_pool(struct loader *loader)
{
	struct pool saved = { .queue = { -1, -1 },
		.done = { -1, -1 },
		.board_fd = -1,
		.template = { .channel.io.fd = -1, .failure.fd = -1 } };
	struct state_pool more = { 0 };
	char *why = NULL;

	if (loader->service == NULL)
		return util_strdup("a pool comes before any service");
	if (get(loader, &state_pool_table, &saved, &why) &&
	    get(loader, &state_pool_more_table, &more, &why))
		why = make_pool(loader, &saved, &more);
	if (why != NULL)
		free(saved.account.name);
	free_more(&more);
	return why;
}

static char *
load_worker(struct loader *loader)
{
	struct worker saved = { 0 }, *worker;
	char *why;

	if (loader->pool == NULL)
		return util_strdup("a worker comes before any pool");
	if (!get(loader, &state_slot_table, &saved, &why))
		return why;
	if (saved.slot >= loader->pool->worker_count)
		return util_asprintf("service %s has no worker %u", loader->service->name,
		    saved.slot);
	worker = &loader->pool->workers[saved.slot];
	recycle_begin(worker); /* unless the state says more */
	get(loader, &state_worker_table, worker, &why);
	if (worker->state == WORKER_KILLED)
		worker->killed_for = "before the upgrade";
	return why;
}

/* At its place in the ring: they are numbered from 1. */
static char *
load_event(struct loader *loader)
{
	struct events *events = &loader->supervisor->events;
	struct state_event event = { 0 };
	char **place, *why;

	if (!get(loader, &state_event_table, &event, &why) || event.id == 0) {
		free(event.text);
		return why;
	}
	place = &events->kept[(event.id - 1) % EVENT_KEPT];
	free(*place);
	*place = event.text;
	events->count = event.id;
	return NULL;
}

static char *
load_oneoff(struct loader *loader)
{
	char *why;

	get(loader, &state_oneoff_table, oneoff_restore(loader->supervisor), &why);
	return why;
}

static char *
load_end(struct loader *loader)
{
	loader->ended = true;
	return NULL;
}

/* --- all --------------------------------------------------------------- */

static char *
load_section(struct loader *loader)
{
	static const struct {
		const char *section;
		char *(*load)(struct loader *loader);
	} loads[] = {
		{ "state", load_head },
		{ "supervisor", load_supervisor },
		{ "log_dest", load_log_dest },
		{ "log_source", load_log_source },
		{ "listener", load_listener },
		{ "access", load_access },
		{ "inherited", load_inherited },
		{ "service", load_service },
		{ "pool", load_pool },
		{ "worker", load_worker },
		{ "event", load_event },
		{ "oneoff", load_oneoff },
		{ "end", load_end },
	};

	if (loader->supervisor->plan == NULL &&
	    strcmp(loader->record.section, "state") != 0)
		return util_strdup("it does not begin with [state]");
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		if (strcmp(loader->record.section, loads[i].section) == 0)
			return loads[i].load(loader);
	return NULL;
}

char *
state_load(struct supervisor *supervisor, char *text, size_t len, struct state_head *head,
    struct record_fds *fds)
{
	struct loader loader = { .supervisor = supervisor, .head = head };
	char *why = NULL;

	memset(head, 0, sizeof(*head));
	head->log_fd = head->pid_fd = head->router_channel = head->logger_channel = -1;
	record_open(&loader.reader, text, len);
	while (why == NULL && record_next(&loader.reader, &loader.record, &why))
		why = load_section(&loader);
	if (why == NULL && !loader.ended)
		why = util_strdup("it is cut");
	if (why == NULL && supervisor->config_file == NULL)
		why = util_strdup("there is no [supervisor]");
	*fds = loader.reader.fds;
	return why;
}

void
state_head_free(struct state_head *head)
{
	free(head->version);
	free(head->config);
}
