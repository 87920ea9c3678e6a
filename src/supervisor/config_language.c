/* SPDX-License-Identifier: ISC */
#include "supervisor/config_language.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_set.h"
#include "supervisor/config_value.h"

/* What comes with poold.  A section of the same name takes its place. */
static const struct {
	const char *name, *command;
} shipped[] = {
	{ "c", "{app}" },
	{ "cgi", "poold-cgi --app {app}" },
};

/* Placeholders that are no keys. */
static const char *const special[] = { "app", "service", "dir", NULL };

struct config_language *
config_language_find(const struct config *config, const char *name)
{
	struct config_language *language;

	TAILQ_FOREACH (language, &config->languages, entry)
		if (strcmp(language->name, name) == 0)
			return language;
	return NULL;
}

struct config_language *
config_language_add(struct config *config, const char *name,
    const struct config_origin *origin)
{
	struct config_language *language = util_alloc(sizeof(*language));

	language->name = util_strdup(name);
	language->origin = *origin;
	config_section_init(CONFIG_LANGUAGE, language);
	TAILQ_INSERT_TAIL(&config->languages, language, entry);
	return language;
}

void
config_languages_free(struct config *config)
{
	struct config_language *language;

	while ((language = TAILQ_FIRST(&config->languages)) != NULL) {
		TAILQ_REMOVE(&config->languages, language, entry);
		config_section_clear(CONFIG_LANGUAGE, language);
		free(language->name);
		free(language);
	}
}

static const struct config_origin *
service_origin(const struct config_service *service, const char *key)
{
	const struct config_origin *at =
	    &service->at[config_key_index(config_key_find(CONFIG_SERVICE, key))];

	return at->file != NULL ? at : &service->origin;
}

static const struct config_origin *
language_origin(const struct config_language *language)
{
	const struct config_origin *at =
	    &language->at[config_key_index(config_key_find(CONFIG_LANGUAGE, "command"))];

	return at->file != NULL ? at : &language->origin;
}

/* --- placeholders ------------------------------------------------------- */

/* Whether a key has one value, which can stand within a word. */
static bool
key_is_single(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_TEXTS:
	case CONFIG_NAMES:
	case CONFIG_PATHS:
	case CONFIG_ROUTE:
	case CONFIG_COMMAND:
	case CONFIG_INCLUDE:
		return false;
	default: /* env.NAME too: the name says which one */
		return true;
	}
}

static const char *
special_next(const void *arg, size_t i)
{
	(void)arg;
	return special[i];
}

static bool
placeholder_known(const char *name)
{
	const struct config_key *key = config_key_find(CONFIG_SERVICE, name);

	for (size_t i = 0; special[i] != NULL; i++)
		if (strcmp(special[i], name) == 0)
			return true;
	return key != NULL && key_is_single(key);
}

/* The folder of the app. */
static char *
app_dir(const struct config_service *service)
{
	const char *slash = strrchr(service->app, '/');

	if (slash == NULL || slash == service->app)
		return util_strdup("/");
	return util_asprintf("%.*s", (int)(slash - service->app), service->app);
}

/* The folder that the workers start in, which is not filled in yet. */
static char *
start_dir(const struct config_service *service)
{
	if (service->chdir[0] != '\0')
		return util_strdup(service->chdir);
	if (service->limits.chroot[0] != '\0')
		return util_strdup("/");
	return config_path_beside(service->origin.file, ".");
}

/* The value of a placeholder that is known; NULL: the service has none.  The
 * caller frees it. */
static char *
placeholder_value(const struct config_service *service, const char *name)
{
	const struct config_env *env;

	if (strcmp(name, "service") == 0)
		return util_strdup(service->name);
	if (strcmp(name, "app") == 0)
		return service->app[0] != '\0' ? util_strdup(service->app) : NULL;
	if (strcmp(name, "dir") == 0)
		return service->app[0] != '\0' ? app_dir(service) : NULL;
	if (strcmp(name, "chdir") == 0)
		return start_dir(service);
	if (strncmp(name, "env.", 4) != 0)
		return config_key_text(config_key_find(CONFIG_SERVICE, name), service);
	TAILQ_FOREACH (env, &service->env, entry)
		if (strcmp(env->name, name + 4) == 0)
			return util_strdup(env->value);
	return NULL;
}

