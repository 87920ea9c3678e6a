/* SPDX-License-Identifier: ISC */
/* What the configuration says of services and listeners that status shows. */
#include <jansson.h>

#include "supervisor/control_status.h"
#include "supervisor/json_text.h"
#include "supervisor/supervisor.h"

static json_t *
texts_json(const struct config_strings *strings)
{
	json_t *list = json_array();
	const struct config_string *string;

	TAILQ_FOREACH (string, strings, entry)
		json_array_append_new(list, json_text(string->value));
	return list;
}

static json_t *
route_json(const char *listener, const struct config_route *route)
{
	bool shared = route->weight != CONFIG_WEIGHT_NONE;

	return json_pack("{s:o, s:o, s:o, s:o}", "listener", json_text(listener), "host",
	    json_text(route->host[0] != '\0' ? route->host : NULL), "prefix",
	    json_text(route->prefix), "weight",
	    shared ? json_integer(route->weight) : json_null());
}

/* Where its requests come from: of mode = inherit, whole listeners. */
static json_t *
routes_json(const struct config_service *service)
{
	json_t *list = json_array();
	const struct config_string *listen;
	const struct config_route *route;

	TAILQ_FOREACH (listen, &service->listen, entry) {
		if (service->mode == CONFIG_MODE_INHERIT)
			json_array_append_new(list,
			    json_pack("{s:o, s:n, s:n, s:n}", "listener",
				json_text(listen->value), "host", "prefix", "weight"));
		TAILQ_FOREACH (route, &service->routes, entry)
			json_array_append_new(list, route_json(listen->value, route));
	}
	return list;
}

void
control_about_service(json_t *json, const struct supervisor *supervisor,
    const struct config_service *started)
{
	/* some keys take effect without new workers */
	const struct config_service *service =
	    config_service_find(supervisor->plan->config, started->name);

	if (service == NULL)
		service = started;
	json_object_set_new(json, "description",
	    json_text(service->description[0] != '\0' ? service->description : NULL));
	json_object_set_new(json, "required", json_boolean(service->required));
	json_object_set_new(json, "tags", texts_json(&service->tags));
	json_object_set_new(json, "examples", texts_json(&service->examples));
	json_object_set_new(json, "routes", routes_json(service));
}

json_t *
control_about_listeners(const struct supervisor *supervisor)
{
	json_t *list = json_array();
	const struct config_listen *listen;

	TAILQ_FOREACH (listen, &supervisor->plan->config->listens, entry)
		json_array_append_new(list,
		    json_pack("{s:o, s:o}", "name", json_text(listen->name), "address",
			json_text(listen->address)));
	return list;
}
