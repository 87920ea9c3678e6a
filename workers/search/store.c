/* SPDX-License-Identifier: ISC */
#include "store.h"

#include <poold.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "query.h"

/* A title says more than a body: it weighs five times as much.  rank of
 * bm25() is the smaller the better, and clients expect the opposite. */
#define QUERY_SQL                                                       \
	"SELECT path, title, snippet(docs, 1, '[', ']', ' ... ', 24), " \
	"-bm25(docs, 5.0, 1.0) FROM docs WHERE docs MATCH ?1 "          \
	"ORDER BY bm25(docs, 5.0, 1.0), rowid LIMIT ?2"

/* SQLite steps between two looks at the clock, and how long a query may take:
 * a worker has other clients to serve. */
#define PROGRESS_STEPS 10000
#define QUERY_MAX_MS   2000

void
store_init(struct store *store, const char *path)
{
	*store = (struct store){ .path = path };
}

void
store_close(struct store *store)
{
	sqlite3_finalize(store->query);
	sqlite3_close(store->db);
	store->query = NULL;
	store->db = NULL;
	store->collection[0] = '\0';
}

static void
log_once(struct store *store, int code, const char *reason)
{
	if (store->logged != code)
		poold_log(NULL, "cannot search %s: %s", store->path, reason);
	store->logged = code;
}

static void
read_collection(struct store *store)
{
	sqlite3_stmt *stmt;
	const char *title;

	if (sqlite3_prepare_v2(store->db, "SELECT value FROM meta WHERE key = 'title'",
		-1, &stmt, NULL) != SQLITE_OK)
		return;
	if (sqlite3_step(stmt) == SQLITE_ROW &&
	    (title = (const char *)sqlite3_column_text(stmt, 0)) != NULL)
		sqlite3_snprintf((int)sizeof(store->collection), store->collection, "%s",
		    title);
	sqlite3_finalize(stmt);
}

static bool
store_open(struct store *store)
{
	int rc;

	rc = sqlite3_open_v2(store->path, &store->db,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(store->db, QUERY_SQL, -1,
		    SQLITE_PREPARE_PERSISTENT, &store->query, NULL);
	if (rc != SQLITE_OK) {
		log_once(store, rc, sqlite3_errmsg(store->db));
		store_close(store);
		return false;
	}
	read_collection(store);
	store->logged = 0;
	return true;
}

/* poold-index puts a new file in place of the old one, and never writes to a
 * file that has its name: the inode tells. */
static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool
store_refresh(struct store *store)
{
	struct stat st;

	if (stat(store->path, &st) == -1) {
		log_once(store, SQLITE_CANTOPEN, "there is no such file");
		store_close(store);
		return false;
	}
	if (store->db != NULL && is_same(&st, &store->seen))
		return true;
	store_close(store);
	/* Taken before the file is opened: one that replaces it in between
	 * will look new the next time. */
	store->seen = st;
	return store_open(store);
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int
is_too_late(void *arg)
{
	const uint64_t *deadline_ms = arg;

	return now_ms() > *deadline_ms;
}

/* A column as JSON, on one line; its bytes are those of some file. */
static json_t *
column_string(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	json_t *string;
	char *copy;
	size_t len;

	if (text == NULL)
		return json_string("");
	len = (size_t)sqlite3_column_bytes(stmt, column);
	if ((copy = text_utf8_copy(text, len, len)) == NULL)
		return NULL;
	text_squeeze(copy);
	string = json_string(copy);
	free(copy);
	return string;
}

static int
run(sqlite3_stmt *query, json_t *results)
{
	json_t *result;
	int rc;

	while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
		result = json_pack("{s:o, s:o, s:o, s:f}", "id", column_string(query, 0),
		    "title", column_string(query, 1), "snippet", column_string(query, 2),
		    "score", sqlite3_column_double(query, 3));
		if (result == NULL || json_array_append_new(results, result) == -1)
			return SQLITE_NOMEM;
	}
	return rc;
}

/* Adds the results for one expression; an error code of SQLite, or DONE. */
static int
search(struct store *store, const char *match, int limit, json_t *results)
{
	uint64_t deadline_ms = now_ms() + QUERY_MAX_MS;
	int rc;

	sqlite3_progress_handler(store->db, PROGRESS_STEPS, is_too_late, &deadline_ms);
	sqlite3_bind_text(store->query, 1, match, -1, SQLITE_STATIC);
	sqlite3_bind_int(store->query, 2, limit);
	rc = run(store->query, results);
	if (rc != SQLITE_DONE)
		log_once(store, rc, sqlite3_errmsg(store->db));
	sqlite3_reset(store->query);
	sqlite3_clear_bindings(store->query);
	sqlite3_progress_handler(store->db, 0, NULL, NULL);
	return rc;
}

json_t *
store_search(struct store *store, const char *text, int limit)
{
	static const enum query_join joins[] = { QUERY_ALL, QUERY_ANY };
	json_t *results = json_array();
	int rc = results != NULL ? SQLITE_DONE : SQLITE_NOMEM;
	char *match;
	size_t i;

	for (i = 0; i < 2 && rc == SQLITE_DONE; i++) {
		if (json_array_size(results) > 0)
			break;
		if ((match = query_match(text, joins[i])) == NULL)
			rc = SQLITE_NOMEM;
		else if (*match != '\0')
			rc = search(store, match, limit, results);
		free(match);
	}
	if (rc == SQLITE_DONE)
		return results;
	json_decref(results);
	store_close(store);
	return NULL;
}