static bool
placeholder_check(const char *name, char why[CONFIG_WHY_SIZE])
{
	const char *nearest;

	if (placeholder_known(name))
		return true;
	nearest = config_nearest(name, special_next, NULL);
	if (nearest == NULL)
		nearest = config_key_nearest(CONFIG_SERVICE, name);
	if (nearest != NULL && placeholder_known(nearest))
		snprintf(why, CONFIG_WHY_SIZE,
		    "unknown placeholder '{%.60s}'; did you mean '{%s}'?", name, nearest);
	else
		snprintf(why, CONFIG_WHY_SIZE,
		    "unknown placeholder '{%.60s}'; '{{' stands for a '{'", name);
	return false;
}

/* Writes the value of a placeholder to out (NULL: only looks whether there can
 * be one). */
static bool
placeholder_write(const struct config_service *service, const char *name, FILE *out,
    char why[CONFIG_WHY_SIZE])
{
	char *value;

	if (!placeholder_check(name, why))
		return false;
	if (service == NULL)
		return true;
	value = placeholder_value(service, name);
	if (value == NULL) {
		snprintf(why, CONFIG_WHY_SIZE, "there is no '%.80s'",
		    strcmp(name, "dir") == 0 ? "app" : name);
		return false;
	}
	fputs(value, out);
	free(value);
	return true;
}

/*
 * One word of a language's command with its placeholders replaced, which the
 * caller frees; NULL with why.  service NULL: they are only looked at.
 */
static char *
word_expand(const struct config_service *service, const char *word,
    char why[CONFIG_WHY_SIZE])
{
	char *text = NULL, *name;
	bool good = true;
	size_t size, len;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		snprintf(why, CONFIG_WHY_SIZE, "out of memory");
		return NULL;
	}
	while (good && *word != '\0') {
		if (word[0] != '{' || word[1] == '{') {
			putc(*word, out);
			word += word[0] == '{' ? 2 : 1;
			continue;
		}
		len = strcspn(++word, "}");
		if (word[len] == '\0') {
			snprintf(why, CONFIG_WHY_SIZE,
			    "a '{' without a '}'; '{{' stands for a '{'");
			good = false;
			break;
		}
		name = util_asprintf("%.*s", (int)len, word);
		good = placeholder_write(service, name, out, why);
		free(name);
		word += len + 1;
	}
	fclose(out);
	if (good)
		return text;
	free(text);
	return NULL;
}

/* --- languages ---------------------------------------------------------- */

/* A program that lies beside the file is named by its whole path: the dump may be
 * read from elsewhere.  argv[0] is replaced. */
static void
program_absolute(struct config_language *language, char **argv)
{
	char *path;

	if (argv[0][0] == '/' || strchr(argv[0], '{') != NULL)
		return;
	path = config_path_beside(language_origin(language)->file, argv[0]);
	if (access(path, F_OK) == -1) {
		free(path);
		return;
	}
	free(argv[0]);
	argv[0] = path;
	free(language->command);
	language->command = config_argv_join(argv);
}

static void
language_check(struct config_language *language, struct config_errors *errors)
{
	char why[CONFIG_WHY_SIZE], *word;
	char **argv;

	if (language->command[0] == '\0')
		return; /* said already */
	if (!config_value_argv(language->command, &argv, why)) {
		config_error_add(errors, language_origin(language), "command: %s", why);
		return;
	}
	for (char **arg = argv; *arg != NULL; arg++) {
		if ((word = word_expand(NULL, *arg, why)) == NULL)
			config_error_add(errors, language_origin(language), "command: %s",
			    why);
		free(word);
	}
	program_absolute(language, argv);
	config_argv_free(argv);
}

