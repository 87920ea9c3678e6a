/* SPDX-License-Identifier: ISC */
/* The lines that were logged last, for those who ask for them: bounded in
 * number and in bytes. */
#ifndef LOGGER_RECENT_H
#define LOGGER_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "logger/line.h"

#define RECENT_LINES 4096
#define RECENT_BYTES (1 << 20)

struct recent {
	struct recent_line *lines[RECENT_LINES]; /* line n is at n % RECENT_LINES */
	uint64_t first;				 /* that is kept */
	uint64_t next;				 /* that comes */
	size_t bytes;
};

void recent_add(struct recent *recent, const struct line *line);
/* Line number n, which is kept: valid until the next recent_add. */
void recent_get(const struct recent *recent, uint64_t n, struct line *line);
void recent_clear(struct recent *recent);

#endif
