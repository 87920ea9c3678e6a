/* SPDX-License-Identifier: ISC */
#include "supervisor/config_option.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_set.h"
#include "supervisor/config_value.h"

#define NAME_MAX_LEN 40
#define NAMES_MAX    64 /* options that a misspelt one is compared with */

enum option_type { OPTION_TEXT, OPTION_TEXTS, OPTION_PATH, OPTION_PATHS, OPTION_BOOL };
static const char *const type_words[] = {
	[OPTION_TEXT] = "text",
	[OPTION_TEXTS] = "texts",
	[OPTION_PATH] = "path",
	[OPTION_PATHS] = "paths",
	[OPTION_BOOL] = "bool",
	NULL,
};

struct option {
	char name[NAME_MAX_LEN + 1];
	unsigned type; /* enum option_type */
};

/* --- what a language declares ------------------------------------------- */

/* Takes "NAME TYPE" apart. */
static bool
option_parse(const char *text, struct option *option, char why[CONFIG_WHY_SIZE])
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
	const char *type = text + len + strspn(text + len, " \t");

	if (len == 0 || len > NAME_MAX_LEN || (text[len] != '\0' && type == text + len)) {
		snprintf(why, CONFIG_WHY_SIZE,
		    "'%.80s' does not begin with the name of a key: small letters, "
		    "digits and '_', at most %d",
		    text, NAME_MAX_LEN);
		return false;
	}
	memcpy(option->name, text, len);
	option->name[len] = '\0';
	return config_value_enum(type, type_words, &option->type, why);
}

static bool
option_find(const struct config_language *language, const char *name,
    struct option *option)
{
	const struct config_string *declared;
	char why[CONFIG_WHY_SIZE];

	if (language == NULL)
		return false;
	TAILQ_FOREACH (declared, &language->options, entry)
		if (option_parse(declared->value, option, why) &&
		    strcmp(option->name, name) == 0)
			return true;
	return false;
}

void
config_options_check(const struct config_language *language, struct config_errors *errors)
{
	const struct config_string *declared, *other;
	char why[CONFIG_WHY_SIZE];
	struct option option, earlier;

	TAILQ_FOREACH (declared, &language->options, entry) {
		if (!option_parse(declared->value, &option, why)) {
			config_error_add(errors, &declared->origin, "option: %s", why);
			continue;
		}
		if (config_key_find(CONFIG_SERVICE, option.name) != NULL)
			config_error_add(errors, &declared->origin,
			    "option: '%s' is a key of all services", option.name);
		TAILQ_FOREACH (other, &language->options, entry) {
			if (other == declared)
				break;
			if (option_parse(other->value, &earlier, why) &&
			    strcmp(option.name, earlier.name) == 0)
				config_error_add(errors, &declared->origin,
				    "option: '%s' is given twice: first at %s:%u",
				    option.name, other->origin.file, other->origin.line);
		}
	}
}

/* --- what a service says ------------------------------------------------ */

void
config_option_keep(struct config_service *service, const char *name, const char *value,
    const struct config_origin *origin)
{
	struct config_env *kept = util_alloc(sizeof(*kept));

	kept->name = util_strdup(name);
	kept->value = util_strdup(value);
	kept->origin = *origin;
	TAILQ_INSERT_TAIL(&service->options, kept, entry);
}

void
config_options_clear(struct config_envs *options)
{
	struct config_env *kept;

	while ((kept = TAILQ_FIRST(options)) != NULL) {
		TAILQ_REMOVE(options, kept, entry);
		free(kept->name);
		free(kept->value);
		free(kept);
	}
}

struct names {
	enum config_section section;
	size_t count; /* of options, those that fit */
	struct option options[NAMES_MAX];
};

/* The names of the keys of a section, then those of the language's options. */
static const char *
name_next(const void *arg, size_t i)
{
	const struct names *names = arg;

	for (size_t k = 0; k < config_key_count; k++)
		if (config_keys[k].section == names->section && i-- == 0)
			return config_keys[k].name;
	return i < names->count ? names->options[i].name : NULL;
}

static void
names_fill(struct names *names, const struct config_language *language)
{
	const struct config_string *declared;
	char why[CONFIG_WHY_SIZE];

	if (language == NULL)
		return;
	TAILQ_FOREACH (declared, &language->options, entry)
		if (names->count < NAMES_MAX &&
		    option_parse(declared->value, &names->options[names->count], why))
			names->count++;
}

