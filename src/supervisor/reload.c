/* SPDX-License-Identifier: ISC */
#include "supervisor/reload.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/fingerprint.h"
#include "supervisor/supervisor.h"

struct reload {
	struct plan *plan;
	uint64_t began_ns;
	bool starting; /* pools are being started: nothing is decided yet */
	char *failure; /* met while starting; NULL: none */
};

struct plan *
plan_retain(struct plan *plan)
{
	plan->refs++;
	return plan;
}

void
plan_release(struct plan *plan)
{
	if (plan == NULL || --plan->refs > 0)
		return;
	config_free(plan->config);
	free(plan);
}

struct plan *
plan_new(struct config *config)
{
	struct plan *plan = util_alloc(sizeof(*plan));

	plan->config = config;
	plan->refs = 1;
	return plan;
}

/* --- listeners --------------------------------------------------------- */

/* Whether the router accepts from it: unless a service inherits it. */
static bool
is_routed(const struct config *config, const char *name)
{
	struct config_service *service;
	struct config_string *listen;

	TAILQ_FOREACH (service, &config->services, entry)
		if (service->mode == CONFIG_MODE_INHERIT)
			TAILQ_FOREACH (listen, &service->listen, entry)
				if (strcmp(listen->value, name) == 0)
					return false;
	return true;
}

/* Binds what is not bound yet.  Returns NULL, or why it cannot be done (the
 * caller frees it). */
static char *
open_listeners(struct supervisor *supervisor, const struct config *config)
{
	struct config_listen *listen;
	struct listener *listener;
	char *why;

	TAILQ_FOREACH (listen, &config->listens, entry) {
		if (listener_by_address(&supervisor->listeners, listen->address) != NULL)
			continue;
		listener = listener_open(listen, ++supervisor->next_id, &why);
		if (listener == NULL)
			return why;
		TAILQ_INSERT_TAIL(&supervisor->listeners, listener, entry);
		/* before any worker has it, and sets it as it likes */
		listener_set_routed(listener, is_routed(config, listen->name));
	}
	return NULL;
}

static void
close_fresh(struct supervisor *supervisor)
{
	struct listener *listener, *next;

	TAILQ_FOREACH_SAFE (listener, &supervisor->listeners, entry, next)
		if (listener->fresh) {
			TAILQ_REMOVE(&supervisor->listeners, listener, entry);
			listener_close(listener);
		}
}

static void
switch_listener(struct supervisor *supervisor, struct listener *listener, bool routed)
{
	struct link *link = &supervisor->link;

	if (!listener->fresh && listener->routed == routed) {
		if (routed)
			link_update_listener(link, listener);
		return;
	}
	if (!listener->fresh && listener->routed)
		link_remove_listener(link, listener);
	listener_set_routed(listener, routed);
	if (routed)
		link_add_listener(link, listener);
	listener->fresh = false;
}

/* What the configuration names is kept, under its name there; the rest is
 * closed. */
static void
switch_listeners(struct supervisor *supervisor, const struct config *config)
{
	struct listener *listener, *next;
	struct config_listen *listen;

	TAILQ_FOREACH_SAFE (listener, &supervisor->listeners, entry, next) {
		TAILQ_FOREACH (listen, &config->listens, entry)
			if (strcmp(listen->address, listener->text) == 0)
				break;
		if (listen != NULL) {
			listener_update(listener, listen);
			switch_listener(supervisor, listener,
			    is_routed(config, listener->name));
			continue;
		}
		log_info("listener %s (%s) is closed", listener->name, listener->text);
		if (listener->routed)
			link_remove_listener(&supervisor->link, listener);
		TAILQ_REMOVE(&supervisor->listeners, listener, entry);
		listener_close(listener);
	}
}

/* --- pools ------------------------------------------------------------- */

static struct pool *
starting_pool(struct service *service)
{
	struct pool *pool = TAILQ_LAST(&service->pools, pools);

	return pool != NULL && pool->state == POOL_STARTING ? pool : NULL;
}

