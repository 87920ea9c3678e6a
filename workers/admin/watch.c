/* SPDX-License-Identifier: ISC */
#include "watch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTERVAL_MS 1000

uint64_t
watch_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
watch_init(struct watch *watch, struct line *line, void (*on_round)(void *arg), void *arg)
{
	*watch = (struct watch){ .line = line, .on_round = on_round, .arg = arg };
}

void
watch_free(struct watch *watch)
{
	free(watch->status);
	free(watch->check);
	free(watch->slow);
	for (size_t i = 0; i < WATCH_EVENTS_MAX; i++)
		free(watch->events[i].text);
}

/* --- replies ----------------------------------------------------------- */

static void
end_round(struct watch *watch)
{
	if (watch->awaited > 0 && --watch->awaited > 0)
		return;
	watch->known = watch->status != NULL && watch->check != NULL;
	watch->round += watch->known;
	watch->on_round(watch->arg);
}

/* A refusal counts as no answer. */
static bool
replace(char **text, const char *reply, size_t len)
{
	static const char refused[] = "{\"ok\":false";

	free(*text);
	*text = NULL;
	if (reply == NULL || strncmp(reply, refused, sizeof(refused) - 1) == 0)
		return false;
	*text = strndup(reply, len);
	return *text != NULL;
}

static void
on_status(void *arg, const char *text, size_t len, bool last)
{
	struct watch *watch = arg;

	(void)last;
	replace(&watch->status, text, len);
	end_round(watch);
}

static void
on_check(void *arg, const char *text, size_t len, bool last)
{
	struct watch *watch = arg;

	(void)last;
	replace(&watch->check, text, len);
	end_round(watch);
}

static uint64_t
id_of(const json_t *object)
{
	json_int_t id = json_integer_value(json_object_get(object, "id"));

	return id > 0 ? (uint64_t)id : 0;
}

/* Whether there are others than the time before. */
static void
on_slow(void *arg, const char *text, size_t len, bool last)
{
	struct watch *watch = arg;
	json_error_t error;
	json_t *reply, *list;
	uint64_t id;

	(void)last;
	if (replace(&watch->slow, text, len)) {
		reply = json_loadb(text, len, 0, &error);
		list = json_object_get(reply, "slow");
		id = id_of(json_array_get(list, json_array_size(list) - 1));
		if (id != watch->slow_id)
			watch->slow_round = watch->round + 1;
		watch->slow_id = id;
		json_decref(reply);
	}
	end_round(watch);
}

static void
keep_event(struct watch *watch, uint64_t id, const char *text, size_t len)
{
	struct watch_event *event = &watch->events[watch->event_count % WATCH_EVENTS_MAX];

	free(event->text);
	event->text = strndup(text, len);
	event->id = id;
	watch->event_count++;
	watch->last_id = id;
}

static void
on_event(void *arg, const char *text, size_t len, bool last)
{
	struct watch *watch = arg;
	json_error_t error;
	json_t *event;

	if (last) {
		end_round(watch);
		return;
	}
	event = json_loadb(text, len, 0, &error);
	if (id_of(event) > 0)
		keep_event(watch, id_of(event), text, len);
	json_decref(event);
}

/* --- asking ------------------------------------------------------------ */

bool
watch_is_fresh(const struct watch *watch, uint64_t now_ms)
{
	return watch->known && watch->awaited == 0 &&
	    now_ms - watch->asked_ms < INTERVAL_MS;
}

int
watch_ask(struct watch *watch, uint64_t now_ms)
{
	struct line *line = watch->line;

	if (watch->asked_ms != 0 && now_ms - watch->asked_ms < INTERVAL_MS)
		return (int)(INTERVAL_MS - (now_ms - watch->asked_ms));
	if (watch->awaited > 0)
		return INTERVAL_MS;
	watch->asked_ms = now_ms;
	watch->awaited = 4;
	if (!line_ask(line,
		json_pack("{s:s, s:b, s:b}", "command", "status", "workers", 1, "history",
		    1),
		false, on_status, watch) ||
	    !line_ask(line, json_pack("{s:s}", "command", "check"), false, on_check,
		watch) ||
	    !line_ask(line,
		json_pack("{s:s, s:I}", "command", "events", "since",
		    (json_int_t)watch->last_id),
		true, on_event, watch) ||
	    !line_ask(line, json_pack("{s:s}", "command", "slowlog"), false, on_slow,
		watch))
		watch->known = false; /* the line's end ends the worker */
	return 0;
}

/* --- readiness --------------------------------------------------------- */

static void
add_reason(json_t *reasons, const char *service, const char *why)
{
	json_array_append_new(reasons,
	    json_pack("{s:s?, s:s}", "service", service, "reason", why));
}

static void
check_service(const json_t *service, json_t *reasons)
{
	static const char *const words[] = { "down", "failing", "starting", "drained",
		"stopping" };
	const char *state = json_string_value(json_object_get(service, "state"));

	if (state == NULL || !json_is_true(json_object_get(service, "required")))
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(state, words[i]) == 0)
			add_reason(reasons,
			    json_string_value(json_object_get(service, "service")),
			    state);
}

bool
watch_is_ready(const struct watch *watch, json_t *reasons)
{
	json_error_t error;
	json_t *status = watch->known ? json_loads(watch->status, 0, &error) : NULL;
	const json_t *poold = json_object_get(status, "poold");
	const json_t *services = json_object_get(status, "services");
	const char *phase = json_string_value(json_object_get(poold, "phase"));

	if (phase == NULL)
		add_reason(reasons, NULL, "the supervisor does not answer");
	else if (strcmp(phase, "serving") != 0)
		add_reason(reasons, NULL, phase);
	else if (json_is_null(json_object_get(poold, "connections")))
		add_reason(reasons, NULL, "the router does not answer");
	for (size_t i = 0; i < json_array_size(services); i++)
		check_service(json_array_get(services, i), reasons);
	json_decref(status);
	return json_array_size(reasons) == 0;
}
