/* SPDX-License-Identifier: ISC */
#include "supervisor/reload_listeners.h"

#include <string.h>

#include "common/log.h"
#include "supervisor/config.h"
#include "supervisor/supervisor.h"

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

char *
reload_open_listeners(struct supervisor *supervisor, const struct config *config)
{
	struct config_listen *listen;
	struct listener *listener;
	char *why;

	TAILQ_FOREACH (listen, &config->listens, entry) {
		if (listener_by_address(&supervisor->listeners, listen->address) != NULL)
			continue;
		listener = listener_open(listen, ++supervisor->next_id,
		    &supervisor->inherited, &why);
		if (listener == NULL)
			return why;
		TAILQ_INSERT_TAIL(&supervisor->listeners, listener, entry);
		/* before any worker has it, and sets it as it likes */
		listener_set_routed(listener, is_routed(config, listen->name));
	}
	return NULL;
}

/* A socket that whoever started us has too cannot be bound again: it is kept,
 * should a later configuration name its address. */
static void
close_listener(struct supervisor *supervisor, struct listener *listener)
{
	TAILQ_REMOVE(&supervisor->listeners, listener, entry);
	if (listener->inherited) {
		inherited_keep(&supervisor->inherited, listener->fd);
		listener->fd = -1;
	}
	listener_close(listener);
}

void
reload_close_fresh(struct supervisor *supervisor)
{
	struct listener *listener, *next;

	TAILQ_FOREACH_SAFE (listener, &supervisor->listeners, entry, next)
		if (listener->fresh)
			close_listener(supervisor, listener);
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

void
reload_switch_listeners(struct supervisor *supervisor, const struct config *config,
    bool keep_rest)
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
		if (keep_rest)
			continue;
		log_info("listener %s (%s) is closed", listener->name, listener->text);
		if (listener->routed)
			link_remove_listener(&supervisor->link, listener);
		close_listener(supervisor, listener);
	}
}
