/* SPDX-License-Identifier: ISC */
#include "supervisor/config_set.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/access_format.h"
#include "common/endpoint.h"
#include "common/util.h"

static void *
slot_of(const struct config_key *key, void *object)
{
	return (char *)object + key->offset;
}

static void
string_store(void *slot, char *value)
{
	char **string = slot;

	free(*string);
	*string = value;
}

static char *
path_join(const char *dir, const char *path)
{
	while (path[0] == '.' && (path[1] == '/' || path[1] == '\0')) {
		path++;
		path += strspn(path, "/");
	}
	if (*path == '\0')
		return util_strdup(dir);
	return util_asprintf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, path);
}

char *
config_path_beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *dir, *cwd, *joined;

	if (path[0] == '/')
		return util_strdup(path);
	if (slash == NULL)
		dir = util_strdup(".");
	else
		dir = util_asprintf("%.*s", slash == file ? 1 : (int)(slash - file),
		    file);
	if (dir[0] != '/') {
		cwd = getcwd(NULL, 0);
		joined = path_join(cwd != NULL ? cwd : "/", dir);
		free(cwd);
		free(dir);
		dir = joined;
	}
	joined = path_join(dir, path);
	free(dir);
	return joined;
}

struct config_string *
config_strings_add(struct config_strings *list, const char *value,
    const struct config_origin *origin)
{
	struct config_string *string = util_alloc(sizeof(*string));

	string->value = util_strdup(value);
	string->origin = *origin;
	TAILQ_INSERT_TAIL(list, string, entry);
	return string;
}

void
config_strings_clear(struct config_strings *list)
{
	struct config_string *string;

	while ((string = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, string, entry);
		free(string->value);
		free(string);
	}
}

static bool
name_add(struct config_strings *list, const char *name,
    const struct config_origin *origin, char why[CONFIG_WHY_SIZE])
{
	struct config_string *other;

	if (!config_value_name(name, why))
		return false;
	TAILQ_FOREACH (other, list, entry) {
		if (strcmp(other->value, name) == 0) {
			snprintf(why, CONFIG_WHY_SIZE,
			    "'%s' is named twice: first at %.160s:%u", name,
			    other->origin.file, other->origin.line);
			return false;
		}
	}
	config_strings_add(list, name, origin);
	return true;
}

static bool
names_set(struct config_strings *list, const char *text,
    const struct config_origin *origin, char why[CONFIG_WHY_SIZE])
{
	char *copy = util_strdup(text), *rest = copy, *name;
	bool ok = true;

	while (ok && (name = strsep(&rest, ",")) != NULL) {
		name += strspn(name, " \t");
		name[strcspn(name, " \t")] = '\0';
		if (*name == '\0') {
			snprintf(why, CONFIG_WHY_SIZE, "there is a comma too much");
			ok = false;
		} else {
			ok = name_add(list, name, origin, why);
		}
	}
	free(copy);
	return ok;
}

/* White space within a name of a list is a forgotten comma. */
static bool
names_check(const char *text, char why[CONFIG_WHY_SIZE])
{
	for (const char *p = text; *p != '\0';) {
		size_t word = strcspn(p, ", \t");
		size_t space = strspn(p + word, " \t");

		p += word + space;
		if (*p != '\0' && *p != ',' && word > 0) {
			snprintf(why, CONFIG_WHY_SIZE, "names are separated by commas");
			return false;
		}
		if (*p == ',')
			p++;
	}
	return true;
}

/* Which words a kind of log knows beside paths. */
static const char *
log_words(enum config_type type)
{
	switch (type) {
	case CONFIG_OUTPUT:
		return "log, off";
	case CONFIG_ACCESS_LOG:
		return "stderr, syslog, off";
	default:
		return "stderr, syslog";
	}
}

static bool
is_one_of(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (const char *p = words; (p = strstr(p, text)) != NULL; p += len)
		if ((p == words || p[-1] == ' ') && (p[len] == ',' || p[len] == '\0'))
			return len > 0;
	return false;
}

