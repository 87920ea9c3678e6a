/* SPDX-License-Identifier: ISC */
#include "supervisor/fingerprint.h"

#include <fts.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/config.h"

#define WATCHED_MAX 100000 /* files below a watch path that are looked at */
#define WATCHED	    "watched = "
#define FILES	    "files = "
#define FILES_LEN   (sizeof(FILES) - 1 + 16 + 1)
#define WATCHED_LEN (sizeof(WATCHED) - 1 + 16 + 1) /* with 64 bits in hex, newline */

/* FNV-1a, 64 bits: changes are accidental, not forged. */
#define HASH_START 0xcbf29ce484222325ULL
#define HASH_PRIME 0x100000001b3ULL

static void
hash_bytes(uint64_t *hash, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ p[i]) * HASH_PRIME;
}

static void
hash_file(uint64_t *hash, const char *path, const struct stat *st)
{
	uint64_t facts[] = { st->st_dev, st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
		st->st_mode };

	hash_bytes(hash, path, strlen(path));
	hash_bytes(hash, facts, sizeof(facts));
}

static bool
is_app_file(const struct config_service *service, const char *path)
{
	const struct config_string *file;

	TAILQ_FOREACH (file, &service->app_files, entry)
		if (strcmp(file->value, path) == 0)
			return true;
	return false;
}

/* Arguments that name a file, from the folder in which the command runs.  An
 * app that is not the program itself is watched, and counts there. */
static void
hash_arguments(uint64_t *hash, const struct config_service *service)
{
	struct stat st;

	for (char **arg = service->argv; *arg != NULL; arg++) {
		const char *chdir = (*arg)[0] == '/' ? "" : service->chdir;
		char *path;

		if (arg != service->argv && is_app_file(service, *arg))
			continue;
		path = util_asprintf("%s%s/%s", service->limits.chroot, chdir, *arg);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			hash_file(hash, path, &st);
		free(path);
	}
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* What an interpreter writes there by itself is no deploy. */
static bool
is_cache(const FTSENT *entry)
{
	return strcmp(entry->fts_name, "__pycache__") == 0;
}

/* What is in it is hashed by itself.  Its times and size would tell of a new
 * cache. */
static void
hash_folder(uint64_t *hash, const char *path, const struct stat *st)
{
	uint64_t facts[] = { st->st_dev, st->st_ino, st->st_mode };

	hash_bytes(hash, path, strlen(path));
	hash_bytes(hash, facts, sizeof(facts));
}

static void
hash_tree(uint64_t *hash, char *root, const char *key,
    const struct config_service *service)
{
	char *const roots[] = { root, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	unsigned count = 0;
	FTSENT *entry;

	if (fts == NULL)
		return;
	while ((entry = fts_read(fts)) != NULL && count++ < WATCHED_MAX)
		if (entry->fts_info == FTS_D && is_cache(entry))
			(void)fts_set(fts, entry, FTS_SKIP);
		else if (entry->fts_info == FTS_F || entry->fts_info == FTS_SL)
			hash_file(hash, entry->fts_path, entry->fts_statp);
		else if (entry->fts_info == FTS_D)
			hash_folder(hash, entry->fts_path, entry->fts_statp);
	if (count > WATCHED_MAX)
		log_warn("service %s: %s = %s has more than %d files; the "
			 "rest is not looked at",
		    service->name, key, root, WATCHED_MAX);
	fts_close(fts);
}

/* An app that is a link counts as what it leads to. */
static void
hash_app(uint64_t *hash, const struct config_service *service, const char *app)
{
	char *path = util_asprintf("%s%s", service->limits.chroot, app);
	char *real = realpath(path, NULL);

	hash_tree(hash, real != NULL ? real : path, "app", service);
	free(real);
	free(path);
}

char *
fingerprint_new(const struct config *config, const struct config_service *service)
{
	char *text = config_service_text(config, service), *all;
	struct config_string *watch, *listen, *file;
	uint64_t hash = HASH_START, watched = HASH_START;

	hash_arguments(&hash, service);
	/* inherited sockets come from addresses, not from names */
	if (service->mode == CONFIG_MODE_INHERIT)
		TAILQ_FOREACH (listen, &service->listen, entry) {
			const char *address =
			    config_listen_find(config, listen->value)->address;

			hash_bytes(&hash, address, strlen(address));
		}
	TAILQ_FOREACH (watch, &service->watch, entry)
		hash_tree(&watched, watch->value, "watch", service);
	TAILQ_FOREACH (file, &service->app_files, entry)
		hash_app(&watched, service, file->value);
	all = util_asprintf("%s" FILES "%016llx\n" WATCHED "%016llx\n", text,
	    (unsigned long long)hash, (unsigned long long)watched);
	free(text);
	return all;
}

const char *
fingerprint_files(const char *fingerprint)
{
	size_t len = strlen(fingerprint);

	/* the last two lines are of one length */
	return len > FILES_LEN + WATCHED_LEN ?
	    fingerprint + len - WATCHED_LEN - FILES_LEN :
	    fingerprint;
}

char *
fingerprint_join(const struct config *config, const struct config_service *service,
    const char *files)
{
	char *text = config_service_text(config, service);
	char *all = util_asprintf("%s%s", text, files);

	free(text);
	return all;
}

bool
fingerprint_differs_in_watched(const char *old, const char *fresh)
{
	size_t len = strlen(old);

	/* the last line is of one length */
	return len == strlen(fresh) && len > WATCHED_LEN &&
	    memcmp(old, fresh, len - WATCHED_LEN) == 0 && strcmp(old, fresh) != 0;
}
