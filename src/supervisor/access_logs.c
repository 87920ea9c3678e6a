/* SPDX-License-Identifier: ISC */
#include "supervisor/access_logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/roles.h"
#include "common/util.h"
#include "supervisor/logs.h"
#include "supervisor/supervisor.h"

#define SPANS_TEXT_SIZE 1152 /* an endpoint's path and more */

/* --- targets ----------------------------------------------------------- */

void
access_targets_init(struct access_targets *targets)
{
	TAILQ_INIT(&targets->list);
	targets->last_id = 0;
}

static struct access_target *
find(const struct access_targets *targets, const char *text)
{
	struct access_target *target;

	TAILQ_FOREACH (target, &targets->list, entry)
		if (strcmp(target->text, text) == 0)
			return target;
	return NULL;
}

void
access_targets_close(struct access_targets *targets)
{
	struct access_target *target;

	while ((target = TAILQ_FIRST(&targets->list)) != NULL) {
		TAILQ_REMOVE(&targets->list, target, entry);
		if (target->fd > STDERR_FILENO)
			close(target->fd);
		free(target->text);
		free(target);
	}
}

/* Opens text, if that was not done yet and is needed ("" is what others say). */
static char *
add(struct supervisor *supervisor, struct access_targets *fresh, const char *text)
{
	const struct access_target *before = find(&supervisor->logs.access, text);
	struct access_target *target;
	char *why;
	int fd;

	if (*text == '\0' || strcmp(text, "off") == 0 || find(fresh, text) != NULL)
		return NULL;
	why = logs_open_destination(supervisor, text, &fd);
	if (why != NULL)
		return why;
	target = util_alloc(sizeof(*target));
	target->text = util_strdup(text);
	target->id = before != NULL ? before->id : ++fresh->last_id;
	target->fd = fd;
	TAILQ_INSERT_TAIL(&fresh->list, target, entry);
	return NULL;
}

/* What trace_export is as a destination; false: off. */
static bool
spans_text(const struct config *config, char text[SPANS_TEXT_SIZE])
{
	snprintf(text, SPANS_TEXT_SIZE, "%s%s", LOG_DEST_SPANS, config->trace_export);
	return strcmp(config->trace_export, "off") != 0;
}

char *
access_targets_open(struct supervisor *supervisor, const struct config *config,
    struct access_targets *fresh)
{
	const struct config_listen *listen;
	const struct config_service *service;
	char *why, spans[SPANS_TEXT_SIZE];

	access_targets_init(fresh);
	fresh->last_id = supervisor->logs.access.last_id;
	why = add(supervisor, fresh, config->access_log);
	if (why == NULL && spans_text(config, spans))
		why = add(supervisor, fresh, spans);
	TAILQ_FOREACH (listen, &config->listens, entry)
		if (why == NULL)
			why = add(supervisor, fresh, listen->access_log);
	TAILQ_FOREACH (service, &config->services, entry)
		if (why == NULL)
			why = add(supervisor, fresh, service->access_log);
	if (why != NULL)
		access_targets_close(fresh);
	return why;
}

static bool
is_open(const struct access_targets *targets, const char *text)
{
	return *text == '\0' || strcmp(text, "off") == 0 || find(targets, text) != NULL;
}

bool
access_targets_named(const struct access_targets *targets, const struct config *config)
{
	const struct config_listen *listen;
	const struct config_service *service;
	char spans[SPANS_TEXT_SIZE];
	bool all = is_open(targets, config->access_log) &&
	    (!spans_text(config, spans) || find(targets, spans) != NULL);

	TAILQ_FOREACH (listen, &config->listens, entry)
		all = all && is_open(targets, listen->access_log);
	TAILQ_FOREACH (service, &config->services, entry)
		all = all && is_open(targets, service->access_log);
	return all;
}

/* --- what the router is told ------------------------------------------- */

void
access_targets_tell(struct link *link)
{
	const struct access_targets *targets = &link->supervisor->logs.access;
	const struct access_target *target;
	struct role_id role = { .type = ROLE_ACCESS_DEST };

	TAILQ_FOREACH (target, &targets->list, entry) {
		role.id = target->id;
		link_send(link, &role, sizeof(role), &target->fd, 1);
	}
}

static uint32_t
id_of(const struct link *link, const char *text)
{
	const struct access_target *target = find(&link->supervisor->logs.access, text);

	return target != NULL ? target->id : 0;
}

uint32_t
access_targets_spans(const struct link *link)
{
	char spans[SPANS_TEXT_SIZE];

	if (!spans_text(link->supervisor->plan->config, spans))
		return 0;
	return id_of(link, spans);
}

static void
tell(struct link *link, const struct role_access_rule *role, const char *format)
{
	size_t len = strlen(format);
	struct role_access_rule *msg = util_alloc(sizeof(*msg) + len);

	*msg = *role;
	msg->type = ROLE_ACCESS_RULE;
	msg->format_len = (uint32_t)len;
	memcpy(msg->format, format, len);
	link_send(link, msg, sizeof(*msg) + len, NULL, 0);
	free(msg);
}

/* first, unless that says nothing. */
static const char *
either(const char *first, const char *second)
{
	return *first != '\0' ? first : second;
}

static void
tell_listener(struct link *link, const struct listener *listener)
{
	const struct config *config = link->supervisor->plan->config;
	const struct config_listen *listen;
	struct role_access_rule role = { .listener = listener->id };

	TAILQ_FOREACH (listen, &config->listens, entry) {
		if (strcmp(listen->address, listener->text) != 0)
			continue;
		role.dest = id_of(link, either(listen->access_log, config->access_log));
		tell(link, &role,
		    either(listen->access_log_format, config->access_log_format));
		return;
	}
}

void
access_rules_tell(struct link *link)
{
	const struct config *config = link->supervisor->plan->config;
	const struct config_service *service;
	const struct listener *listener;

	TAILQ_FOREACH (listener, &link->supervisor->listeners, entry)
		tell_listener(link, listener);
	TAILQ_FOREACH (service, &config->services, entry) {
		struct role_access_rule role = { .dest = ROLE_ACCESS_INHERIT };

		if (*service->access_log == '\0' && *service->access_log_format == '\0')
			continue;
		if (*service->access_log != '\0')
			role.dest = id_of(link, service->access_log);
		strlcpy(role.service, service->name, sizeof(role.service));
		tell(link, &role, service->access_log_format);
	}
}
