/* SPDX-License-Identifier: ISC */
/* The effective configuration as JSON, with where each key stands. */
#include <jansson.h>
#include <stdlib.h>

#include "common/util.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_set.h"
#include "supervisor/control_status.h"
#include "supervisor/json_text.h"

/* file and line are null for a default. */
static void
add(json_t *keys, const char *name, char *value, const struct config_origin *origin)
{
	/* no name: of a state, see state_load.c */
	bool given = origin->file != NULL && origin->file[0] != '\0' && origin->line != 0;

	json_array_append_new(keys,
	    json_pack("{s:o, s:o, s:o, s:o}", "key", json_text(name), "value",
		json_text(value), "file", json_text(given ? origin->file : NULL), "line",
		given ? json_integer(origin->line) : json_null()));
	free(value);
}

static void
add_strings(json_t *keys, const char *name, const struct config_strings *list)
{
	const struct config_string *string;

	TAILQ_FOREACH (string, list, entry)
		add(keys, name, util_strdup(string->value), &string->origin);
}

static void
add_routes(json_t *keys, const char *name, const struct config_routes *routes)
{
	const struct config_route *route;

	TAILQ_FOREACH (route, routes, entry)
		add(keys, name,
		    route->weight == CONFIG_WEIGHT_NONE ?
			util_asprintf("%s%s", route->host, route->prefix) :
			util_asprintf("%s%s weight=%lld", route->host, route->prefix,
			    (long long)route->weight),
		    &route->origin);
}

static void
add_envs(json_t *keys, const struct config_envs *envs)
{
	const struct config_env *env;
	char *name;

	TAILQ_FOREACH (env, envs, entry) {
		name = util_asprintf("env.%s", env->name);
		add(keys, name, util_strdup(env->value), &env->origin);
		free(name);
	}
}

static void
add_key(json_t *keys, const struct config_key *key, const void *object,
    const struct config_origin *at)
{
	const void *slot = (const char *)object + key->offset;

	switch (key->type) {
	case CONFIG_TEXTS:
	case CONFIG_NAMES:
	case CONFIG_PATHS:
		add_strings(keys, key->name, slot);
		break;
	case CONFIG_ROUTE:
		add_routes(keys, key->name, slot);
		break;
	case CONFIG_ENV:
		add_envs(keys, slot);
		break;
	case CONFIG_INCLUDE:
		break;
	default:
		add(keys, key->name, config_key_text(key, object),
		    &at[config_key_index(key)]);
		break;
	}
}

static json_t *
section_json(enum config_section section, const char *name, const void *object,
    const struct config_origin *at)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].section == section)
			add_key(keys, &config_keys[i], object, at);
	return json_pack("{s:s, s:o, s:o}", "section", config_section_word(section),
	    "name", json_text(name), "keys", keys);
}

json_t *
control_status_config(const struct config *config)
{
	json_t *sections = json_array();
	const struct config_listen *listen;
	const struct config_service *service;

	json_array_append_new(sections,
	    section_json(CONFIG_POOLD, NULL, config, config->at));
	TAILQ_FOREACH (listen, &config->listens, entry)
		json_array_append_new(sections,
		    section_json(CONFIG_LISTEN, listen->name, listen, listen->at));
	TAILQ_FOREACH (service, &config->services, entry)
		json_array_append_new(sections,
		    section_json(CONFIG_SERVICE, service->name, service, service->at));
	return json_pack("{s:b, s:o, s:o}", "ok", 1, "file",
	    json_text(config->file[0] != '\0' ? config->file : NULL), "sections",
	    sections);
}
