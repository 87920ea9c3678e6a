/* SPDX-License-Identifier: ISC */
#include "supervisor/config_language.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_option.h"
#include "supervisor/config_set.h"
#include "supervisor/config_value.h"

/* What comes with poold.  A section of the same name takes its place. */
#define OPTIONS_MAX 12
static const struct {
	const char *name, *command;
	enum config_app app;
	bool preload;
	int64_t concurrency; /* of services that do not say; 0: as of all */
	const char *options[OPTIONS_MAX + 1]; /* NULL at their end */
} shipped[] = {
	{ "c", "{app}", CONFIG_APP_PATH, false, 0, { NULL } },
	{ "cgi", "poold-cgi --app {app}", CONFIG_APP_PATH, false, 0, { NULL } },
	{ "csharp", "poold-csharp {app}", CONFIG_APP_PATH, false, 0, { NULL } },
	{ "fastcgi", "poold-fastcgi {options} --app {app}", CONFIG_APP_PATH, false, 0,
	    { "argument texts", "document_root path", NULL } },
	{ "node", "poold-node {options} {app}", CONFIG_APP_PATH, false, 64,
	    { "interpreter text", "node_option texts", "argument texts", NULL } },
	{ "php", "poold-fastcgi {options} --php {app}", CONFIG_APP_PATH, false, 0,
	    { "root path", "index texts", "front_controller text", "extension texts",
		"only_scripts bool", "follow_links bool", "interpreter text",
		"php_ini path", "php_option texts", NULL } },
	{ "python", "poold-python {options} --app {app}", CONFIG_APP_MODULE, true, 0,
	    { "python_path paths", "virtualenv path", "factory bool", "interface text",
		NULL } },
};

