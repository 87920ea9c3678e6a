/* SPDX-License-Identifier: ISC */
/*
 * Reading a configuration: files, sections and keys.  The counting reader
 * (config_read.h) feeds inih, which calls back for each key and each line that
 * goes on with its value; a value is stored when the next key, section or the
 * end of the file shows that it is whole.
 */
#include "supervisor/config.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/config_check.h"
#include "supervisor/config_language.h"
#include "supervisor/config_option.h"
#include "supervisor/config_read.h"
#include "supervisor/config_set.h"

#define INCLUDE_DEPTH_MAX 8
#define FILES_MAX	  1000

/* One call of config_load. */
struct load {
	struct config *config;
	struct config_errors *errors;
	struct seen {
		dev_t dev;
		ino_t ino;
		const struct config_string *file;
	} seen[FILES_MAX];
	size_t seen_count;
	bool incomplete; /* a section was refused, or a file not read */
};

/* One file being read. */
struct source {
	struct load *load;
	const struct source *parent; /* NULL: the first file */
	const struct config_string *file;
	unsigned depth;
	struct config_reader reader;
	/* the section that the current line is in */
	bool at_top;  /* none yet */
	bool skipped; /* it was refused: its keys are not looked at */
	enum config_section section;
	void *object;
	struct config_origin *at;
	/* the key whose value is being read; NULL: none */
	char *key;
	char *value;
	struct config_origin key_origin;
};

static void file_load(struct load *load, const struct source *parent, const char *path,
    const struct config_origin *origin);

struct config_listen *
config_listen_find(const struct config *config, const char *name)
{
	struct config_listen *listen;

	TAILQ_FOREACH (listen, &config->listens, entry)
		if (strcmp(listen->name, name) == 0)
			return listen;
	return NULL;
}