void
config_key_unknown(struct config_errors *errors, const struct config_origin *origin,
    enum config_section section, const char *section_text, const char *name,
    const struct config_language *language)
{
	struct names names = { .section = section };
	const char *nearest;

	names_fill(&names, language);
	nearest = config_nearest(name, name_next, &names);
	if (nearest != NULL) {
		config_error_add(errors, origin,
		    "unknown key '%s' in %s; did you mean '%s'?", name, section_text,
		    nearest);
		return;
	}
	for (enum config_section s = CONFIG_POOLD; s <= CONFIG_LANGUAGE; s++) {
		if (config_key_find(s, name) == NULL)
			continue;
		config_error_add(errors, origin,
		    "unknown key '%s' in %s; it belongs in [%s%s]", name, section_text,
		    config_section_word(s), s == CONFIG_POOLD ? "" : " NAME");
		return;
	}
	config_error_add(errors, origin, "unknown key '%s' in %s", name, section_text);
}

static void
option_unknown(const struct config *config, const struct config_language *language,
    const struct config_service *service, const struct config_env *kept,
    struct config_errors *errors)
{
	const struct config_language *other;
	struct option option;
	char *section;

	TAILQ_FOREACH (other, &config->languages, entry) {
		if (!option_find(other, kept->name, &option))
			continue;
		config_error_add(errors, &kept->origin,
		    "unknown key '%s' in [service %s]; it is one of services with "
		    "'language = %s'",
		    kept->name, service->name, other->name);
		return;
	}
	section = util_asprintf("[service %s]", service->name);
	config_key_unknown(errors, &kept->origin, CONFIG_SERVICE, section, kept->name,
	    language);
	free(section);
}

static bool
option_is_repeated(const struct config_service *service, const struct config_env *kept,
    struct config_errors *errors)
{
	const struct config_env *other;

	TAILQ_FOREACH (other, &service->options, entry) {
		if (other == kept)
			return false;
		if (strcmp(other->name, kept->name) != 0)
			continue;
		config_error_add(errors, &kept->origin,
		    "the key '%s' is given twice: first at %s:%u", kept->name,
		    other->origin.file, other->origin.line);
		return true;
	}
	return false;
}

static void
option_value_set(struct config_env *kept, const struct option *option,
    struct config_errors *errors)
{
	char why[CONFIG_WHY_SIZE], *value;
	bool yes;

	if (*kept->value == '\0') {
		config_error_add(errors, &kept->origin, "%s: there is no value",
		    kept->name);
	} else if (option->type == OPTION_BOOL) {
		if (config_value_bool(kept->value, &yes, why))
			value = util_strdup(yes ? "yes" : "no");
		else {
			config_error_add(errors, &kept->origin, "%s: %s", kept->name,
			    why);
			return;
		}
		free(kept->value);
		kept->value = value;
	} else if (option->type == OPTION_PATH || option->type == OPTION_PATHS) {
		value = config_path_beside(kept->origin.file, kept->value);
		free(kept->value);
		kept->value = value;
	}
}

void
config_service_options_check(const struct config *config,
    const struct config_language *language, struct config_service *service,
    struct config_errors *errors)
{
	struct config_env *kept;
	struct option option;

	TAILQ_FOREACH (kept, &service->options, entry) {
		if (!option_find(language, kept->name, &option))
			option_unknown(config, language, service, kept, errors);
		else if (option.type == OPTION_PATHS || option.type == OPTION_TEXTS ||
		    !option_is_repeated(service, kept, errors))
			option_value_set(kept, &option, errors);
	}
}

bool
config_option_is_paths(const struct config_language *language, const char *name)
{
	struct option option;

	return option_find(language, name, &option) && option.type == OPTION_PATHS;
}

void
config_word_append(char ***argv, size_t *count, char *word)
{
	char **longer = util_alloc((*count + 2) * sizeof(*longer));

	if (*count > 0)
		memcpy(longer, *argv, *count * sizeof(*longer));
	free(*argv);
	*argv = longer;
	longer[(*count)++] = word;
}

void
config_options_append(const struct config_language *language,
    const struct config_service *service, char ***argv, size_t *count)
{
	const struct config_env *kept;
	struct option option;
	char *name;

	TAILQ_FOREACH (kept, &service->options, entry) {
		if (!option_find(language, kept->name, &option) ||
		    (option.type == OPTION_BOOL && strcmp(kept->value, "yes") != 0))
			continue;
		name = util_strdup(kept->name);
		for (char *p = name; (p = strchr(p, '_')) != NULL;)
			*p = '-';
		config_word_append(argv, count,
		    option.type == OPTION_BOOL ?
			util_asprintf("--%s", name) :
			util_asprintf("--%s=%s", name, kept->value));
		free(name);
	}
}
