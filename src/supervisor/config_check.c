/* SPDX-License-Identifier: ISC */
/* What only the whole configuration shows: see config_check.h. */
#include "supervisor/config_check.h"

#include <signal.h>
#include <string.h>

#include "common/lease.h"
#include "common/roles.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_language.h"
#include "supervisor/config_set.h"
#include "supervisor/config_value.h"
#include "supervisor/spawn.h"

/* Each lease needs a slot, and each worker as many again to be sent ahead. */
#define LEASES_MAX (LEASE_SLOTS_MAX / 2)

static const struct config_origin *
address_origin(const struct config_listen *listen)
{
	const struct config_origin *at = config_key_origin(CONFIG_LISTEN, "address",
	    listen->at);

	return at != NULL ? at : &listen->origin;
}

static void
required_check(enum config_section section, const char *name,
    const struct config_origin *at, const struct config_origin *origin,
    struct config_errors *errors)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->section == section && (key->flags & CONFIG_KEY_REQUIRED) &&
		    at[i].file == NULL)
			config_error_add(errors, origin, "[%s %s] has no '%s'",
			    config_section_word(section), name, key->name);
	}
}

/* Two listeners that could not be bound at the same time. */
static void
address_check(const struct config *config, const struct config_listen *listen,
    struct config_errors *errors)
{
	const struct config_listen *other;
	const struct config_origin *first;
	struct config_address a, b;
	const char *why;

	if (!config_address_parse(listen->address, &a, &why))
		return; /* said when it was read */
	TAILQ_FOREACH (other, &config->listens, entry) {
		if (other == listen)
			return;
		if (!config_address_parse(other->address, &b, &why) ||
		    !config_address_overlap(&a, &b))
			continue;
		first = address_origin(other);
		config_error_add(errors, address_origin(listen),
		    "[listen %s] has the address %s, which %s that of "
		    "[listen %s] at %s:%u",
		    listen->name, listen->address,
		    strcmp(listen->address, other->address) == 0 ? "is" : "overlaps with",
		    other->name, first->file, first->line);
	}
}

static void
proxy_check(const struct config_listen *listen, struct config_errors *errors)
{
	const struct config_string *network;
	struct role_network parsed;
	const char *why;
	unsigned count = 0;

	TAILQ_FOREACH (network, &listen->trusted, entry) {
		if (!config_network_parse(network->value, &parsed, &why))
			config_error_add(errors, &network->origin, "trusted = %s: %s",
			    network->value, why);
		if (++count == ROLE_NETWORKS_MAX + 1)
			config_error_add(errors, &network->origin,
			    "[listen %s] has more than %d trusted networks", listen->name,
			    ROLE_NETWORKS_MAX);
	}
	if (listen->proxy_protocol && count == 0)
		config_error_add(errors, &listen->origin,
		    "[listen %s] with proxy_protocol = yes needs trusted: who may say "
		    "whose connection it is",
		    listen->name);
}

static void
listens_check(struct config *config, struct config_errors *errors, bool incomplete)
{
	const struct config_listen *listen;
	const struct config_origin file = { TAILQ_FIRST(&config->files)->value, 0 };

	TAILQ_FOREACH (listen, &config->listens, entry) {
		required_check(CONFIG_LISTEN, listen->name, listen->at, &listen->origin,
		    errors);
		address_check(config, listen, errors);
		proxy_check(listen, errors);
	}
	if (TAILQ_EMPTY(&config->listens) && !incomplete)
		config_error_add(errors, &file, "there is no [listen NAME] section");
}

/* The inherit service that names a listener, or NULL. */
static const struct config_service *
listen_owner(const struct config *config, const char *listen)
{
	const struct config_service *service;

	TAILQ_FOREACH (service, &config->services, entry)
		if (service->mode == CONFIG_MODE_INHERIT &&
		    config_service_listens(service, listen))
			return service;
	return NULL;
}

/* A lease service that names no listener is served by all that nobody owns. */
static void
listeners_fill(const struct config *config, struct config_service *service,
    struct config_errors *errors, bool incomplete)
{
	const struct config_listen *listen;

