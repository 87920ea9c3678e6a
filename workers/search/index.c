/* SPDX-License-Identifier: ISC */
/*
 * poold-index: builds the database of the search worker from trees of text.
 *
 * The same files give the same database, byte for byte, with the same SQLite:
 * they are read in the order of their names, and no time or absolute path gets
 * into it.  It is written beside its place and renamed, so a worker that reads
 * the old one never sees a half-written one.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "document.h"
#include "store.h"

#define FILE_MAX       (4 * 1024 * 1024) /* bytes; larger ones are no documents */
#define COLLECTION_MAX 100		 /* bytes of --title */

#define SCHEMA_SQL                                                            \
	"PRAGMA journal_mode = OFF;"                                          \
	"BEGIN;"                                                              \
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;" \
	"CREATE VIRTUAL TABLE docs USING fts5(title, body, path UNINDEXED,"   \
	" tokenize = 'porter unicode61', prefix = '2 3');"
#define FINISH_SQL                                     \
	"INSERT INTO docs (docs) VALUES ('optimize');" \
	"COMMIT;"

struct index {
	const char *path;
	char temporary[PATH_MAX];
	sqlite3 *db;
	sqlite3_stmt *insert;
	char *buffer; /* FILE_MAX + 1 bytes */
	unsigned long documents, skipped;
};

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: poold-index --db PATH [--title TEXT] [--quiet] PATH...\n"
	    "  --db PATH     the database to write\n"
	    "  --title TEXT  what the collection is called in answers\n"
	    "  --quiet       say nothing when all went well\n"
	    "Reads files, and folders with all below them: text, Markdown and "
	    "manual pages.\n"
	    "Leaves out dot files, binary files, HTML, and files over 4 "
	    "MiB.\n");
}

/* Ends the program, without leaving half a database behind. */
static void
fail(struct index *index, const char *what)
{
	const char *reason = index->db != NULL ? sqlite3_errmsg(index->db) :
						 strerror(errno);

	warnx("%s %s: %s", what, index->path, reason);
	if (index->temporary[0] != '\0')
		unlink(index->temporary);
	exit(EX_CANTCREAT);
}

