/* SPDX-License-Identifier: ISC */
#include "supervisor/reload.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/fingerprint.h"
#include "supervisor/reload_listeners.h"
#include "supervisor/reload_steps.h"
#include "supervisor/rollout.h"
#include "supervisor/supervisor.h"

/*
 * First the new generations start (starting, then waiting for them), then they
 * serve and the old ones end (rolling out).  Until the end of that, the old
 * configuration can come back.
 */
struct reload {
	struct supervisor *supervisor;
	struct plan *plan;
	struct plan *old_plan; /* that was in force; NULL: none */
	uint64_t began_ns;
	const char *only; /* the service that is restarted; NULL: a reload */
	bool starting;	  /* pools are being started: nothing is decided yet */
	char *failure;	  /* met while starting; NULL: none */
	bool rolling_out; /* the new generations serve */
	bool stepping;	  /* in roll_out, which a worker's event may lead to */
	struct rollouts rollouts;
	struct loop_timer timer; /* the next step of one of them */
};

/* --- pools ------------------------------------------------------------- */

static struct pool *
starting_pool(struct service *service)
{
	struct pool *pool = TAILQ_LAST(&service->pools, pools);

	return pool != NULL && pool->state == POOL_STARTING ? pool : NULL;
}

/* Whether its workers are all there to be told by a signal that what they watch
 * has changed, and nothing else has. */
static bool
is_for_signal(const struct pool *pool, const char *fingerprint)
{
	return pool->config->reload_signal != 0 && strength_is_reached(pool) &&
	    fingerprint_differs_in_watched(pool->fingerprint, fingerprint);
}

/* Starts a pool for a service that is new or has changed. */
static char *
start_service(struct supervisor *supervisor, struct reload *reload,
    const struct config_service *config)
{
	struct service *service = service_find_or_add(&supervisor->services,
	    config->name);
	char *fingerprint = fingerprint_new(reload->plan->config, config);
	struct pool *pool;
	char *why = NULL;

	if (reload->only == NULL && service->current != NULL &&
	    strcmp(service->current->fingerprint, fingerprint) == 0) {
		free(fingerprint);
		return NULL;
	}
	if (reload->only == NULL && service->current != NULL &&
	    is_for_signal(service->current, fingerprint)) {
		service->current->fresh_fingerprint = fingerprint;
		return NULL;
	}
	pool = pool_start(supervisor, service, reload->plan, config, fingerprint, &why);
	if (pool != NULL)
		reload_step_starting(pool);
	else
		service_drop_if_unused(&supervisor->services, service);
	return why;
}

static char *
start_services(struct supervisor *supervisor, struct reload *reload)
{
	struct config_service *config;
	char *why;

	TAILQ_FOREACH (config, &reload->plan->config->services, entry)
		if ((reload->only == NULL || reload->only == config->name) &&
		    (why = start_service(supervisor, reload, config)) != NULL)
			return why;
	return NULL;
}

static void
abandon_pools(struct supervisor *supervisor)
{
	struct service *service, *next;
	struct pool *pool;

	TAILQ_FOREACH_SAFE (service, &supervisor->services, entry, next) {
		if (service->current != NULL)
			pool_forget_reload(service->current);
		/* last: it may take the service along */
		if ((pool = starting_pool(service)) != NULL)
			pool_event(pool, POOL_ON_ABANDON);
	}
}

static bool
all_ready(struct supervisor *supervisor)
{
	struct service *service;
	struct pool *pool;

	TAILQ_FOREACH (service, &supervisor->services, entry)
		if ((pool = starting_pool(service)) != NULL && !strength_is_reached(pool))
			return false;
	return true;
}

/* From here on the new pools are those that serve; routes follow. */
static void
switch_pools(struct supervisor *supervisor, struct reload *reload)
{
	struct service *service;
	struct pool *fresh, *old;
	struct rollout *rollout;

	TAILQ_FOREACH (service, &supervisor->services, entry) {
		fresh = starting_pool(service);
		old = service->current;
		if (fresh == NULL &&
		    (old == NULL ||
			config_service_find(reload->plan->config, service->name) !=
			    NULL)) {
			if (old != NULL)
				pool_signal_reload(old);
			continue;
		}
		if (old != NULL)
			pool_event(old, POOL_ON_STANDBY);
		if (fresh != NULL)
			pool_event(fresh, POOL_ON_COMMIT);
		rollout = rollout_begin(fresh, old);
		TAILQ_INSERT_TAIL(&reload->rollouts, rollout, entry);
	}
}

/* --- the transaction --------------------------------------------------- */