/* "syslog:PATH", the socket of a daemon. */
static bool
syslog_set(char **slot, const char *text, const struct config_origin *origin,
    char why[CONFIG_WHY_SIZE])
{
	struct sockaddr_un addr;
	char *path = config_path_beside(origin->file, text + strlen("syslog:"));
	bool fits = strlen(path) < sizeof(addr.sun_path);

	if (fits)
		string_store(slot, util_asprintf("syslog:%s", path));
	else
		snprintf(why, CONFIG_WHY_SIZE, "the path of the socket is too long");
	free(path);
	return fits;
}

static bool
log_set(const struct config_key *key, char **slot, const char *text,
    const struct config_origin *origin, char why[CONFIG_WHY_SIZE])
{
	const char *words = log_words(key->type);
	/* what people may hope for, and would get as a file of that name */
	static const char *const no_files[] = { "off", "no", "none", "stdout", "stderr",
		"syslog", "log", "on", "yes" };

	if (*text == '\0' || is_one_of(words, text)) {
		string_store(slot, util_strdup(text));
		return true;
	}
	for (size_t i = 0; i < sizeof(no_files) / sizeof(no_files[0]); i++) {
		if (strcmp(text, no_files[i]) == 0) {
			snprintf(why, CONFIG_WHY_SIZE, "'%s' is not %s or a path", text,
			    words);
			return false;
		}
	}
	if (key->type != CONFIG_OUTPUT && strncmp(text, "syslog:", 7) == 0)
		return syslog_set(slot, text, origin, why);
	string_store(slot, config_path_beside(origin->file, text));
	return true;
}

static bool
export_set(char **slot, const char *text, const struct config_origin *origin,
    char why[CONFIG_WHY_SIZE])
{
	struct endpoint endpoint;
	const char *reason;
	char *path = NULL, *value;

	if (strncmp(text, "unix:", 5) == 0 && text[5] != '\0') {
		path = config_path_beside(origin->file, text + 5);
		value = util_asprintf("unix:%s", path);
	} else if (strcmp(text, "off") == 0 || strstr(text, ":") != NULL) {
		value = util_strdup(text);
	} else {
		value = config_path_beside(origin->file, text);
	}
	free(path);
	if (strcmp(value, "off") != 0 && !endpoint_parse(value, &endpoint, &reason)) {
		snprintf(why, CONFIG_WHY_SIZE, "'%.128s': %s", text, reason);
		free(value);
		return false;
	}
	string_store(slot, value);
	return true;
}

static const char *
format_name(const void *arg, size_t i)
{
	(void)arg;
	return access_format_name(i);
}

static bool
format_set(char **slot, const char *text, char why[CONFIG_WHY_SIZE])
{
	char unknown[ACCESS_WORD_SIZE], *reason;
	struct access_format *format;
	const char *near = NULL;

	if (*text != '\0') {
		format = access_format_compile(text, &reason, unknown);
		if (format == NULL) {
			if (*unknown != '\0')
				near = config_nearest(unknown, format_name, NULL);
			snprintf(why, CONFIG_WHY_SIZE, "%s%s%s%s", reason,
			    near != NULL ? "; did you mean '" : "",
			    near != NULL ? near : "", near != NULL ? "'?" : "");
			free(reason);
			return false;
		}
		access_format_free(format);
	}
	string_store(slot, util_strdup(text));
	return true;
}

static bool
address_set(char **slot, const char *text, const struct config_origin *origin,
    char why[CONFIG_WHY_SIZE])
{
	struct config_address address;
	const char *reason;
	char *value;

	if (strncmp(text, "unix:", 5) == 0 && text[5] != '/' && text[5] != '\0') {
		char *path = config_path_beside(origin->file, text + 5);

		value = util_asprintf("unix:%s", path);
		free(path);
	} else {
		value = util_strdup(text);
	}
	if (!config_address_parse(value, &address, &reason)) {
		snprintf(why, CONFIG_WHY_SIZE, "'%.128s': %s", text, reason);
		free(value);
		return false;
	}
	string_store(slot, value);
	return true;
}

