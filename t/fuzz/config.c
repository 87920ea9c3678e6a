/* SPDX-License-Identifier: ISC */
/*
 * The configuration: what loads is dumped as a text that loads to the same,
 * and what does not load says why.  The input is the file main.ini; a form
 * feed, which no file may have, separates it from a second file, other.ini.
 * The environment has V, EMPTY and DOLLAR, and no U.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/config.h"
#include "t/fuzz/fuzz.h"

/* A folder that everybody may enter, since root's workers run as nobody.  It
 * is there only while a configuration is loaded. */
static char dir[] = "/tmp/poold-fuzz.XXXXXX";

enum { MAIN, OTHER, FILES };
static char paths[FILES][64];
static char *found[FILES];
static bool show; /* what is wrong with an input, for people */

/* In place of libc's: a pattern must not search the disk. */
int
glob(const char *restrict pattern, int flags, int (*error)(const char *, int),
    glob_t *restrict result)
{
	(void)flags;
	(void)error;
	memset(result, 0, sizeof(*result));
	result->gl_pathv = found;
	for (size_t i = 0; i < FILES; i++)
		if (fnmatch(pattern, paths[i], FNM_PATHNAME) == 0)
			found[result->gl_pathc++] = paths[i];
	return result->gl_pathc > 0 ? 0 : GLOB_NOMATCH;
}

void
globfree(glob_t *result)
{
	result->gl_pathc = 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	show = getenv("FUZZ_SHOW") != NULL;
	setenv("V", "value", 1);
	setenv("EMPTY", "", 1);
	setenv("DOLLAR", "a$b", 1);
	unsetenv("U");
	FUZZ_CHECK(mkdtemp(dir) != NULL && rmdir(dir) == 0); /* a name of its own */
	snprintf(paths[MAIN], sizeof(paths[MAIN]), "%s/main.ini", dir);
	snprintf(paths[OTHER], sizeof(paths[OTHER]), "%s/other.ini", dir);
	return 0;
}

static void
file_make(int file, const void *data, size_t size)
{
	int fd = open(paths[file], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	FUZZ_CHECK(fd != -1 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

/* NULL: refused, with errors that each say something on one line. */
static struct config *
load(const void *data, size_t size, const void *other, size_t other_size, bool tell)
{
	struct config_errors errors;
	const struct config_error *error;
	struct config *config;
	size_t count = 0;

	FUZZ_CHECK(mkdir(dir, 0755) == 0);
	file_make(MAIN, data, size);
	file_make(OTHER, other, other_size);
	config_errors_init(&errors);
	config = config_load(paths[MAIN], &errors);
	for (size_t i = 0; i < FILES; i++)
		unlink(paths[i]);
	rmdir(dir);
	FUZZ_CHECK((config == NULL) == (errors.count > 0));
	TAILQ_FOREACH (error, &errors.list, entry) {
		FUZZ_CHECK(error->text[0] != '\0' && strchr(error->text, '\n') == NULL);
		if (tell)
			fprintf(stderr, "%s\n", error->text);
		count++;
	}
	FUZZ_CHECK(count <= CONFIG_ERRORS_MAX && count + errors.unlisted == errors.count);
	config_errors_free(&errors);
	return config;
}

static char *
dump(const struct config *config, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	FUZZ_CHECK(out != NULL);
	config_dump(config, out);
	FUZZ_CHECK(fclose(out) == 0);
	return text;
}

/* A reload restarts a service when this text differs. */
static void
services_check(const struct config *a, const struct config *b)
{
	const struct config_service *service;

	TAILQ_FOREACH (service, &a->services, entry) {
		const struct config_service *other = config_service_find(b,
		    service->name);
		char *text, *other_text;

		FUZZ_CHECK(other != NULL);
		text = config_service_text(a, service);
		other_text = config_service_text(b, other);
		FUZZ_CHECK(text != NULL && strcmp(text, other_text) == 0);
		free(text);
		free(other_text);
	}
}

static void
dump_check(const struct config *config)
{
	char *text, *again_text;
	size_t size, again_size;
	struct config *again;

	text = dump(config, &size);
	again = load(text, size, "", 0, true);
	if (again == NULL)
		fprintf(stderr, "%s", text);
	FUZZ_CHECK(again != NULL);
	again_text = dump(again, &again_size);
	if (strcmp(text, again_text) != 0)
		fprintf(stderr, "%s\n---\n%s", text, again_text);
	FUZZ_CHECK(size == again_size && memcmp(text, again_text, size) == 0);
	services_check(config, again);
	config_free(again);
	free(again_text);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *split = size > 0 ? memchr(data, '\f', size) : NULL;
	size_t main_size = split != NULL ? (size_t)(split - data) : size;
	struct config *config;

	config = load(data, main_size, split != NULL ? split + 1 : data,
	    split != NULL ? size - main_size - 1 : 0, show);
	if (config != NULL)
		dump_check(config);
	config_free(config);
	return 0;
}