	if (!TAILQ_EMPTY(&service->listen) ||
	    config_service_origin(service, "listen") != &service->origin)
		return;
	if (service->mode == CONFIG_MODE_INHERIT) {
		config_error_add(errors, &service->origin,
		    "[service %s] has mode = inherit but no 'listen': it must "
		    "name the listener that it owns",
		    service->name);
		return;
	}
	TAILQ_FOREACH (listen, &config->listens, entry)
		if (listen_owner(config, listen->name) == NULL)
			config_strings_add(&service->listen, listen->name,
			    &service->origin);
	if (TAILQ_EMPTY(&service->listen) && !incomplete &&
	    !TAILQ_EMPTY(&config->listens))
		config_error_add(errors, &service->origin,
		    "[service %s] has no listener: each one belongs to a "
		    "service with mode = inherit",
		    service->name);
}

static const char *
listen_next(const void *arg, size_t i)
{
	const struct config *config = arg;
	const struct config_listen *listen;

	TAILQ_FOREACH (listen, &config->listens, entry)
		if (i-- == 0)
			return listen->name;
	return NULL;
}

static void
listeners_check(const struct config *config, const struct config_service *service,
    struct config_errors *errors, bool incomplete)
{
	const struct config_string *name;
	const struct config_service *owner;
	const char *nearest;

	TAILQ_FOREACH (name, &service->listen, entry) {
		owner = listen_owner(config, name->value);
		if (owner != NULL && owner != service)
			config_error_add(errors, &name->origin,
			    "[service %s] uses the listener '%s', which "
			    "[service %s] at %s:%u owns alone (mode = inherit)",
			    service->name, name->value, owner->name, owner->origin.file,
			    owner->origin.line);
		if (incomplete || config_listen_find(config, name->value) != NULL)
			continue;
		nearest = config_nearest(name->value, listen_next, config);
		config_error_add(errors, &name->origin,
		    "[service %s]: there is no [listen %s]%s%s%s", service->name,
		    name->value, nearest != NULL ? "; did you mean '" : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
	}
}

static bool
share_listener(const struct config_service *a, const struct config_service *b)
{
	const struct config_string *name;

	TAILQ_FOREACH (name, &a->listen, entry)
		if (config_service_listens(b, name->value))
			return true;
	return false;
}

/* Two services have the same route: that is fine when both say their share.
 * Returns whether an error was added. */
static bool
shared_route_check(const struct config_service *service, const struct config_route *route,
    const struct config_service *other, const struct config_route *first,
    struct config_errors *errors)
{
	bool weighted = route->weight != CONFIG_WEIGHT_NONE;

	if (service != other && weighted != (first->weight != CONFIG_WEIGHT_NONE))
		config_error_add(errors, &route->origin,
		    "[service %s]: the route %s%s has %s weight and that of "
		    "[service %s] at %s:%u has %s: to share a route, all its "
		    "services give one",
		    service->name, route->host, route->prefix, weighted ? "a" : "no",
		    other->name, first->origin.file, first->origin.line,
		    weighted ? "none" : "one");
	else if (service == other || !weighted)
		config_error_add(errors, &route->origin,
		    "[service %s]: the route %s%s is already that of "
		    "[service %s] at %s:%u%s",
		    service->name, route->host, route->prefix, other->name,
		    first->origin.file, first->origin.line,
		    service == other ? "" : "; to share it, give both a weight");
	else
		return false;
	return true;
}

/* Whether earlier routes are the same; one error at most. */
static void
route_check(const struct config *config, const struct config_service *service,
    const struct config_route *route, struct config_errors *errors)
{
	const struct config_service *other;
	const struct config_route *first;

	TAILQ_FOREACH (other, &config->services, entry) {
		if (other != service && !share_listener(service, other))
			continue;
		TAILQ_FOREACH (first, &other->routes, entry) {
			if (first == route)
				return;
			if (strcmp(first->host, route->host) == 0 &&
			    strcmp(first->prefix, route->prefix) == 0 &&
			    shared_route_check(service, route, other, first, errors))
				return;
		}
	}
}

static void
routes_check(const struct config *config, const struct config_service *service,
    struct config_errors *errors)
{
	const struct config_route *route;
	bool given = config_service_origin(service, "route") != &service->origin;

