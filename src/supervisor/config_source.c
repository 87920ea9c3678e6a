/* SPDX-License-Identifier: ISC */
/*
 * The counting reader (config_read.h) feeds inih, which calls back for each key and
 * each line that goes on with its value; a value is stored when the next key, section
 * or the end of the file shows that it is whole.
 */
#include "supervisor/config_source.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "supervisor/config_language.h"
#include "supervisor/config_option.h"
#include "supervisor/config_set.h"

/* "[service search]", or "[poold]". */
static char *
section_text(const struct config_source *source)
{
	const char *word = config_section_word(source->section);

	if (source->section == CONFIG_LISTEN)
		return util_asprintf("[%s %s]", word,
		    ((struct config_listen *)source->object)->name);
	if (source->section == CONFIG_SERVICE)
		return util_asprintf("[%s %s]", word,
		    ((struct config_service *)source->object)->name);
	if (source->section == CONFIG_LANGUAGE)
		return util_asprintf("[%s %s]", word,
		    ((struct config_language *)source->object)->name);
	return util_asprintf("[%s]", word);
}

static void
key_unknown(struct config_source *source, const char *name)
{
	char *section = section_text(source);

	config_key_unknown(source->errors, &source->key_origin, source->section, section,
	    name, NULL);
	free(section);
}

/* Notes where a key stands.  False when it stood somewhere before. */
static bool
key_claim(struct config_source *source, const struct config_key *key, const char *name)
{
	struct config_origin *at = &source->at[config_key_index(key)];

	if (at->file != NULL && !(key->flags & CONFIG_KEY_REPEAT)) {
		config_error_add(source->errors, &source->key_origin,
		    "the key '%s' is given twice: first at %s:%u", name, at->file,
		    at->line);
		return false;
	}
	*at = source->key_origin;
	return true;
}

/* The value with what stands for other things put in. */
static bool
expand(const struct config_key *key, const char *text, char **value,
    char why[CONFIG_WHY_SIZE])
{
	char *spared;
	bool ok;

	if (key == NULL || key->type != CONFIG_FORMAT)
		return config_value_expand(text, value, why);
	spared = config_value_spare_names(text);
	ok = config_value_expand(spared, value, why);
	free(spared);
	return ok;
}

static void
key_store(struct config_source *source, const char *name, const char *text)
{
	struct config_errors *errors = source->errors;
	const struct config_origin origin = source->key_origin;
	const struct config_key *key;
	char why[CONFIG_WHY_SIZE];
	char *value;

	if (source->skipped)
		return;
	key = config_key_find(source->section, name);
	if (source->at_top && (key == NULL || key->type != CONFIG_INCLUDE)) {
		config_error_add(errors, &origin,
		    "the key '%s' stands before "
		    "any section; only 'include' may",
		    name);
		return;
	}
	if (key == NULL && source->section != CONFIG_SERVICE) {
		key_unknown(source, name);
		return;
	}
	if (key != NULL && !source->at_top && !key_claim(source, key, name))
		return;
	if (!expand(key, text, &value, why)) {
		config_error_add(errors, &origin, "%s: %s", name, why);
		return;
	}
	if (key == NULL)
		config_option_keep(source->object, name, value, &origin);
	else if (key->type == CONFIG_INCLUDE && *value != '\0')
		source->include(source->arg, value, &origin);
	else if (key->type == CONFIG_INCLUDE)
		config_error_add(errors, &origin, "include: there is no value");
	else if (!config_key_set(key, source->object, name, value, &origin, why))
		config_error_add(errors, &origin, "%s: %s", name, why);
	free(value);
}

static void
pending_drop(struct config_source *source)
{
	free(source->key);
	free(source->value);
	source->key = source->value = NULL;
}

/* Stores the key whose value is now known to be whole. */
static void
pending_flush(struct config_source *source)
{
	if (source->key != NULL)
		key_store(source, source->key, source->value);
	pending_drop(source);
}

/* Two lines of a value make one: with a space between, or, where a backslash
 * ended the first, with nothing. */
static void
pending_append(struct config_source *source, const char *text)
{
	size_t len = strlen(source->value);
	bool glued = len > 0 && source->value[len - 1] == '\\';
	char *joined;

	if (len + strlen(text) > CONFIG_VALUE_MAX) {
		config_error_add(source->errors, &source->key_origin,
		    "%s: the value is longer than %d bytes", source->key,
		    CONFIG_VALUE_MAX);
		pending_drop(source);
		return;
	}
	if (glued)
		source->value[len - 1] = '\0';
	joined = util_asprintf("%s%s%s", source->value, glued || len == 0 ? "" : " ",
	    text);
	free(source->value);
	source->value = joined;
}

/* Called by inih for each key and each line that goes on with its value.  The
 * section is known from section_begin. */
static int
on_key(void *user, const char *section, const char *name, const char *value)
{
	struct config_source *source = user;

	(void)section;
	if (source->reader.continuation) {
		if (source->key != NULL)
			pending_append(source, value);
		return 1;
	}
	pending_flush(source);
	source->key = util_strdup(name);
	source->value = util_strdup(value);
	source->key_origin.file = source->file->value;
	source->key_origin.line = source->reader.line;
	return 1;
}

static void
listen_begin(struct config_source *source, const char *name,
    const struct config_origin *origin)
{
	struct config_listen *listen = util_alloc(sizeof(*listen));

	listen->name = util_strdup(name);
	listen->origin = *origin;
	config_section_init(CONFIG_LISTEN, listen);
	TAILQ_INSERT_TAIL(&source->config->listens, listen, entry);
	source->object = listen;
	source->at = listen->at;
}

