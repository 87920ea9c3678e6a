/* SPDX-License-Identifier: ISC */
#include "logger/recent.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"

struct recent_line {
	struct line line; /* its pointers lead into what follows */
	char name[LOGGER_NAME_MAX];
	char role[LOGGER_NAME_MAX];
	size_t size;
	char text[];
};

static void
drop_first(struct recent *recent)
{
	struct recent_line **first = &recent->lines[recent->first++ % RECENT_LINES];

	recent->bytes -= (*first)->size;
	free(*first);
	*first = NULL;
}

void
recent_add(struct recent *recent, const struct line *line)
{
	size_t size = sizeof(struct recent_line) + line->len;
	struct recent_line *kept;

	while (recent->next > recent->first &&
	    (recent->next - recent->first == RECENT_LINES ||
		recent->bytes + size > RECENT_BYTES))
		drop_first(recent);
	kept = util_alloc(size);
	kept->size = size;
	kept->line = *line;
	memcpy(kept->text, line->text, line->len);
	kept->line.text = kept->text;
	strlcpy(kept->role, line->role, sizeof(kept->role));
	kept->line.role = kept->role;
	if (line->service != NULL) {
		strlcpy(kept->name, line->service, sizeof(kept->name));
		kept->line.service = kept->name;
	}
	recent->lines[recent->next++ % RECENT_LINES] = kept;
	recent->bytes += size;
}

void
recent_get(const struct recent *recent, uint64_t n, struct line *line)
{
	*line = recent->lines[n % RECENT_LINES]->line;
}

void
recent_clear(struct recent *recent)
{
	while (recent->next > recent->first)
		drop_first(recent);
}
