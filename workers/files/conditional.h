/* SPDX-License-Identifier: ISC */
/* Conditional requests (RFC 9110 section 13), for GET and HEAD. */
#ifndef FILES_CONDITIONAL_H
#define FILES_CONDITIONAL_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#define CONDITIONAL_ETAG_SIZE 80

/* The strong validator of a file: it changes with the content. */
void conditional_etag(const struct stat *st, char etag[CONDITIONAL_ETAG_SIZE]);

/*
 * Whether a list of entity tags, or "*", has etag.  Weakly: W/ is looked past
 * (If-None-Match); strongly: a weak tag matches nothing (If-Match).
 */
bool conditional_etag_listed(const char *list, const char *etag, bool weakly);

/* What a client sent; NULL or -1 (dates: poold_parse_date) for what it did
 * not, or what is no date. */
struct conditional {
	const char *if_match;
	const char *if_none_match;
	time_t if_unmodified_since;
	time_t if_modified_since;
};

/* 200: go on; 304: the client has it; 412: it is not what the client wants.
 * In the order of section 13.2.2. */
int conditional_status(const struct conditional *conditional, const char *etag,
    time_t mtime);

/*
 * Whether the Range field counts (section 13.1.5): if_range is NULL, or the
 * etag, or exactly the time of the last change (if_range_date: as above).
 */
bool conditional_range_counts(const char *if_range, time_t if_range_date,
    const char *etag, time_t mtime);

#endif
