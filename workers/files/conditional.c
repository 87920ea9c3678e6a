/* SPDX-License-Identifier: ISC */
#include "conditional.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

void
conditional_etag(const struct stat *st, char etag[CONDITIONAL_ETAG_SIZE])
{
	snprintf(etag, CONDITIONAL_ETAG_SIZE, "\"%llx-%llx-%llx.%lx\"",
	    (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
	    (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
}

bool
conditional_etag_listed(const char *list, const char *etag, bool weakly)
{
	const char *end;
	bool weak;

	while (*(list += strspn(list, " \t,")) != '\0') {
		if (*list == '*')
			return true;
		weak = strncmp(list, "W/", 2) == 0;
		if (weak)
			list += 2;
		if (*list != '"' || (end = strchr(list + 1, '"')) == NULL)
			return false; /* the rest is no list of tags */
		end++;
		if ((weakly || !weak) && strlen(etag) == (size_t)(end - list) &&
		    memcmp(etag, list, (size_t)(end - list)) == 0)
			return true;
		list = end;
	}
	return false;
}

int
conditional_status(const struct conditional *c, const char *etag, time_t mtime)
{
	if (c->if_match != NULL) {
		if (!conditional_etag_listed(c->if_match, etag, false))
			return 412;
	} else if (c->if_unmodified_since != -1) {
		if (mtime > c->if_unmodified_since)
			return 412;
	}
	if (c->if_none_match != NULL) {
		if (conditional_etag_listed(c->if_none_match, etag, true))
			return 304;
	} else if (c->if_modified_since != -1) {
		if (mtime <= c->if_modified_since)
			return 304;
	}
	return 200;
}

bool
conditional_range_counts(const char *if_range, time_t if_range_date, const char *etag,
    time_t mtime)
{
	if (if_range == NULL)
		return true;
	if (*if_range == '"' || strncmp(if_range, "W/", 2) == 0)
		return strcmp(if_range, etag) == 0;
	return if_range_date != -1 && if_range_date == mtime;
}