struct config_service *
config_service_find(const struct config *config, const char *name)
{
	struct config_service *service;

	TAILQ_FOREACH (service, &config->services, entry)
		if (strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

bool
config_starts_on_demand(const struct config_service *service)
{
	return service->scaling == CONFIG_SCALING_ONDEMAND && service->workers_min == 0;
}

/*
 * The path of an included file or a pattern for it: beside the including file,
 * named as the user named that one.  The caller frees it.
 */
static char *
include_path(const char *file, const char *include, bool plain)
{
	const char *slash = strrchr(file, '/');
	char *path, *o;

	if (include[0] == '/' || slash == NULL)
		return util_strdup(include);
	o = path = util_alloc(2 * strlen(file) + strlen(include) + 1);
	for (const char *p = file; p <= slash; p++) {
		/* the folder is no pattern, whatever its name */
		if (!plain && strchr("*?[\\", *p) != NULL)
			*o++ = '\\';
		*o++ = *p;
	}
	strcpy(o, include);
	return path;
}

/* Reads every file that the pattern of an include key means. */
static void
include_load(struct source *source, const char *pattern,
    const struct config_origin *origin)
{
	struct config_errors *errors = source->load->errors;
	bool plain = strpbrk(pattern, "*?[") == NULL;
	char *path = include_path(source->file->value, pattern, plain);
	glob_t found;
	int rc;

	if (plain) {
		file_load(source->load, source, path, origin);
		free(path);
		return;
	}
	rc = glob(path, 0, NULL, &found); /* sorted */
	if (rc == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			file_load(source->load, source, found.gl_pathv[i], origin);
		globfree(&found);
	} else if (rc != GLOB_NOMATCH) {
		config_error_add(errors, origin, "include: cannot read '%s'", path);
	}
	free(path);
}

/* "[service search]", or "[poold]". */
static char *
section_text(const struct source *source)
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
key_unknown(struct source *source, const char *name)
{
	char *section = section_text(source);

	config_key_unknown(source->load->errors, &source->key_origin, source->section,
	    section, name, NULL);
	free(section);
}

/* Notes where a key stands.  False when it stood somewhere before. */
static bool
key_claim(struct source *source, const struct config_key *key, const char *name)
{
	struct config_origin *at = &source->at[config_key_index(key)];

	if (at->file != NULL && !(key->flags & CONFIG_KEY_REPEAT)) {
		config_error_add(source->load->errors, &source->key_origin,
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
key_store(struct source *source, const char *name, const char *text)
{
	struct config_errors *errors = source->load->errors;
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
		include_load(source, value, &origin);
	else if (key->type == CONFIG_INCLUDE)
		config_error_add(errors, &origin, "include: there is no value");
	else if (!config_key_set(key, source->object, name, value, &origin, why))
		config_error_add(errors, &origin, "%s: %s", name, why);
	free(value);
}

static void
pending_drop(struct source *source)
{
	free(source->key);
	free(source->value);
	source->key = source->value = NULL;
}

/* Stores the key whose value is now known to be whole. */
static void
pending_flush(struct source *source)
{
	if (source->key != NULL)
		key_store(source, source->key, source->value);
	pending_drop(source);
}

/* Two lines of a value make one: with a space between, or, where a backslash
 * ended the first, with nothing. */
static void
pending_append(struct source *source, const char *text)
{
	size_t len = strlen(source->value);
	bool glued = len > 0 && source->value[len - 1] == '\\';
	char *joined;

	if (len + strlen(text) > CONFIG_VALUE_MAX) {
		config_error_add(source->load->errors, &source->key_origin,
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
	struct source *source = user;

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
listen_begin(struct source *source, const char *name, const struct config_origin *origin)
{
	struct config_listen *listen = util_alloc(sizeof(*listen));

	listen->name = util_strdup(name);
	listen->origin = *origin;
	config_section_init(CONFIG_LISTEN, listen);
	TAILQ_INSERT_TAIL(&source->load->config->listens, listen, entry);
	source->object = listen;
	source->at = listen->at;
}

static void
service_begin(struct source *source, const char *name, const struct config_origin *origin)
{
	struct config_service *service = util_alloc(sizeof(*service));

	service->name = util_strdup(name);
	service->origin = *origin;
	TAILQ_INIT(&service->options);
	TAILQ_INIT(&service->app_files);
	config_section_init(CONFIG_SERVICE, service);
	TAILQ_INSERT_TAIL(&source->load->config->services, service, entry);
	source->object = service;
	source->at = service->at;
}

static void
language_begin(struct source *source, const char *name,
    const struct config_origin *origin)
{
	struct config_language *language = config_language_add(source->load->config, name,
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
section_check(struct source *source, const char *word, const char *name,
    const struct config_origin *origin, enum config_section *section)
{
	struct config_errors *errors = source->load->errors;
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
	first = section_origin(source->load->config, *section, name);
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
	struct source *source = arg;
	struct config *config = source->load->config;
	const struct config_origin origin = { source->file->value, source->reader.line };
	enum config_section section = CONFIG_POOLD;
	char *copy, *name, *word;

	pending_flush(source);
	source->at_top = false;
	source->skipped = true;
	if (header == NULL) {
		source->load->incomplete = true;
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
		source->load->incomplete = true;
	}
	free(copy);
}

/* Opens a regular file; NULL after an error at origin. */
static FILE *
file_open(struct load *load, const char *path, const struct config_origin *origin,
    struct stat *st)
{
	/* not to hang on a fifo */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *why = NULL;
	FILE *in = NULL;

	if (fd == -1 || fstat(fd, st) == -1)
		why = strerror(errno);
	else if (!S_ISREG(st->st_mode))
		why = "not a regular file";
	else if (st->st_size > CONFIG_FILE_MAX)
		why = "larger than 1 MiB";
	else if ((in = fdopen(fd, "r")) == NULL)
		why = strerror(errno);
	if (why != NULL) {
		config_error_add(load->errors, origin, "cannot read '%s': %s", path, why);
		load->incomplete = true;
		if (fd != -1)
			close(fd);
	}
	return in;
}

/* Whether the file may be read: not twice, not within itself, not too deep. */
static bool
file_admit(struct load *load, const struct source *parent, const char *path,
    const struct config_origin *origin, const struct stat *st)
{
	const struct config_string *first = NULL;

	for (size_t i = 0; i < load->seen_count; i++)
		if (load->seen[i].dev == st->st_dev && load->seen[i].ino == st->st_ino)
			first = load->seen[i].file;
	for (const struct source *s = parent; s != NULL; s = s->parent) {
		if (s->file == first) {
			config_error_add(load->errors, origin,
			    "include: a loop: '%s' is already being read", path);
			return false;
		}
	}
	if (first != NULL)
		config_error_add(load->errors, origin,
		    "include: '%s' is included twice: first at %s:%u", path,
		    first->origin.file, first->origin.line);
	else if (parent != NULL && parent->depth >= INCLUDE_DEPTH_MAX)
		config_error_add(load->errors, origin,
		    "include: '%s' is more than %d files deep", path, INCLUDE_DEPTH_MAX);
	else if (load->seen_count == FILES_MAX)
		config_error_add(load->errors, origin, "include: more than %d files",
		    FILES_MAX);
	else
		return true;
	return false;
}

static void
file_load(struct load *load, const struct source *parent, const char *path,
    const struct config_origin *origin)
{
	struct source source = { .load = load,
		.parent = parent,
		.at_top = true,
		.section = CONFIG_POOLD };
	struct stat st;
	FILE *in = file_open(load, path, origin, &st);

	if (in == NULL)
		return;
	if (!file_admit(load, parent, path, origin, &st)) {
		load->incomplete = true;
		fclose(in);
		return;
	}
	source.file = config_strings_add(&load->config->files, path, origin);
	source.depth = parent == NULL ? 0 : parent->depth + 1;
	load->seen[load->seen_count++] = (struct seen){ st.st_dev, st.st_ino,
		source.file };
	source.reader = (struct config_reader){ .in = in,
		.file = source.file->value,
		.errors = load->errors,
		.section = section_begin,
		.arg = &source };

	/* What it returns says nothing new: the reader let no bad line pass. */
	if (ini_parse_stream(config_reader_next, &source.reader, on_key, &source) == -2)
		config_error_add(load->errors, origin, "out of memory");
	pending_flush(&source);
	if (ferror(in))
		config_error_add(load->errors, origin, "cannot read '%s': %s", path,
		    strerror(errno));
	config_reader_close(&source.reader);
	fclose(in);
}

static struct config *
config_new(const char *file)
{
	struct config *config = util_alloc(sizeof(*config));

	TAILQ_INIT(&config->listens);
	TAILQ_INIT(&config->services);
	TAILQ_INIT(&config->languages);
	TAILQ_INIT(&config->files);
	config->file = config_path_beside("./", file);
	config->dir = config_path_beside(config->file, ".");
	config_section_init(CONFIG_POOLD, config);
	return config;
}

struct config *
config_load(const char *file, struct config_errors *errors)
{
	const struct config_origin origin = { NULL, 0 };
	size_t before = errors->count;
	struct load *load = util_alloc(sizeof(*load));
	struct config *config = config_new(file);
	bool incomplete;

	load->config = config;
	load->errors = errors;
	file_load(load, NULL, file, &origin);
	incomplete = load->incomplete;
	if (load->seen_count > 0)
		config_check(config, errors, incomplete);
	free(load);
	if (errors->count != before) {
		config_free(config);
		return NULL;
	}
	return config;
}

static void
listen_free(struct config_listen *listen)
{
	config_section_clear(CONFIG_LISTEN, listen);
	free(listen->name);
	free(listen);
}

static void
service_free(struct config_service *service)
{
	config_section_clear(CONFIG_SERVICE, service);
	config_options_clear(&service->options);
	config_strings_clear(&service->app_files);
	config_argv_free(service->argv);
	free(service->name);
	free(service);
}

void
config_free(struct config *config)
{
	struct config_listen *listen;
	struct config_service *service;

	if (config == NULL)
		return;
	while ((listen = TAILQ_FIRST(&config->listens)) != NULL) {
		TAILQ_REMOVE(&config->listens, listen, entry);
		listen_free(listen);
	}
	while ((service = TAILQ_FIRST(&config->services)) != NULL) {
		TAILQ_REMOVE(&config->services, service, entry);
		service_free(service);
	}
	config_languages_free(config);
	config_section_clear(CONFIG_POOLD, config);
	config_strings_clear(&config->files);
	free(config->file);
	free(config->dir);
	free(config);
}