	if (service->mode == CONFIG_MODE_INHERIT) {
		if (given)
			config_error_add(errors, config_service_origin(service, "route"),
			    "[service %s] has mode = inherit and takes no "
			    "route: its workers accept every connection of "
			    "their listener",
			    service->name);
		return;
	}
	if (!given)
		config_error_add(errors, &service->origin, "[service %s] has no 'route'",
		    service->name);
	TAILQ_FOREACH (route, &service->routes, entry)
		route_check(config, service, route, errors);
}

const char *const config_inherit_words[] = { CONFIG_INHERIT_SYSTEMD,
	CONFIG_INHERIT_SERVER_STARTER, CONFIG_INHERIT_PHP_FPM, CONFIG_INHERIT_STDIN,
	NULL };

static const char *
inherit_next(const void *arg, size_t i)
{
	const char *const *words = arg;

	return words[i];
}

/* What is about requests that nobody knows of. */
static void
lease_keys_check(const struct config_service *service, struct config_errors *errors)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if ((key->flags & CONFIG_KEY_LEASE) != 0 && service->at[i].file != NULL)
			config_error_add(errors, &service->at[i],
			    "[service %s] has %s, which needs mode = lease: poold does "
			    "not see the requests of workers that accept for themselves",
			    service->name, key->name);
	}
}

