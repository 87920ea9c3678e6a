/* SPDX-License-Identifier: ISC */
/* The effective configuration as text that reads back to the same. */
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_read.h"
#include "supervisor/config_set.h"
#include "supervisor/config_value.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Whether a line that goes on with a value may begin with text. */
static bool
may_begin_line(const char *text)
{
	return !is_blank(*text) && strchr(";#", *text) == NULL &&
	    !config_line_is_key(text);
}

/*
 * How much of text to put on a line of at most max bytes, when not all of it
 * fits: up to a single space, which the line's end replaces, or, *glued, up to
 * any other place, where a backslash says that there is none.  No value has so
 * many bytes in a row that may not begin a line (CONFIG_RUN_MAX) that there is
 * no such place.
 */
static size_t
line_break(const char *text, size_t max, bool *glued)
{
	*glued = false;
	for (size_t n = max; n > 0; n--)
		if (text[n] == ' ' && !is_blank(text[n - 1]) && text[n - 1] != '\\' &&
		    may_begin_line(text + n + 1))
			return n;
	*glued = true;
	for (size_t n = max - 1; n > 0; n--)
		if (may_begin_line(text + n))
			return n;
	return 0;
}

/* As many lines as it takes. */
static void
lines_write(FILE *out, const char *name, const char *text)
{
	size_t room = CONFIG_LINE_MAX - strlen(name) - strlen(" = ");
	const char *p;

	fprintf(out, "%s =%s", name, *text == '\0' ? "" : " ");
	for (p = text; strlen(p) > room; room = CONFIG_LINE_MAX - 1) {
		bool glued;
		size_t n = line_break(p, room, &glued);

		if (n == 0)
			break;
		fprintf(out, "%.*s%s\n\t", (int)n, p, glued ? "\\" : "");
		p += glued ? n : n + 1;
	}
	fprintf(out, "%s\n", p);
}

static void
pair_write(FILE *out, const char *name, const char *value)
{
	/* a dollar sign would begin a variable */
	char *text = util_alloc(2 * strlen(value) + 1), *o = text;

	for (; *value != '\0'; value++) {
		if (*value == '$')
			*o++ = '$';
		*o++ = *value;
	}
	lines_write(out, name, text);
	free(text);
}

static void
names_write(FILE *out, const char *name, const struct config_strings *list)
{
	const struct config_string *string;
	char *text = NULL;
	size_t size;
	FILE *f;

	if (TAILQ_EMPTY(list) || (f = open_memstream(&text, &size)) == NULL)
		return;
	TAILQ_FOREACH (string, list, entry)
		fprintf(f, "%s%s", string->value,
		    TAILQ_NEXT(string, entry) != NULL ? ", " : "");
	fclose(f);
	pair_write(out, name, text);
	free(text);
}

static void
envs_write(FILE *out, const struct config_envs *envs)
{
	const struct config_env *env;

	TAILQ_FOREACH (env, envs, entry) {
		char *name = util_asprintf("env.%s", env->name);

		pair_write(out, name, env->value);
		free(name);
	}
}

/* The keys that its language has added. */
static void
options_write(FILE *out, const struct config_envs *options)
{
	const struct config_env *option;

	TAILQ_FOREACH (option, options, entry)
		pair_write(out, option->name, option->value);
}

static void
routes_write(FILE *out, const char *name, const struct config_routes *routes)
{
	const struct config_route *route;

	TAILQ_FOREACH (route, routes, entry) {
		char *text = util_asprintf("%s%s", route->host, route->prefix), *all;

		if (route->weight == CONFIG_WEIGHT_NONE) {
			pair_write(out, name, text);
		} else {
			all = util_asprintf("%s weight=%lld", text,
			    (long long)route->weight);
			pair_write(out, name, all);
			free(all);
		}
		free(text);
	}
}

static void
strings_write(FILE *out, const char *name, const struct config_strings *list)
{
	const struct config_string *string;

	TAILQ_FOREACH (string, list, entry)
		pair_write(out, name, string->value);
}

static char *
number_text(const struct config_key *key, int64_t value)
{
	char text[CONFIG_NUMBER_SIZE];

	if ((key->flags & CONFIG_KEY_EMPTY) && value == CONFIG_UNSET)
		return util_strdup("");
	if ((key->flags & CONFIG_KEY_UNLIMITED) && value == CONFIG_UNLIMITED)
		return util_strdup("unlimited");
	if (key->type == CONFIG_PERCENT)
		return util_asprintf("%lld%%", (long long)value);
	if (key->type == CONFIG_OCTAL)
		return util_asprintf("%04llo", (long long)value);
	if (key->type == CONFIG_INT)
		return util_asprintf("%lld", (long long)value);
	if (key->type == CONFIG_RATIO)
		config_ratio_format(value, text);
	else if (key->type == CONFIG_DURATION)
		config_duration_format(value, text);
	else
		config_size_format(value, text);
	return util_strdup(text);
}