static bool
route_set(struct config_routes *routes, const char *text,
    const struct config_origin *origin, char why[CONFIG_WHY_SIZE])
{
	struct config_route *route = util_alloc(sizeof(*route));
	char *copy = util_strdup(text), *weight = copy + strcspn(copy, " \t");
	bool ok;

	if (*weight != '\0') {
		*weight++ = '\0';
		weight += strspn(weight, " \t");
	}
	route->weight = CONFIG_WEIGHT_NONE;
	ok = (*weight == '\0' || config_value_weight(weight, &route->weight, why)) &&
	    config_value_route(copy, &route->host, &route->prefix, why);
	free(copy);
	if (!ok) {
		free(route);
		return false;
	}
	route->origin = *origin;
	TAILQ_INSERT_TAIL(routes, route, entry);
	return true;
}

static bool
env_set(struct config_envs *envs, const char *name, const char *text,
    const struct config_origin *origin, char why[CONFIG_WHY_SIZE])
{
	struct config_env *env;

	name += strlen("env.");
	if (!config_value_env_name(name, why))
		return false;
	TAILQ_FOREACH (env, envs, entry) {
		if (strcmp(env->name, name) == 0) {
			snprintf(why, CONFIG_WHY_SIZE,
			    "it was already given at %.160s:%u", env->origin.file,
			    env->origin.line);
			return false;
		}
	}
	env = util_alloc(sizeof(*env));
	env->name = util_strdup(name);
	env->value = util_strdup(text);
	env->origin = *origin;
	TAILQ_INSERT_TAIL(envs, env, entry);
	return true;
}

static bool
number_set(const struct config_key *key, int64_t *slot, const char *text,
    char why[CONFIG_WHY_SIZE])
{
	if (*text == '\0') {
		*slot = CONFIG_UNSET;
		return true;
	}
	if ((key->flags & CONFIG_KEY_UNLIMITED) && strcmp(text, "unlimited") == 0) {
		*slot = CONFIG_UNLIMITED;
		return true;
	}
	switch (key->type) {
	case CONFIG_DURATION:
		return config_value_duration(text, key->min, key->max, slot, why);
	case CONFIG_SIZE:
		return config_value_size(text, key->min, key->max, slot, why);
	case CONFIG_RATIO:
		return config_value_ratio(text, slot, why);
	case CONFIG_PERCENT:
		return config_value_percent(text, key->min, key->max, slot, why);
	case CONFIG_OCTAL:
		return config_value_octal(text, key->max, slot, why);
	default:
		return config_value_int(text, key->min, key->max, slot, why);
	}
}

static bool
cpus_set(char **slot, const char *text, char why[CONFIG_WHY_SIZE])
{
	cpu_set_t cpus;

	if (*text != '\0' && !config_value_cpus(text, &cpus, why))
		return false;
	string_store(slot, util_strdup(text));
	return true;
}

bool
config_key_set(const struct config_key *key, void *object, const char *name,
    const char *text, const struct config_origin *origin, char why[CONFIG_WHY_SIZE])
{
	void *slot = slot_of(key, object);
	char *path;

	if (*text == '\0' && !(key->flags & CONFIG_KEY_EMPTY)) {
		snprintf(why, CONFIG_WHY_SIZE, "there is no value");
		return false;
	}
	switch (key->type) {
	case CONFIG_TEXT:
	case CONFIG_COMMAND:
		string_store(slot, util_strdup(text));
		return true;
	case CONFIG_TEXTS:
		config_strings_add(slot, text, origin);
		return true;
	case CONFIG_NAMES:
		return names_check(text, why) && names_set(slot, text, origin, why);
	case CONFIG_PATH:
		string_store(slot,
		    *text == '\0' ? util_strdup("") :
				    config_path_beside(origin->file, text));
		return true;
	case CONFIG_PATHS:
		path = config_path_beside(origin->file, text);
		config_strings_add(slot, path, origin);
		free(path);
		return true;
	case CONFIG_LOG:
	case CONFIG_ACCESS_LOG:
	case CONFIG_OUTPUT:
		return log_set(key, slot, text, origin, why);
	case CONFIG_FORMAT:
		return format_set(slot, text, why);
	case CONFIG_EXPORT:
		return export_set(slot, text, origin, why);
	case CONFIG_CONTROL:
		string_store(slot,
		    *text == '\0' || strcmp(text, "off") == 0 ?
			util_strdup(text) :
			config_path_beside(origin->file, text));
		return true;
	case CONFIG_ADDRESS:
		return address_set(slot, text, origin, why);
	case CONFIG_BOOL:
		return config_value_bool(text, slot, why);
	case CONFIG_INT:
	case CONFIG_DURATION:
	case CONFIG_SIZE:
	case CONFIG_PERCENT:
	case CONFIG_RATIO:
	case CONFIG_OCTAL:
		return number_set(key, slot, text, why);
	case CONFIG_CPUS:
		return cpus_set(slot, text, why);
	case CONFIG_ENUM:
		return config_value_enum(text, key->choices, slot, why);
	case CONFIG_SIGNAL:
		return config_value_signal(text, key->min == 0, slot, why);
	case CONFIG_ROUTE:
		return route_set(slot, text, origin, why);
	case CONFIG_ENV:
		return env_set(slot, name, text, origin, why);
	case CONFIG_INCLUDE:
		break; /* the loader's */
	}
	return true;
}