/* How its workers are told of their sockets; without a word, as systemd does. */
static void
inherit_check(struct config_service *service, struct config_errors *errors)
{
	const struct config_string *word;
	char why[CONFIG_WHY_SIZE];
	const char *nearest;
	unsigned index, count = 0;

	if (service->mode == CONFIG_MODE_LEASE) {
		if (!TAILQ_EMPTY(&service->inherit_as))
			config_error_add(errors,
			    config_service_origin(service, "inherit_as"),
			    "[service %s] has inherit_as, which needs mode = inherit",
			    service->name);
		return;
	}
	lease_keys_check(service, errors);
	if (service->preload)
		config_error_add(errors, config_service_origin(service, "preload"),
		    "[service %s] has preload, which needs mode = lease", service->name);
	if (TAILQ_EMPTY(&service->inherit_as))
		config_strings_add(&service->inherit_as, CONFIG_INHERIT_SYSTEMD,
		    &service->origin);
	TAILQ_FOREACH (word, &service->listen, entry)
		if (++count == SPAWN_SOCKETS_MAX + 1)
			config_error_add(errors, &word->origin,
			    "[service %s] inherits more than %d sockets", service->name,
			    SPAWN_SOCKETS_MAX);
	TAILQ_FOREACH (word, &service->inherit_as, entry) {
		if (config_value_enum(word->value, config_inherit_words, &index, why))
			continue;
		nearest = config_nearest(word->value, inherit_next, config_inherit_words);
		config_error_add(errors, &word->origin, "inherit_as: %s%s%s%s", why,
		    nearest != NULL ? "; did you mean '" : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
	}
}

static void
reload_signal_check(const struct config_service *service, struct config_errors *errors)
{
	if (service->reload_signal == SIGKILL)
		config_error_add(errors, config_service_origin(service, "reload_signal"),
		    "reload_signal: KILL ends a worker: without a reload_signal a new "
		    "generation is started");
	else if (service->reload_signal != 0 && TAILQ_EMPTY(&service->watch) &&
	    service->app[0] == '\0')
		config_error_add(errors, config_service_origin(service, "reload_signal"),
		    "[service %s] has a reload_signal but no 'watch': it is sent when "
		    "nothing but a watched file has changed",
		    service->name);
}

static void
size_check(const struct config_service *service, struct config_errors *errors)
{
	int64_t workers = service->scaling == CONFIG_SCALING_STATIC ?
	    service->workers :
	    service->workers_max;

	if (workers * service->concurrency * 2 > LEASES_MAX)
		config_error_add(errors, config_service_origin(service, "concurrency"),
		    "[service %s]: %lld workers with concurrency %lld are more "
		    "than the %d requests at a time that a service can have",
		    service->name, (long long)workers, (long long)service->concurrency,
		    LEASES_MAX / 2);
}

/* Only what differs from a default: a dump names every key. */
static void
static_check(const struct config_service *service, struct config_errors *errors)
{
	const char *key = service->workers_max != 0 ? "workers_max" :
	    service->workers_min != 0		    ? "workers_min" :
						      NULL;

	if (key != NULL)
		config_error_add(errors, config_service_origin(service, key),
		    "[service %s]: %s has no meaning without scaling = dynamic or "
		    "ondemand",
		    service->name, key);
}

static void
scaling_check(const struct config_service *service, struct config_errors *errors)
{
	if (service->workers_max == 0)
		config_error_add(errors, config_service_origin(service, "scaling"),
		    "[service %s]: scaling needs workers_max", service->name);
	else if (service->workers_min > service->workers_max)
		config_error_add(errors, config_service_origin(service, "workers_min"),
		    "[service %s]: workers_min %lld is more than workers_max %lld",
		    service->name, (long long)service->workers_min,
		    (long long)service->workers_max);
	else if (config_starts_on_demand(service) && service->queue_limit == 0)
		config_error_add(errors, config_service_origin(service, "queue_limit"),
		    "[service %s]: with queue_limit 0 no request could wait for the "
		    "first worker of scaling = ondemand",
		    service->name);
}

static void
strength_check(const struct config_service *service, struct config_errors *errors)
{
	if (service->scaling == CONFIG_SCALING_STATIC)
		static_check(service, errors);
	else
		scaling_check(service, errors);
	if (service->mode == CONFIG_MODE_INHERIT && service->max_requests > 0)
		config_error_add(errors, config_service_origin(service, "max_requests"),
		    "[service %s]: nobody counts the requests of workers that "
		    "accept for themselves; use max_lifetime or max_memory",
		    service->name);
}

static void
breaker_check(const struct config_service *service, struct config_errors *errors)
{
	char time[CONFIG_NUMBER_SIZE], most[CONFIG_NUMBER_SIZE];

	if (service->breaker_status != 0 && service->breaker_status < 500)
		config_error_add(errors, config_service_origin(service, "breaker_status"),
		    "[service %s]: breaker_status = %lld is neither 0 nor 500 to 599: "
		    "what is below is no failure of the service",
		    service->name, (long long)service->breaker_status);
	if (service->breaker_time_ms <= service->breaker_max_time_ms)
		return;
	config_duration_format(service->breaker_time_ms, time);
	config_duration_format(service->breaker_max_time_ms, most);
	config_error_add(errors, config_service_origin(service, "breaker_time"),
	    "[service %s]: breaker_time = %s is more than breaker_max_time = %s",
	    service->name, time, most);
}

static void
slow_check(const struct config_service *service, struct config_errors *errors)
{
	if (service->trace_signal == SIGKILL)
		config_error_add(errors, config_service_origin(service, "trace_signal"),
		    "[service %s]: trace_signal = KILL would end a worker, not make it "
		    "tell what it does",
		    service->name);
}

void
config_check(struct config *config, struct config_errors *errors, bool incomplete)
{
	const struct config_language *language;
	struct config_service *service;

	listens_check(config, errors, incomplete);
	TAILQ_FOREACH (language, &config->languages, entry)
		required_check(CONFIG_LANGUAGE, language->name, language->at,
		    &language->origin, errors);
	config_languages_check(config, errors);
	TAILQ_FOREACH (service, &config->services, entry) {
		service->command_origin = *config_service_origin(service, "command");
		config_service_language_check(config, service, errors, incomplete);
		listeners_fill(config, service, errors, incomplete);
	}
	TAILQ_FOREACH (service, &config->services, entry) {
		listeners_check(config, service, errors, incomplete);
		routes_check(config, service, errors);
		inherit_check(service, errors);
		reload_signal_check(service, errors);
		size_check(service, errors);
		strength_check(service, errors);
		breaker_check(service, errors);
		config_health_check(service, errors);
		slow_check(service, errors);
	}
	config_trust_check(config, errors);
	config_control_check(config, errors);
}