static void
service_begin(struct config_source *source, const char *name,
    const struct config_origin *origin)
{
	struct config_service *service = util_alloc(sizeof(*service));

	service->name = util_strdup(name);
	service->origin = *origin;
	TAILQ_INIT(&service->options);
	TAILQ_INIT(&service->app_files);
	config_section_init(CONFIG_SERVICE, service);
	TAILQ_INSERT_TAIL(&source->config->services, service, entry);
	source->object = service;
	source->at = service->at;
}

static void
language_begin(struct config_source *source, const char *name,
    const struct config_origin *origin)
{
	struct config_language *language = config_language_add(source->config, name,
	    origin);

	source->object = language;
	source->at = language->at;
}

/* Where a section of this kind and name already stands, or NULL. */
static const struct config_origin *
section_origin(const struct config *config, enum config_section section, const char *name)
{
	const struct config_listen *listen;
	const struct config_service *service;
	const struct config_language *language;

	switch (section) {
	case CONFIG_POOLD:
		return config->origin.line != 0 ? &config->origin : NULL;
	case CONFIG_LISTEN:
		listen = config_listen_find(config, name);
		return listen != NULL ? &listen->origin : NULL;
	case CONFIG_SERVICE:
		service = config_service_find(config, name);
		return service != NULL ? &service->origin : NULL;
	case CONFIG_LANGUAGE:
		language = config_language_find(config, name);
		return language != NULL ? &language->origin : NULL;
	}
	return NULL;
}

/* Whether "word name" is a section that may begin here; *section is its kind.
 * An error was added if not. */
static bool
section_check(struct config_source *source, const char *word, const char *name,
    const struct config_origin *origin, enum config_section *section)
{
	struct config_errors *errors = source->errors;
	const struct config_origin *first;
	const char *nearest, *dash = *name == '\0' ? "" : " ";
	char why[CONFIG_WHY_SIZE];

	for (*section = CONFIG_POOLD; *section <= CONFIG_LANGUAGE; ++*section)
		if (strcmp(word, config_section_word(*section)) == 0)
			break;
	if (*section > CONFIG_LANGUAGE) {
		nearest = config_section_nearest(word);
		if (nearest == NULL)
			config_error_add(errors, origin, "unknown section [%s%s%s]", word,
			    dash, name);
		else
			config_error_add(errors, origin,
			    "unknown section "
			    "[%s%s%s]; did you mean [%s%s%s]?",
			    word, dash, name, nearest, dash, name);
		return false;
	}
	if (*section == CONFIG_POOLD && *name != '\0') {
		config_error_add(errors, origin, "[poold] takes no name");
		return false;
	}
	if (*section != CONFIG_POOLD && *name == '\0') {
		config_error_add(errors, origin, "the section needs a name: [%s NAME]",
		    word);
		return false;
	}
	if (*section != CONFIG_POOLD && !config_value_name(name, why)) {
		config_error_add(errors, origin, "[%s %s]: %s", word, name, why);
		return false;
	}
	first = section_origin(source->config, *section, name);
	if (first != NULL)
		config_error_add(errors, origin,
		    "the section [%s%s%s] is given twice: first at %s:%u", word, dash,
		    name, first->file, first->line);
	return first == NULL;
}

/* Called by the reader for each section header. */
static void
section_begin(void *arg, const char *header)
{
	struct config_source *source = arg;
	struct config *config = source->config;
	const struct config_origin origin = { source->file->value, source->reader.line };
	enum config_section section = CONFIG_POOLD;
	char *copy, *name, *word;

	pending_flush(source);
	source->at_top = false;
	source->skipped = true;
	if (header == NULL) {
		source->incomplete = true;
		return;
	}
	copy = util_strdup(header);
	word = copy + strspn(copy, " \t");
	name = word + strcspn(word, " \t");
	if (*name != '\0') {
		*name++ = '\0';
		name += strspn(name, " \t");
		for (size_t len = strlen(name);
		     len > 0 && strchr(" \t", name[len - 1]) != NULL; len--)
			name[len - 1] = '\0';
	}
	if (section_check(source, word, name, &origin, &section)) {
		source->skipped = false;
		source->section = section;
		if (section == CONFIG_LISTEN) {
			listen_begin(source, name, &origin);
		} else if (section == CONFIG_SERVICE) {
			service_begin(source, name, &origin);
		} else if (section == CONFIG_LANGUAGE) {
			language_begin(source, name, &origin);
		} else {
			config->origin = origin;
			source->object = config;
			source->at = config->at;
		}
	} else {
		source->incomplete = true;
	}
	free(copy);
}

void
config_source_read(struct config_source *source, FILE *in,
    const struct config_origin *origin)
{
	source->at_top = true;
	source->section = CONFIG_POOLD;
	source->reader = (struct config_reader){ .in = in,
		.file = source->file->value,
		.errors = source->errors,
		.section = section_begin,
		.arg = source };
	/* What it returns says nothing new: the reader let no bad line pass. */
	if (ini_parse_stream(config_reader_next, &source->reader, on_key, source) == -2)
		config_error_add(source->errors, origin, "out of memory");
	pending_flush(source);
	if (ferror(in))
		config_error_add(source->errors, origin, "cannot read '%s': %s",
		    source->file->value, strerror(errno));
	config_reader_close(&source->reader);
}
