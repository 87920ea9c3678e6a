/* SPDX-License-Identifier: ISC */
#include "supervisor/control_command.h"

#include <jansson.h>
#include <string.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/control_client.h"
#include "supervisor/control_status.h"
#include "supervisor/event.h"
#include "supervisor/metrics.h"
#include "supervisor/oneoff.h"
#include "supervisor/reload.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"

static struct supervisor *
supervisor_of(const struct control_client *client)
{
	return client->control->supervisor;
}

static void
reply(struct control_client *client, json_t *json)
{
	control_client_reply(client, json);
	json_decref(json);
}

static void
done(struct control_client *client)
{
	reply(client, json_pack("{s:b}", "ok", 1));
}

static void
failed(struct control_client *client, const char *why)
{
	reply(client, json_pack("{s:b, s:s}", "ok", 0, "error", why));
}

static const char *
text_of(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key));
}

/* The service that the request names; NULL: it was answered. */
static struct service *
find_service(struct control_client *client, const json_t *request)
{
	const char *name = text_of(request, "service");
	struct service *service = NULL;

	if (name == NULL)
		failed(client, "the request names no service");
	else if ((service = service_find(&supervisor_of(client)->services, name)) == NULL)
		failed(client, "there is no such service");
	return service;
}

/* One that serves. */
static struct service *
find_serving(struct control_client *client, const json_t *request)
{
	struct service *service = find_service(client, request);

	if (service == NULL || service->current != NULL)
		return service;
	failed(client, "the service does not serve");
	return NULL;
}

/* --- to look ----------------------------------------------------------- */

/* status, check: when the router has told of its queues. */
static void
wait_for_answer(struct control_client *client, json_t *request)
{
	const struct service *service = NULL;

	if (text_of(request, "service") != NULL &&
	    (service = find_service(client, request)) == NULL)
		return;
	client->wait = CONTROL_WAIT_ANSWER;
	client->request = json_incref(request);
	control_ask(client->control, service);
}

json_t *
control_command_answer(struct control_client *client)
{
	struct supervisor *supervisor = supervisor_of(client);
	const char *name = text_of(client->request, "service");
	const struct control_wanted wanted = {
		.workers = json_is_true(json_object_get(client->request, "workers")),
		.history = json_is_true(json_object_get(client->request, "history"))
	};
	struct service *service;

	if (strcmp(text_of(client->request, "command"), "check") == 0)
		return control_status_check(supervisor);
	if (name == NULL)
		return control_status(supervisor, wanted);
	service = service_find(&supervisor->services, name);
	if (service == NULL)
		return json_pack("{s:b, s:s}", "ok", 0, "error",
		    "there is no such service");
	return control_status_service(supervisor, service, wanted);
}

static void
show_metrics(struct control_client *client, json_t *request)
{
	(void)request;
	reply(client,
	    json_pack("{s:b, s:o}", "ok", 1, "families",
		metrics_families(supervisor_of(client))));
}

static void
show_config(struct control_client *client, json_t *request)
{
	(void)request;
	reply(client, control_status_config(supervisor_of(client)->plan->config));
}

static void
show_slow(struct control_client *client, json_t *request)
{
	json_int_t since = json_integer_value(json_object_get(request, "since"));
	const char *name = text_of(request, "service");

	if (name != NULL && find_service(client, request) == NULL)
		return;
	reply(client,
	    json_pack("{s:b, s:o}", "ok", 1, "slow",
		slow_ring_list(&supervisor_of(client)->slow,
		    since > 0 ? (uint64_t)since : 0, name,
		    client->may_change && client->line == NULL)));
}

/* What was kept, then what comes. */
static void
follow(struct control_client *client, json_t *request)
{
	const struct events *events = &supervisor_of(client)->events;
	bool on = json_is_true(json_object_get(request, "follow"));
	json_int_t since = json_integer_value(json_object_get(request, "since"));
	size_t first = events->count > EVENT_KEPT ? events->count - EVENT_KEPT : 0;
	const char *line;

	/* one that has not been yet is of another poold */
	if (since > 0 && (size_t)since > first && (size_t)since <= events->count)
		first = (size_t)since;
	reply(client, json_pack("{s:b, s:b}", "ok", 1, "follow", on));
	for (size_t i = first; i < events->count; i++) {
		line = events->kept[i % EVENT_KEPT];
		if (line != NULL)
			control_client_send(client, line, strlen(line));
	}
	if (on && !client->dead)
		client->wait = CONTROL_WAIT_EVENTS;
	else
		control_client_send(client, "{\"end\":true}\n", 13);
}

/* The logger serves the client from here on. */
static void
show_logs(struct control_client *client, json_t *request)
{
	const char *name = text_of(request, "service");
	bool on = json_is_true(json_object_get(request, "follow"));

	if (name != NULL && find_service(client, request) == NULL)
		return;
	if (logger_link_follow(&supervisor_of(client)->logger, name, on, client->io.fd))
		control_client_hand_over(client);
	else
		failed(client, "no logger runs; try again");
}

/* --- to change --------------------------------------------------------- */

/* The reply comes when so many reloads have ended, or at once if the request
 * says "wait": false. */
static void
wait_for_reloads(struct control_client *client, const json_t *request, unsigned reloads)
{
	if (json_is_false(json_object_get(request, "wait"))) {
		done(client);
		return;
	}
	client->wait = CONTROL_WAIT_RELOAD;
	client->began_ns = util_now_ns();
	client->reloads = reloads;
	client->steps = json_is_true(json_object_get(request, "steps"));
	if (client->steps && reloads > 1)
		reply(client, json_pack("{s:s}", "step", "waiting"));
}

