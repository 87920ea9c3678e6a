/* SPDX-License-Identifier: ISC */
/* A configuration as a whole: its files, and what they include. */
#include "supervisor/config.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
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
#include "supervisor/config_source.h"

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
struct file {
	struct load *load;
	const struct file *parent; /* NULL: the first file */
	const struct config_string *name;
	unsigned depth;
};

static void file_load(struct load *load, const struct file *parent, const char *path,
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

bool
config_service_listens(const struct config_service *service, const char *listen)
{
	const struct config_string *name;

	TAILQ_FOREACH (name, &service->listen, entry)
		if (strcmp(name->value, listen) == 0)
			return true;
	return false;
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
include_load(void *arg, const char *pattern, const struct config_origin *origin)
{
	const struct file *file = arg;
	struct config_errors *errors = file->load->errors;
	bool plain = strpbrk(pattern, "*?[") == NULL;
	char *path = include_path(file->name->value, pattern, plain);
	glob_t found;
	int rc;

	if (plain) {
		file_load(file->load, file, path, origin);
		free(path);
		return;
	}
	rc = glob(path, 0, NULL, &found); /* sorted */
	if (rc == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			file_load(file->load, file, found.gl_pathv[i], origin);
		globfree(&found);
	} else if (rc != GLOB_NOMATCH) {
		config_error_add(errors, origin, "include: cannot read '%s'", path);
	}
	free(path);
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
file_admit(struct load *load, const struct file *parent, const char *path,
    const struct config_origin *origin, const struct stat *st)
{
	const struct config_string *first = NULL;

	for (size_t i = 0; i < load->seen_count; i++)
		if (load->seen[i].dev == st->st_dev && load->seen[i].ino == st->st_ino)
			first = load->seen[i].file;
	for (const struct file *f = parent; f != NULL; f = f->parent) {
		if (f->name == first) {
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
file_load(struct load *load, const struct file *parent, const char *path,
    const struct config_origin *origin)
{
	struct file file = { .load = load,
		.parent = parent,
		.depth = parent == NULL ? 0 : parent->depth + 1 };
	struct config_source source = { .config = load->config,
		.errors = load->errors,
		.include = include_load,
		.arg = &file };
	struct stat st;
	FILE *in = file_open(load, path, origin, &st);

	if (in == NULL)
		return;
	if (!file_admit(load, parent, path, origin, &st)) {
		load->incomplete = true;
		fclose(in);
		return;
	}
	source.file = file.name = config_strings_add(&load->config->files, path, origin);
	load->seen[load->seen_count++] = (struct seen){ st.st_dev, st.st_ino, file.name };
	config_source_read(&source, in, origin);
	load->incomplete |= source.incomplete;
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