/* Starts a pool for a service that is new or has changed. */
static char *
start_service(struct supervisor *supervisor, struct reload *reload,
    const struct config_service *config)
{
	struct service *service = service_find_or_add(&supervisor->services,
	    config->name);
	char *fingerprint = fingerprint_new(reload->plan->config, config);
	char *why = NULL;

	if (service->current != NULL &&
	    strcmp(service->current->fingerprint, fingerprint) == 0) {
		free(fingerprint);
		return NULL;
	}
	if (pool_start(supervisor, service, reload->plan, config, fingerprint, &why) ==
	    NULL)
		service_drop_if_unused(&supervisor->services, service);
	return why;
}

static char *
start_services(struct supervisor *supervisor, struct reload *reload)
{
	struct config_service *config;
	char *why;

	TAILQ_FOREACH (config, &reload->plan->config->services, entry)
		if ((why = start_service(supervisor, reload, config)) != NULL)
			return why;
	return NULL;
}

static void
abandon_pools(struct supervisor *supervisor)
{
	struct service *service, *next;
	struct pool *pool;

	TAILQ_FOREACH_SAFE (service, &supervisor->services, entry, next)
		if ((pool = starting_pool(service)) != NULL)
			pool_event(pool, POOL_ON_ABANDON);
}

static bool
all_ready(struct supervisor *supervisor)
{
	struct service *service;
	struct pool *pool;

	TAILQ_FOREACH (service, &supervisor->services, entry)
		if ((pool = starting_pool(service)) != NULL &&
		    pool->ready_count < pool->worker_count)
			return false;
	return true;
}

/* From here on the new pools are those that serve; routes follow. */
static void
switch_pools(struct supervisor *supervisor, const struct config *config)
{
	struct service *service;
	struct pool *fresh;

	TAILQ_FOREACH (service, &supervisor->services, entry) {
		if ((fresh = starting_pool(service)) != NULL)
			pool_event(fresh, POOL_ON_COMMIT);
		else if (config_service_find(config, service->name) == NULL)
			service->current = NULL;
	}
}

/* After the routes: the router sends nothing more to them by then. */
static void
retire_pools(struct supervisor *supervisor)
{
	struct service *service, *next_service;
	struct pool *pool, *next;

	TAILQ_FOREACH_SAFE (service, &supervisor->services, entry, next_service)
		for (pool = TAILQ_FIRST(&service->pools); pool != NULL; pool = next) {
			/* the last one takes the service along */
			next = TAILQ_NEXT(pool, entry);
			if (pool->state == POOL_SERVING && pool != service->current)
				pool_event(pool, POOL_ON_RETIRE);
		}
}

/* --- the transaction --------------------------------------------------- */

static void
reload_free(struct reload *reload)
{
	plan_release(reload->plan);
	free(reload->failure);
	free(reload);
}

static void
begin_again_if_asked(struct supervisor *supervisor)
{
	if (!supervisor->reload_again || supervisor->phase != SUPERVISOR_SERVING)
		return;
	supervisor->reload_again = false;
	reload_begin(supervisor);
}

static void
fail(struct supervisor *supervisor, const char *why)
{
	struct reload *reload = supervisor->reload;

	log_error("reload failed: %s; the old configuration goes on", why);
	supervisor->reload = NULL;
	abandon_pools(supervisor);
	close_fresh(supervisor);
	reload_free(reload);
	begin_again_if_asked(supervisor);
	upgrade_check(supervisor);
}

static bool
changed(const char *old, const char *fresh)
{
	return strcmp(old, fresh) != 0;
}

