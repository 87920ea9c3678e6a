/* SPDX-License-Identifier: ISC */
/*
 * The search database: written whole by poold-index, read by search.
 *
 * One FTS5 table, docs(title, body, path), and meta(key, value).
 */
#ifndef SEARCH_STORE_H
#define SEARCH_STORE_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>

/* In the file's header, so that file(1) and we know the file: "pool". */
#define STORE_APPLICATION_ID 0x706f6f6c
#define STORE_VERSION	     1

/* The reader's side. */
struct store {
	const char *path;
	sqlite3 *db;	      /* NULL: not open */
	sqlite3_stmt *query;  /* prepared on db */
	struct stat seen;     /* the file that db was opened from */
	char collection[128]; /* its title, "" if it has none */
	int logged;	      /* the last error logged, not to repeat it */
};

void store_init(struct store *store, const char *path);
void store_close(struct store *store);

/*
 * Opens the database, or opens it again when the file was replaced.  False
 * when there is none to be read; it was logged, once.
 */
bool store_refresh(struct store *store);

/*
 * Looks for the words of text (UTF-8) and returns at most limit results, best
 * first, as a JSON array; documents with all of the words, or, when there are
 * none of these, with some.  NULL when the database fails, which was logged;
 * store_refresh then opens it again.
 */
json_t *store_search(struct store *store, const char *text, int limit);

#endif