static void
reload_free(struct reload *reload)
{
	struct rollout *rollout;

	while ((rollout = TAILQ_FIRST(&reload->rollouts)) != NULL) {
		TAILQ_REMOVE(&reload->rollouts, rollout, entry);
		rollout_free(rollout);
	}
	loop_timer_clear(&reload->supervisor->loop, &reload->timer);
	plan_release(reload->plan);
	plan_release(reload->old_plan);
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

/* Tells those who wait for it. */
static void
tell_end(struct supervisor *supervisor, const char *failure)
{
	systemd_reloaded(supervisor, failure);
	control_reloaded(supervisor, failure);
}

static void
fail(struct supervisor *supervisor, const char *why)
{
	struct reload *reload = supervisor->reload;

	log_error("reload failed: %s; the old configuration goes on", why);
	supervisor->reload = NULL;
	abandon_pools(supervisor);
	reload_close_fresh(supervisor);
	control_abandon(supervisor);
	tell_end(supervisor, why);
	reload_free(reload);
	begin_again_if_asked(supervisor);
	upgrade_check(supervisor);
}

static void
reopen_logs_if_changed(struct supervisor *supervisor, const struct config *config)
{
	if (logs_changed(&supervisor->logs, config))
		logs_reopen(supervisor, config);
}

/* The numbers that were set by hand are for the time until a reload. */
static void
forget_hands(struct supervisor *supervisor)
{
	struct service *service, *next;

	TAILQ_FOREACH_SAFE (service, &supervisor->services, entry, next)
		if (service->current != NULL)
			strength_by_hand(service->current, 0);
}

/* The last of the old generations is not needed any more.  The routes are
 * valid already: the router sends nothing more to them by then. */
static void
finish(struct supervisor *supervisor)
{
	struct reload *reload = supervisor->reload;
	struct rollout *rollout;

	supervisor->reload = NULL;
	TAILQ_FOREACH (rollout, &reload->rollouts, entry)
		if (rollout->old != NULL) {
			reload_step_retired(rollout->old);
			pool_event(rollout->old, POOL_ON_RETIRE);
		}
	reload_switch_listeners(supervisor, reload->plan->config, false);
	supervisor_title_touch(supervisor);
	if (reload->old_plan != NULL) {
		log_info("%s done in %.3f s", reload->only != NULL ? "restart" : "reload",
		    (double)(util_now_ns() - reload->began_ns) / 1e9);
		if (reload->only == NULL)
			forget_hands(supervisor);
		tell_end(supervisor, NULL);
	}
	reload_free(reload);
	begin_again_if_asked(supervisor);
	upgrade_check(supervisor);
}

/* The control socket of the configuration that is in force again. */
static void
restore_control(struct supervisor *supervisor)
{
	char *why = control_prepare(supervisor, supervisor->plan->config);

	if (why == NULL)
		control_commit(supervisor);
	else
		log_error("%s; it stays where it is", why);
	free(why);
}

/* Brings back what served before. */
static void
undo(struct supervisor *supervisor, const char *why)
{
	struct reload *reload = supervisor->reload;
	struct rollout *rollout;

	log_error("reload failed: %s; the old generation is back", why);
	supervisor->reload = NULL;
	plan_release(supervisor->plan);
	supervisor->plan = plan_retain(reload->old_plan);
	reopen_logs_if_changed(supervisor, supervisor->plan->config);
	restore_control(supervisor);
	TAILQ_FOREACH (rollout, &reload->rollouts, entry) {
		if (rollout->fresh != NULL)
			pool_event(rollout->fresh, POOL_ON_STANDBY);
		if (rollout->old != NULL)
			pool_event(rollout->old, POOL_ON_COMMIT);
		rollout_undo(rollout);
	}
	link_commit(&supervisor->link);
	TAILQ_FOREACH (rollout, &reload->rollouts, entry)
		if (rollout->fresh != NULL)
			pool_event(rollout->fresh, POOL_ON_RETIRE);
	reload_switch_listeners(supervisor, supervisor->plan->config, false);
	supervisor_title_touch(supervisor);
	tell_end(supervisor, why);
	reload_free(reload);
	begin_again_if_asked(supervisor);
	upgrade_check(supervisor);
}

/* Every rollout goes as far as it can; the last one to be done is the end. */
static void
roll_out(struct supervisor *supervisor)
{
	struct reload *reload = supervisor->reload;
	uint64_t now_ns = util_now_ns(), next_ns = 0, at_ns;
	struct rollout *rollout;
	bool done = true;

	if (reload->stepping)
		return;
	reload->stepping = true;
	TAILQ_FOREACH (rollout, &reload->rollouts, entry) {
		at_ns = rollout_step(rollout, now_ns);
		if (at_ns != 0 && (next_ns == 0 || at_ns < next_ns))
			next_ns = at_ns;
		done = done && rollout->done;
	}
	reload->stepping = false;
	if (reload->failure != NULL) {
		char *why = reload->failure;

		reload->failure = NULL;
		undo(supervisor, why);
		free(why);
	} else if (done)
		finish(supervisor);
	else if (next_ns != 0)
		loop_timer_set(&supervisor->loop, &reload->timer, next_ns);
}

static void
on_timer(void *owner)
{
	struct reload *reload = owner;

	roll_out(reload->supervisor);
}

static void
commit(struct supervisor *supervisor)
{
	struct reload *reload = supervisor->reload;

	reload->old_plan = supervisor->plan;
	supervisor->plan = plan_retain(reload->plan);
	if (reload->old_plan != NULL) {
		reopen_logs_if_changed(supervisor, reload->plan->config);
		control_commit(supervisor);
	}
	switch_pools(supervisor, reload);
	link_commit(&supervisor->link);
	reload_switch_listeners(supervisor, reload->plan->config, true);
	supervisor_title_touch(supervisor);
	reload->rolling_out = true;
	reload_step_switched(supervisor);
	if (reload->old_plan == NULL)
		finish(supervisor); /* there is nothing to come back to */
	else
		roll_out(supervisor);
}

static void
commit_if_ready(struct supervisor *supervisor)
{
	struct reload *reload = supervisor->reload;

	if (reload != NULL && !reload->starting && !reload->rolling_out &&
	    all_ready(supervisor))
		commit(supervisor);
}

static struct reload *
reload_new(struct supervisor *supervisor, struct plan *plan)
{
	struct reload *reload = util_alloc(sizeof(*reload));

	reload->supervisor = supervisor;
	TAILQ_INIT(&reload->rollouts);
	reload->timer.fn = on_timer;
	reload->timer.owner = reload;
	reload->plan = plan;
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
	why = control_prepare(supervisor, reload->plan->config);
	if (why == NULL)
		why = reload_open_listeners(supervisor, reload->plan->config);
	if (why == NULL) {
		reload_step_bound(supervisor);
		why = start_services(supervisor, reload);
	}
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
	TAILQ_FOREACH (error, &errors.list, entry) {
		log_error("%s", error->text);
		control_reload_error(supervisor, error->text);
	}
	if (config == NULL)
		log_error("reload failed: %zu error%s in the configuration; the "
			  "old configuration goes on",
		    errors.count, errors.count == 1 ? "" : "s");
	config_errors_free(&errors);
	return config;
}

static void
go_on(struct supervisor *supervisor)
{
	char *why;

	supervisor->upgrade.stale = true;
	why = start_all(supervisor);

	if (why != NULL)
		fail(supervisor, why);
	else
		commit_if_ready(supervisor);
	free(why);
}

void
reload_begin(struct supervisor *supervisor)
{
	struct config *config;

	if (supervisor->phase != SUPERVISOR_SERVING)
		return;
	if (supervisor->reload != NULL) {
		supervisor->reload_again = true;
		return;
	}
	log_info("reloading %s", supervisor->config_file);
	systemd_reloading(supervisor);
	control_reloading(supervisor);
	config = load(supervisor);
	if (config == NULL) {
		tell_end(supervisor, "the configuration has errors");
		return;
	}
	reload_step_checked(supervisor, config);
	supervisor->reload = reload_new(supervisor, plan_new(config));
	go_on(supervisor);
}

void
reload_restart(struct supervisor *supervisor, const char *service)
{
	struct plan *plan = plan_retain(supervisor->plan);

	log_info("restarting service %s", service);
	systemd_reloading(supervisor);
	control_reloading(supervisor);
	supervisor->reload = reload_new(supervisor, plan);
	supervisor->reload->only = config_service_find(plan->config, service)->name;
	go_on(supervisor);
}

int
reload_first(struct supervisor *supervisor, struct config *config)
{
	char *why;

	supervisor->reload = reload_new(supervisor, plan_new(config));
	/* a worker that cannot be started yet is tried again while we serve */
	supervisor->reload->starting = true;
	why = reload_open_listeners(supervisor, config);
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
	struct reload *reload = supervisor->reload;

	supervisor->reload_again = false;
	if (reload == NULL)
		return;
	if (reload->rolling_out) {
		/* both generations are there, and both are about to stop */
		supervisor->reload = NULL;
		reload_free(reload);
	} else
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

/* Whether the pool is one of those that are on probation. */
static bool
is_on_probation(const struct reload *reload, const struct pool *pool)
{
	const struct rollout *rollout;

	if (reload == NULL || !reload->rolling_out)
		return false;
	TAILQ_FOREACH (rollout, &reload->rollouts, entry)
		if (rollout->fresh == pool)
			return true;
	return false;
}

void
reload_pool_trouble(struct supervisor *supervisor, struct pool *pool, const char *why)
{
	struct reload *reload = supervisor->reload;

	if (!is_on_probation(reload, pool))
		return;
	if (reload->failure == NULL)
		reload->failure = util_asprintf("service %s: %s", pool->service->name,
		    why);
	/* not now: we are called from the midst of a worker's event */
	loop_timer_set(&supervisor->loop, &reload->timer, util_now_ns());
}

void
reload_pool_progress(struct supervisor *supervisor, struct pool *pool)
{
	struct reload *reload = supervisor->reload;

	if (is_on_probation(reload, pool))
		loop_timer_set(&supervisor->loop, &reload->timer, util_now_ns());
}