static void
commit(struct supervisor *supervisor)
{
	struct reload *reload = supervisor->reload;
	struct config *config = reload->plan->config;
	bool first = supervisor->plan == NULL;

	supervisor->reload = NULL;
	plan_release(supervisor->plan);
	supervisor->plan = plan_retain(reload->plan);
	if (!first &&
	    (changed(supervisor->logs.log, config->log) ||
		changed(supervisor->logs.access_log, config->access_log)))
		logs_reopen(supervisor, config);
	switch_pools(supervisor, config);
	link_commit(&supervisor->link);
	retire_pools(supervisor);
	switch_listeners(supervisor, config);
	supervisor_title_touch(supervisor);
	if (!first)
		log_info("reload done in %.3f s",
		    (double)(util_now_ns() - reload->began_ns) / 1e9);
	reload_free(reload);
	begin_again_if_asked(supervisor);
	upgrade_check(supervisor);
}

static void
commit_if_ready(struct supervisor *supervisor)
{
	if (supervisor->reload != NULL && !supervisor->reload->starting &&
	    all_ready(supervisor))
		commit(supervisor);
}

static struct reload *
reload_new(struct config *config)
{
	struct reload *reload = util_alloc(sizeof(*reload));

	reload->plan = plan_new(config);
	reload->began_ns = util_now_ns();
	return reload;
}

/* Returns NULL, or why not everything could be bound and started (the caller
 * frees it). */
static char *
start_all(struct supervisor *supervisor)
{
	struct reload *reload = supervisor->reload;
	char *why;

	reload->starting = true;
	why = open_listeners(supervisor, reload->plan->config);
	if (why == NULL)
		why = start_services(supervisor, reload);
	reload->starting = false;
	if (why == NULL && reload->failure != NULL)
		why = util_strdup(reload->failure);
	return why;
}

static struct config *
load(struct supervisor *supervisor)
{
	struct config_errors errors;
	struct config_error *error;
	struct config *config;

	config_errors_init(&errors);
	config = config_load(supervisor->config_file, &errors);
	TAILQ_FOREACH (error, &errors.list, entry)
		log_error("%s", error->text);
	if (config == NULL)
		log_error("reload failed: %zu error%s in the configuration; the "
			  "old configuration goes on",
		    errors.count, errors.count == 1 ? "" : "s");
	config_errors_free(&errors);
	return config;
}

void
reload_begin(struct supervisor *supervisor)
{
	struct config *config;
	char *why;

	if (supervisor->phase != SUPERVISOR_SERVING)
		return;
	if (supervisor->reload != NULL) {
		supervisor->reload_again = true;
		return;
	}
	log_info("reloading %s", supervisor->config_file);
	config = load(supervisor);
	if (config == NULL)
		return;
	supervisor->upgrade.stale = true;
	supervisor->reload = reload_new(config);
	why = start_all(supervisor);
	if (why != NULL)
		fail(supervisor, why);
	else
		commit_if_ready(supervisor);
	free(why);
}

int
reload_first(struct supervisor *supervisor, struct config *config)
{
	char *why;

	supervisor->reload = reload_new(config);
	/* a worker that cannot be started yet is tried again while we serve */
	supervisor->reload->starting = true;
	why = open_listeners(supervisor, config);
	if (why == NULL)
		why = start_services(supervisor, supervisor->reload);
	if (why != NULL) {
		log_error("%s", why);
		free(why);
		reload_free(supervisor->reload);
		supervisor->reload = NULL;
		return EX_UNAVAILABLE;
	}
	commit(supervisor);
	return 0;
}

void
reload_cancel(struct supervisor *supervisor, const char *why)
{
	supervisor->reload_again = false;
	if (supervisor->reload != NULL)
		fail(supervisor, why);
}

void
reload_pool_ready(struct supervisor *supervisor)
{
	commit_if_ready(supervisor);
}

void
reload_pool_failed(struct supervisor *supervisor, struct pool *pool, const char *why)
{
	struct reload *reload = supervisor->reload;
	char *text;

	if (reload == NULL || pool->state != POOL_STARTING)
		return;
	text = util_asprintf("service %s: %s", pool->service->name, why);
	if (!reload->starting) {
		fail(supervisor, text);
		free(text);
	} else if (reload->failure == NULL) {
		reload->failure = text;
	} else {
		free(text);
	}
}
