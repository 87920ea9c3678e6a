/* SPDX-License-Identifier: ISC */
/*
 * search: full-text search over a database made by poold-index.
 *
 *	GET /api/search?q=reload&limit=5
 *	{"query":"reload","results":[{"id":"man/poold.8","title":...,
 *	 "snippet":...,"score":...}],"took_ms":0.4,"pid":4711,"port":8080}
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <poold.h>

#include "../common/answer.h"
#include "../common/program.h"
#include "../common/text.h"
#include "store.h"

#define LIMIT_DEFAULT 10
#define LIMIT_MAX     100

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: search --db PATH [PORT | ADDRESS:PORT | unix:PATH]\n"
	    "  --db PATH  the database, made by poold-index\n"
	    "Answers GET ?q=WORDS&limit=N.  The address is needed only without "
	    "poold:\nsee poold-workers(7).\n");
}

static double
elapsed_ms(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) * 1e3 +
	    (double)(now.tv_nsec - start->tv_nsec) / 1e6;
}

/* The limit asked for; 0 after the client was told what is wrong with it. */
static int
read_limit(struct poold_request *req)
{
	const char *text = poold_param(req, "limit"), *error = NULL;
	long long limit = LIMIT_DEFAULT;

	if (text == NULL)
		return LIMIT_DEFAULT;
	/* strtonum takes spaces and signs; a limit has neither. */
	if (*text != '\0' && strspn(text, "0123456789") == strlen(text))
		limit = strtonum(text, 1, LIMIT_MAX, &error);
	else
		error = "no number";
	if (error == NULL)
		return (int)limit;
	answer_problem(req, 400, "limit",
	    "the parameter 'limit' must be a number from 1 to %d", LIMIT_MAX);
	return 0;
}

static void
answer_results(struct poold_request *req, const struct store *store, const char *text,
    json_t *results, const struct timespec *start)
{
	json_t *collection = NULL; /* left out of the answer */

	if (store->collection[0] != '\0')
		collection = answer_string(store->collection, sizeof(store->collection));
	answer_json(req, 200,
	    json_pack("{s:s, s:o*, s:o, s:f}", "query", text, "collection", collection,
		"results", results, "took_ms", elapsed_ms(start)));
}

static void
handle(struct poold_request *req, void *arg)
{
	struct store *store = arg;
	struct timespec start;
	const char *raw;
	json_t *results;
	char *text;
	int limit;

	clock_gettime(CLOCK_MONOTONIC, &start);
	if (answer_method(req, NULL))
		return;
	raw = poold_param(req, "q");
	if (raw == NULL || *raw == '\0') {
		answer_problem(req, 400, "q",
		    "the parameter 'q' is missing or empty; "
		    "for example ?q=reload&limit=5");
		return;
	}
	if ((limit = read_limit(req)) == 0)
		return;
	if (!store_refresh(store)) {
		answer_problem(req, 503, NULL,
		    "there is no search database yet: "
		    "build one with 'poold-index --db PATH FOLDER'");
		return;
	}
	text = text_utf8_copy(raw, strlen(raw), strlen(raw));
	results = text != NULL ? store_search(store, text, limit) : NULL;
	if (results == NULL)
		answer_problem(req, 503, NULL, "the search database cannot be read");
	else
		answer_results(req, store, text, results, &start);
	free(text);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "db", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL;
	struct store store;
	int c, status;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			path = optarg;
			break;
		case 'h':
			usage(stdout);
			return EX_OK;
		default: /* getopt_long said what is wrong */
			return program_usage_error("bad options");
		}
	}
	if (path == NULL)
		return program_usage_error("--db PATH is missing");
	/* Not opened here: a database that comes later is fine. */
	store_init(&store, path);
	status = program_serve(argc, argv, handle, &store);
	store_close(&store);
	return status;
}