static void
reload(struct control_client *client, json_t *request)
{
	struct supervisor *supervisor = supervisor_of(client);

	/* one that is under way may have read the files before they changed */
	wait_for_reloads(client, request, supervisor->reload != NULL ? 2 : 1);
	reload_begin(supervisor);
}

static void
restart(struct control_client *client, json_t *request)
{
	struct supervisor *supervisor = supervisor_of(client);
	struct service *service = find_serving(client, request);

	if (service == NULL)
		return;
	if (supervisor->reload != NULL) {
		failed(client, "a reload is under way; try again when it is done");
		return;
	}
	wait_for_reloads(client, request, 1);
	reload_restart(supervisor, service->name);
}

static void
scale_to(struct control_client *client, struct service *service, uint32_t workers)
{
	struct supervisor *supervisor = supervisor_of(client);
	struct pool *pool = service->current;

	log_info("service %s: %u workers wanted, by hand", service->name, workers);
	event_tell(supervisor, "scaled_by_hand", service->name, "s:i, s:i", "from",
	    (int)pool->strength.target, "to", (int)workers);
	strength_by_hand(pool, workers); /* last: it may free the pool */
	done(client);
}

static void
scale(struct control_client *client, json_t *request)
{
	struct service *service = find_serving(client, request);
	const json_t *workers = json_object_get(request, "workers");
	json_int_t wanted = json_integer_value(workers);
	uint32_t most;
	char *why;

	if (service == NULL)
		return;
	most = strength_most(service->current);
	if (json_is_null(workers)) {
		log_info("service %s: the number of workers is the configuration's "
			 "again",
		    service->name);
		strength_by_hand(service->current, 0);
		done(client);
	} else if (!json_is_integer(workers) || wanted < 1 || wanted > most) {
		why = util_asprintf("workers must be from 1 to %u, for which there is "
				    "room until the next reload",
		    most);
		failed(client, why);
		free(why);
	} else
		scale_to(client, service, (uint32_t)wanted);
}

static void
set_drained(struct control_client *client, json_t *request, bool drained)
{
	struct supervisor *supervisor = supervisor_of(client);
	struct service *service = find_serving(client, request);

	if (service == NULL)
		return;
	if (!pool_is_leased(service->current)) {
		failed(client, "its workers accept for themselves (mode = inherit)");
		return;
	}
	if (service->drained != drained) {
		service->drained = drained;
		link_tell_drained(&supervisor->link, service);
		log_info("service %s is %s", service->name,
		    drained ? "drained: new requests get 503" : "resumed");
		event_tell(supervisor, drained ? "drained" : "resumed", service->name,
		    NULL);
	}
	done(client);
}

static void
drain(struct control_client *client, json_t *request)
{
	set_drained(client, request, true);
}

static void
resume(struct control_client *client, json_t *request)
{
	set_drained(client, request, false);
}

static void
run(struct control_client *client, json_t *request)
{
	struct service *service = find_serving(client, request);

	if (service != NULL)
		oneoff_start(client, service, request);
}

/* There is no reply when it goes well: the connection ends with this version. */
static void
upgrade(struct control_client *client, json_t *request)
{
	(void)request;
	client->wait = CONTROL_WAIT_UPGRADE;
	upgrade_ask(supervisor_of(client));
}

static void
stop(struct control_client *client, json_t *request)
{
	(void)request;
	done(client);
	stop_ask(supervisor_of(client));
}

/* --- which ------------------------------------------------------------- */

static const struct command {
	const char *name;
	bool changes; /* not for those who may only look */
	bool late;    /* also while poold stops */
	bool line;    /* also for workers, by the key control: not what would
		       * let one run programs, see secrets or end poold */
	void (*fn)(struct control_client *client, json_t *request);
} commands[] = {
	{ "status", false, true, true, wait_for_answer },
	{ "check", false, true, true, wait_for_answer },
	{ "events", false, true, true, follow },
	/* workers may print anything */
	{ "logs", true, true, false, show_logs },
	{ "metrics", false, true, true, show_metrics },
	{ "slowlog", false, true, true, show_slow },
	/* the environment of workers may hold secrets */
	{ "config", true, true, false, show_config },
	{ "reload", true, false, true, reload },
	{ "restart", true, false, true, restart },
	{ "scale", true, false, true, scale },
	{ "drain", true, false, true, drain },
	{ "resume", true, false, true, resume },
	{ "upgrade", true, false, false, upgrade },
	{ "run", true, false, false, run },
	{ "stop", true, true, false, stop },
};

void
control_command(struct control_client *client, json_t *request)
{
	const char *name = text_of(request, "command");

	for (size_t i = 0; name != NULL && i < sizeof(commands) / sizeof(commands[0]);
	     i++) {
		const struct command *command = &commands[i];

		if (strcmp(name, command->name) != 0)
			continue;
		if (command->changes && !client->may_change)
			failed(client, "permission denied: you may only look");
		else if (client->line != NULL && !command->line)
			failed(client, "permission denied: not for workers");
		else if (!command->late &&
		    supervisor_of(client)->phase != SUPERVISOR_SERVING)
			failed(client, "poold stops");
		else
			command->fn(client, request);
		return;
	}
	failed(client, name == NULL ? "the request has no command" : "unknown command");
}