static void
run(struct index *index, const char *sql)
{
	if (sqlite3_exec(index->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail(index, "cannot write");
}

static void
insert(struct index *index, sqlite3_stmt *stmt, const char *a, const char *b,
    const char *c)
{
	sqlite3_bind_text(stmt, 1, a, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, b, -1, SQLITE_STATIC);
	if (c != NULL)
		sqlite3_bind_text(stmt, 3, c, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) != SQLITE_DONE || sqlite3_reset(stmt) != SQLITE_OK)
		fail(index, "cannot write");
}

static sqlite3_stmt *
prepare(struct index *index, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(index->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail(index, "cannot write");
	return stmt;
}

static void
begin(struct index *index, const char *path, const char *title)
{
	char header[128];
	sqlite3_stmt *meta;
	int fd;

	index->path = path;
	if ((size_t)snprintf(index->temporary, sizeof(index->temporary), "%s.XXXXXX",
		path) >= sizeof(index->temporary)) {
		index->temporary[0] = '\0';
		errno = ENAMETOOLONG;
		fail(index, "cannot make");
	}
	if ((fd = mkstemp(index->temporary)) == -1) {
		index->temporary[0] = '\0';
		fail(index, "cannot make");
	}
	close(fd);
	if ((index->buffer = malloc(FILE_MAX + 1)) == NULL ||
	    sqlite3_open(index->temporary, &index->db) != SQLITE_OK)
		fail(index, "cannot make");
	snprintf(header, sizeof(header),
	    "PRAGMA application_id = %d; PRAGMA user_version = %d;", STORE_APPLICATION_ID,
	    STORE_VERSION);
	run(index, header);
	run(index, SCHEMA_SQL);
	if (title != NULL) {
		meta = prepare(index, "INSERT INTO meta VALUES (?1, ?2)");
		insert(index, meta, "title", title, NULL);
		sqlite3_finalize(meta);
	}
	index->insert = prepare(index,
	    "INSERT INTO docs (title, body, path) VALUES (?1, ?2, ?3)");
}

/* Gives the database its name.  Other users may read it: workers are. */
static void
finish(struct index *index)
{
	mode_t mask = umask(0);

	umask(mask);
	sqlite3_finalize(index->insert);
	run(index, FINISH_SQL);
	if (sqlite3_close(index->db) != SQLITE_OK)
		fail(index, "cannot close");
	index->db = NULL;
	if (chmod(index->temporary, 0644 & ~mask) == -1 ||
	    rename(index->temporary, index->path) == -1)
		fail(index, "cannot make");
	free(index->buffer);
}

/* Reads a file into the buffer; -1 when it cannot be or is too long. */
static ssize_t
read_file(struct index *index, const char *path)
{
	size_t len = 0;
	ssize_t n = -1;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1) {
		warn("%s", path);
		return -1;
	}
	while (len <= FILE_MAX) {
		n = read(fd, index->buffer + len, FILE_MAX + 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (n == -1)
		warn("%s", path);
	close(fd);
	if (n == -1 || len > FILE_MAX)
		return -1;
	index->buffer[len] = '\0';
	return (ssize_t)len;
}

static void
add_file(struct index *index, const FTSENT *entry, const char *id)
{
	struct document document;
	ssize_t len;

	if (entry->fts_statp->st_size > FILE_MAX ||
	    (len = read_file(index, entry->fts_accpath)) == -1 ||
	    !document_read(&document, entry->fts_name, index->buffer, (size_t)len)) {
		index->skipped++;
		return;
	}
	insert(index, index->insert, document.title, document.body, id);
	document_free(&document);
	index->documents++;
}

/*
 * Where the id begins in the paths below root: at root's own last part, so
 * that "/a/b/man" gives "man/poold.8"; "." and ".." have no name to keep.
 */
static size_t
id_offset(const char *root)
{
	const char *slash = strrchr(root, '/');
	const char *last = slash != NULL ? slash + 1 : root;

	if (strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return strlen(root) + 1;
	return (size_t)(last - root);
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Adds all documents at and below root; false when some cannot be read. */
static bool
add_tree(struct index *index, char *root)
{
	char *roots[] = { root, NULL };
	FTSENT *entry;
	bool ok = true;
	size_t len;
	FTS *fts;

	for (len = strlen(root); len > 1 && root[len - 1] == '/'; len--)
		root[len - 1] = '\0';
	fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	if (fts == NULL)
		err(EX_OSERR, "%s", root);
	while ((entry = fts_read(fts)) != NULL) {
		if (entry->fts_level > 0 && entry->fts_name[0] == '.') {
			fts_set(fts, entry, FTS_SKIP);
			continue;
		}
		if (entry->fts_info == FTS_F) {
			len = id_offset(root);
			if (len > entry->fts_pathlen)
				len = 0;
			add_file(index, entry, entry->fts_path + len);
		} else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
		    entry->fts_info == FTS_NS) {
			warnx("%s: %s", entry->fts_path, strerror(entry->fts_errno));
			ok = false;
		}
	}
	fts_close(fts);
	return ok;
}

static int
build(const char *path, const char *title, bool quiet, char **roots)
{
	struct index index = { 0 };
	bool ok = true;

	begin(&index, path, title);
	for (; *roots != NULL; roots++)
		ok &= add_tree(&index, *roots);
	if (!ok || index.documents == 0) {
		warnx("%s not written: %s", path,
		    ok ? "no documents found" : "not all could be read");
		sqlite3_finalize(index.insert);
		sqlite3_close(index.db);
		unlink(index.temporary);
		free(index.buffer);
		return EX_NOINPUT;
	}
	finish(&index);
	if (!quiet)
		printf("%s: %lu documents, %lu files left out\n", path, index.documents,
		    index.skipped);
	return EX_OK;
}

static int
usage_error(const char *what)
{
	warnx("%s", what);
	fprintf(stderr, "Its options: --help\n");
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "db", required_argument, NULL, 'd' },
		{ "title", required_argument, NULL, 't' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL, *title = NULL;
	bool quiet = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			path = optarg;
			break;
		case 't':
			title = optarg;
			break;
		case 'q':
			quiet = true;
			break;
		case 'h':
			usage(stdout);
			return EX_OK;
		default: /* getopt_long said what is wrong */
			return usage_error("bad options");
		}
	}
	if (path == NULL)
		return usage_error("--db PATH is missing");
	if (optind == argc)
		return usage_error("nothing to read: name files or folders");
	if (title != NULL && strlen(title) > COLLECTION_MAX)
		return usage_error("--title is too long");
	return build(path, title, quiet, argv + optind);
}