void
config_languages_check(struct config *config, struct config_errors *errors)
{
	static const struct config_origin nowhere = { "default", 0 };
	struct config_language *language;

	TAILQ_FOREACH (language, &config->languages, entry)
		language_check(language, errors);
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		if (config_language_find(config, shipped[i].name) != NULL)
			continue;
		language = config_language_add(config, shipped[i].name, &nowhere);
		free(language->command);
		language->command = util_strdup(shipped[i].command);
	}
}

/* --- services ----------------------------------------------------------- */

static const char *
language_next(const void *arg, size_t i)
{
	const struct config *config = arg;
	const struct config_language *language;

	TAILQ_FOREACH (language, &config->languages, entry)
		if (i-- == 0)
			return language->name;
	return NULL;
}

static void
language_unknown(const struct config *config, const struct config_service *service,
    struct config_errors *errors)
{
	const char *nearest = config_nearest(service->language, language_next, config);

	config_error_add(errors, service_origin(service, "language"),
	    "[service %s]: there is no [language %s]%s%s%s", service->name,
	    service->language, nearest != NULL ? "; did you mean '" : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

/* Who is to blame when the program cannot be executed: who named it. */
static void
blame_set(struct config_service *service, const struct config_language *language,
    const char *program)
{
	if (strstr(program, "{app}") != NULL)
		service->command_origin = *service_origin(service, "app");
	else if (language->origin.line == 0)
		service->command_origin = *service_origin(service, "language");
	else
		service->command_origin = *language_origin(language);
}

/* The language's command becomes the service's.  Placeholders are replaced word
 * by word, so a path with a blank in it stays one word. */
static void
command_make(struct config_service *service, const struct config_language *language,
    struct config_errors *errors)
{
	char why[CONFIG_WHY_SIZE], unknown[CONFIG_WHY_SIZE], *word;
	char **argv;

	if (language->command[0] == '\0' ||
	    !config_value_argv(language->command, &argv, why))
		return; /* said by language_check */
	blame_set(service, language, argv[0]);
	for (char **arg = argv; *arg != NULL; arg++) {
		if ((word = word_expand(service, *arg, why)) == NULL) {
			/* unknown ones were reported with the language */
			char *probe = word_expand(NULL, *arg, unknown);

			if (probe != NULL)
				config_error_add(errors,
				    service_origin(service, "language"),
				    "[service %s]: %s, which [language %s] needs",
				    service->name, why, language->name);
			free(probe);
			config_argv_free(argv);
			return;
		}
		free(*arg);
		*arg = word;
	}
	free(service->command);
	service->command = config_argv_join(argv);
	config_argv_free(argv);
}

static void
app_check(const struct config_service *service, struct config_errors *errors)
{
	struct stat st;

	/* in a chroot the path is one of another tree */
	if (service->app[0] != '\0' && service->limits.chroot[0] == '\0' &&
	    stat(service->app, &st) == -1)
		config_error_add(errors, service_origin(service, "app"), "app: %s: %s",
		    service->app, strerror(errno));
}

void
config_service_language_check(const struct config *config, struct config_service *service,
    struct config_errors *errors, bool incomplete)
{
	const struct config_origin *command = service_origin(service, "command");
	bool own = command != &service->origin;
	const struct config_language *language;

	if (service->language[0] == '\0') {
		if (!own)
			config_error_add(errors, &service->origin,
			    "[service %s] has no 'command' and no 'language'",
			    service->name);
		if (service->app[0] != '\0')
			config_error_add(errors, service_origin(service, "app"),
			    "[service %s] has an 'app', which needs a 'language'",
			    service->name);
		return;
	}
	if (own) {
		config_error_add(errors, service_origin(service, "language"),
		    "[service %s] has a 'language' and, at %s:%u, a 'command': one of "
		    "them is enough",
		    service->name, command->file, command->line);
		return;
	}
	language = config_language_find(config, service->language);
	if (language == NULL && !incomplete)
		language_unknown(config, service, errors);
	if (language != NULL)
		command_make(service, language, errors);
	app_check(service, errors);
}