static void
key_init(const struct config_key *key, void *object)
{
	static const struct config_origin nowhere = { "default", 0 };
	void *slot = slot_of(key, object);
	char why[CONFIG_WHY_SIZE];

	if (key->type == CONFIG_ROUTE)
		TAILQ_INIT((struct config_routes *)slot);
	else if (key->type == CONFIG_ENV)
		TAILQ_INIT((struct config_envs *)slot);
	else if (key->type == CONFIG_TEXTS || key->type == CONFIG_NAMES ||
	    key->type == CONFIG_PATHS)
		TAILQ_INIT((struct config_strings *)slot);
	else if (key->type == CONFIG_COMMAND || key->type == CONFIG_ADDRESS)
		string_store(slot, util_strdup(""));
	if (key->def != NULL &&
	    !config_key_set(key, object, key->name, key->def, &nowhere, why))
		errx(EX_SOFTWARE, "default of %s: %s", key->name, why);
}

void
config_section_init(enum config_section section, void *object)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].section == section &&
		    config_keys[i].type != CONFIG_INCLUDE)
			key_init(&config_keys[i], object);
}

static void
routes_clear(struct config_routes *routes)
{
	struct config_route *route;

	while ((route = TAILQ_FIRST(routes)) != NULL) {
		TAILQ_REMOVE(routes, route, entry);
		free(route->host);
		free(route->prefix);
		free(route);
	}
}

static void
envs_clear(struct config_envs *envs)
{
	struct config_env *env;

	while ((env = TAILQ_FIRST(envs)) != NULL) {
		TAILQ_REMOVE(envs, env, entry);
		free(env->name);
		free(env->value);
		free(env);
	}
}

static void
key_clear(const struct config_key *key, void *object)
{
	void *slot = slot_of(key, object);

	switch (key->type) {
	case CONFIG_TEXT:
	case CONFIG_COMMAND:
	case CONFIG_PATH:
	case CONFIG_LOG:
	case CONFIG_ACCESS_LOG:
	case CONFIG_OUTPUT:
	case CONFIG_FORMAT:
	case CONFIG_EXPORT:
	case CONFIG_CONTROL:
	case CONFIG_ADDRESS:
	case CONFIG_CPUS:
		string_store(slot, NULL);
		break;
	case CONFIG_TEXTS:
	case CONFIG_NAMES:
	case CONFIG_PATHS:
		config_strings_clear(slot);
		break;
	case CONFIG_ROUTE:
		routes_clear(slot);
		break;
	case CONFIG_ENV:
		envs_clear(slot);
		break;
	case CONFIG_BOOL:
	case CONFIG_INT:
	case CONFIG_DURATION:
	case CONFIG_SIZE:
	case CONFIG_PERCENT:
	case CONFIG_RATIO:
	case CONFIG_OCTAL:
	case CONFIG_ENUM:
	case CONFIG_SIGNAL:
	case CONFIG_INCLUDE:
		break;
	}
}

void
config_section_clear(enum config_section section, void *object)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].section == section)
			key_clear(&config_keys[i], object);
}