/* Placeholders that are no keys.  The last one stands for several words. */
#define OPTIONS "{options}"
static const char *const special[] = { "app", "service", "dir", "options", NULL };

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
language_origin(const struct config_language *language)
{
	const struct config_origin *at = config_key_origin(CONFIG_LANGUAGE, "command",
	    language->at);

	return at != NULL ? at : &language->origin;
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
		return service->app[0] == '\0' ? NULL :
		    service->app[0] == '/'     ? app_dir(service) :
						 start_dir(service);
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

	if (strcmp(name, "options") == 0) {
		snprintf(why, CONFIG_WHY_SIZE, "'" OPTIONS "' is a word of its own");
		return false;
	}
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
	bool has_options = false;
	char **argv;

	config_options_check(language, errors);
	if (language->command[0] == '\0')
		return; /* said already */
	if (!config_value_argv(language->command, &argv, why)) {
		config_error_add(errors, language_origin(language), "command: %s", why);
		return;
	}
	for (char **arg = argv; *arg != NULL; arg++) {
		if (arg != argv && strcmp(*arg, OPTIONS) == 0) {
			has_options = true;
			continue;
		}
		if ((word = word_expand(NULL, *arg, why)) == NULL)
			config_error_add(errors, language_origin(language), "command: %s",
			    why);
		free(word);
	}
	if (!TAILQ_EMPTY(&language->options) && !has_options)
		config_error_add(errors, &TAILQ_FIRST(&language->options)->origin,
		    "[language %s] has an 'option', but no word " OPTIONS
		    " in its 'command'",
		    language->name);
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
		language->app = shipped[i].app;
		language->concurrency = shipped[i].concurrency;
		language->preload = shipped[i].preload;
		for (const char *const *o = shipped[i].options; *o != NULL; o++)
			config_strings_add(&language->options, *o, &nowhere);
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

	config_error_add(errors, config_service_origin(service, "language"),
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
		service->command_origin = *config_service_origin(service, "app");
	else if (language->origin.line == 0)
		service->command_origin = *config_service_origin(service, "language");
	else
		service->command_origin = *language_origin(language);
}

static void
command_error(const struct config_service *service,
    const struct config_language *language, const char *word, const char *why,
    struct config_errors *errors)
{
	char unknown[CONFIG_WHY_SIZE], *probe = word_expand(NULL, word, unknown);

	/* unknown ones were reported with the language */
	if (probe != NULL)
		config_error_add(errors, config_service_origin(service, "language"),
		    "[service %s]: %s, which [language %s] needs", service->name, why,
		    language->name);
	free(probe);
}

/* The language's command becomes the service's.  Placeholders are replaced word
 * by word, so a path with a blank in it stays one word. */
static void
command_make(struct config_service *service, const struct config_language *language,
    struct config_errors *errors)
{
	char why[CONFIG_WHY_SIZE], *word;
	char **argv, **words = NULL;
	size_t count = 0;
	bool good = true;

	if (language->command[0] == '\0' ||
	    !config_value_argv(language->command, &argv, why))
		return; /* said by language_check */
	blame_set(service, language, argv[0]);
	for (char **arg = argv; good && *arg != NULL; arg++) {
		if (arg != argv && strcmp(*arg, OPTIONS) == 0) {
			config_options_append(language, service, &words, &count);
		} else if ((word = word_expand(service, *arg, why)) != NULL) {
			config_word_append(&words, &count, word);
		} else {
			command_error(service, language, *arg, why, errors);
			good = false;
		}
	}
	if (good) {
		free(service->command);
		service->command = config_argv_join(words);
	}
	config_argv_free(words);
	config_argv_free(argv);
}

/* --- the app ------------------------------------------------------------ */

/* Whether an app is named by its path.  A module is so only as a file that is
 * there: "hello.py", "hello.py:app". */
static bool
app_is_path(const struct config_service *service, const struct config_language *language)
{
	size_t len = strcspn(service->app, ":");
	char *path, *name;
	bool is_file;

	if (language == NULL || language->app == CONFIG_APP_PATH ||
	    strchr(service->app, '/') != NULL)
		return true;
	name = util_asprintf("%.*s", (int)len, service->app);
	path = config_path_beside(config_service_origin(service, "app")->file, name);
	is_file = access(path, F_OK) == 0;
	free(name);
	free(path);
	return is_file;
}

/* The path in an app, without the name of what is in there. */
static char *
app_path(const struct config_service *service, const struct config_language *language)
{
	const char *colon = strrchr(service->app, ':');

	if (language == NULL || language->app == CONFIG_APP_PATH || colon == NULL ||
	    strchr(colon, '/') != NULL)
		return util_strdup(service->app);
	return util_asprintf("%.*s", (int)(colon - service->app), service->app);
}

static void
app_file_add(struct config_service *service, const char *path)
{
	config_strings_add(&service->app_files, path,
	    config_service_origin(service, "app"));
}

/* Adds what a module may lie in below dir: "a.b:c" in the folder a, or in a file
 * a.EXT.  Which of them there is shows when it is looked at. */
static void
module_add(struct config_service *service, const char *dir)
{
	size_t len = strcspn(service->app, ".:");
	char *folder = util_asprintf("%s/%.*s", dir, (int)len, service->app);
	char *file = util_asprintf("%s.py", folder);

	app_file_add(service, folder);
	app_file_add(service, file);
	free(file);
	free(folder);
}

/* Where a module is looked for: the folders of the options of type "paths", then
 * that in which the workers start. */
static void
module_find(struct config_service *service, const struct config_language *language)
{
	const struct config_env *kept;
	char *dir = start_dir(service);

	TAILQ_FOREACH (kept, &service->options, entry)
		if (config_option_is_paths(language, kept->name))
			module_add(service, kept->value);
	module_add(service, dir);
	free(dir);
}

static void
app_check(struct config_service *service, const struct config_language *language,
    struct config_errors *errors)
{
	const struct config_origin *origin = config_service_origin(service, "app");
	char *path;
	struct stat st;

	if (service->app[0] == '\0')
		return;
	if (!app_is_path(service, language)) {
		module_find(service, language);
		return;
	}
	path = config_path_beside(origin->file, service->app);
	free(service->app);
	service->app = path;
	path = app_path(service, language);
	app_file_add(service, path);
	/* in a chroot the path is one of another tree */
	if (service->limits.chroot[0] == '\0' && stat(path, &st) == -1)
		config_error_add(errors, origin, "app: %s: %s", path, strerror(errno));
	free(path);
}

/* A service that says nothing does as its language does, where that is possible. */
static void
preload_choose(struct config_service *service, const struct config_language *language)
{
	if (config_service_origin(service, "preload") == &service->origin)
		service->preload = language->preload &&
		    service->mode == CONFIG_MODE_LEASE;
}

void
config_service_language_check(const struct config *config, struct config_service *service,
    struct config_errors *errors, bool incomplete)
{
	const struct config_origin *command = config_service_origin(service, "command");
	bool own = command != &service->origin;
	const struct config_language *language;

	language = service->language[0] == '\0' ?
	    NULL :
	    config_language_find(config, service->language);
	if (language != NULL || !incomplete || service->language[0] == '\0')
		config_service_options_check(config, language, service, errors);
	if (service->language[0] == '\0') {
		if (!own)
			config_error_add(errors, &service->origin,
			    "[service %s] has no 'command' and no 'language'",
			    service->name);
		if (service->app[0] != '\0')
			config_error_add(errors, config_service_origin(service, "app"),
			    "[service %s] has an 'app', which needs a 'language'",
			    service->name);
		return;
	}
	if (own) {
		config_error_add(errors, config_service_origin(service, "language"),
		    "[service %s] has a 'language' and, at %s:%u, a 'command': one of "
		    "them is enough",
		    service->name, command->file, command->line);
		return;
	}
	if (language == NULL && !incomplete)
		language_unknown(config, service, errors);
	app_check(service, language, errors);
	if (language == NULL)
		return;
	preload_choose(service, language);
	if (language->concurrency != 0 &&
	    config_service_origin(service, "concurrency") == &service->origin)
		service->concurrency = language->concurrency;
	command_make(service, language, errors);
}