char *
config_key_text(const struct config_key *key, const void *object)
{
	const void *slot = (const char *)object + key->offset;

	switch (key->type) {
	case CONFIG_TEXT:
	case CONFIG_PATH:
	case CONFIG_LOG:
	case CONFIG_ACCESS_LOG:
	case CONFIG_OUTPUT:
	case CONFIG_FORMAT:
	case CONFIG_EXPORT:
	case CONFIG_CONTROL:
	case CONFIG_ADDRESS:
	case CONFIG_COMMAND:
	case CONFIG_CPUS:
		return util_strdup(*(char *const *)slot);
	case CONFIG_BOOL:
		return util_strdup(*(const bool *)slot ? "yes" : "no");
	case CONFIG_INT:
	case CONFIG_DURATION:
	case CONFIG_SIZE:
	case CONFIG_PERCENT:
	case CONFIG_RATIO:
	case CONFIG_OCTAL:
		return number_text(key, *(const int64_t *)slot);
	case CONFIG_ENUM:
		return util_strdup(key->choices[*(const unsigned *)slot]);
	case CONFIG_SIGNAL:
		return util_strdup(config_signal_name(*(const int *)slot));
	default:
		return NULL;
	}
}

static void
key_write(FILE *out, const struct config_key *key, const void *object)
{
	const void *slot = (const char *)object + key->offset;
	char *text;

	switch (key->type) {
	case CONFIG_TEXTS:
	case CONFIG_PATHS:
		strings_write(out, key->name, slot);
		break;
	case CONFIG_NAMES:
		names_write(out, key->name, slot);
		break;
	case CONFIG_ROUTE:
		routes_write(out, key->name, slot);
		break;
	case CONFIG_ENV:
		envs_write(out, slot);
		break;
	case CONFIG_FORMAT:
		lines_write(out, key->name, *(char *const *)slot);
		break;
	case CONFIG_INCLUDE:
		break; /* what was included is in the dump itself */
	default:
		text = config_key_text(key, object);
		/* the command of a service with a language is not its own */
		if (*text != '\0' || (key->flags & CONFIG_KEY_EMPTY))
			pair_write(out, key->name, text);
		free(text);
		break;
	}
}

/* Keys with one of the flags in without are left out. */
static void
keys_write(FILE *out, enum config_section section, const void *object, unsigned without)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].section == section &&
		    (config_keys[i].flags & without) == 0)
			key_write(out, &config_keys[i], object);
}

/* A copy with what is inherited filled in; only the keys may be looked at, and
 * *command, *user and *group are the caller's to free. */
static struct config_service
service_effective(const struct config *config, const struct config_service *service)
{
	struct config_service copy = *service;
	struct config_account account;
	char *why;

	/* config_check has seen that the account can be found */
	if (config_service_account(config, service, &account, &why))
		copy.user = util_strdup(account.name);
	else
		copy.user = util_strdup(service->user);
	free(why);
	config_account_free(&account);
	copy.group = util_strdup(service->group[0] == '\0' && service->user[0] == '\0' ?
		config->group :
		service->group);
	copy.command = config_argv_join(service->argv);
	return copy;
}

/* What its language made the command of a service is only in the text by which
 * two services are compared. */
static void
service_write(FILE *out, const struct config *config,
    const struct config_service *service, unsigned without, bool compare)
{
	struct config_service effective = service_effective(config, service);

	if (!compare && service->language[0] != '\0')
		effective.command[0] = '\0';
	if (service->mode == CONFIG_MODE_INHERIT)
		without |= CONFIG_KEY_LEASE;
	fprintf(out, "[service %s]\n", service->name);
	keys_write(out, CONFIG_SERVICE, &effective, without);
	options_write(out, &effective.options);
	free(effective.user);
	free(effective.group);
	free(effective.command);
}

static void
head_write(FILE *out, const struct config *config)
{
	struct config effective = *config;
	struct config_account account;
	const struct config_listen *listen;
	const struct config_language *language;
	char *why;

	if (config_router_account(config, &account, &why))
		effective.user = account.name;
	free(why);
	fprintf(out, "[poold]\n");
	keys_write(out, CONFIG_POOLD, &effective, 0);
	config_account_free(&account);
	TAILQ_FOREACH (listen, &config->listens, entry) {
		fprintf(out, "\n[listen %s]\n", listen->name);
		keys_write(out, CONFIG_LISTEN, listen, 0);
	}
	TAILQ_FOREACH (language, &config->languages, entry) {
		fprintf(out, "\n[language %s]\n", language->name);
		keys_write(out, CONFIG_LANGUAGE, language, 0);
	}
}

void
config_dump(const struct config *config, FILE *out)
{
	const struct config_service *service;

	head_write(out, config);
	TAILQ_FOREACH (service, &config->services, entry) {
		fprintf(out, "\n");
		service_write(out, config, service, 0, false);
	}
}

void
config_dump_service(const struct config *config, const struct config_service *service,
    FILE *out)
{
	head_write(out, config);
	fprintf(out, "\n");
	service_write(out, config, service, 0, false);
}

char *
config_service_text(const struct config *config, const struct config_service *service)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	service_write(out, config, service, CONFIG_KEY_LIVE, true);
	fclose(out);
	return text;
}
