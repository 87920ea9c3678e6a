/* SPDX-License-Identifier: ISC */
/* poolctl top: all services, again and again.  top.c has the loop and the keys,
 * top_draw.c the screen and top_list.c its list, top_model.c what is shown. */
#ifndef POOLCTL_TOP_H
#define POOLCTL_TOP_H

#include <stdbool.h>

#include "poolctl/command.h"
#include "poolctl/top_link.h"
#include "poolctl/top_model.h"

/* A row of the list. */
struct top_line {
	struct top_service *service;
	int worker; /* its index; or one of the two below */
};
#define TOP_LINE_SERVICE (-1)
#define TOP_LINE_TITLES	 (-2) /* of its workers */

struct top {
	struct top_link link;
	struct top_model model;
	double delay;
	unsigned sort; /* index in top_sorts */
	bool reverse;
	bool paused;
	bool help;
	bool utf8;
	const char *lost; /* why there is no connection; NULL: there is one */
	struct top_line *lines;
	size_t line_count, line_size;
	size_t cursor, first; /* lines: where the cursor is, which is on top */
	char *cursor_service; /* that the cursor is on, wherever it moves */
	int cursor_worker;
	size_t page; /* lines that are shown */
};

/* Shows services until a key or a signal ends it.  Returns the exit status. */
int top_run(const struct options *options);

/* From top_draw.c: all of the screen. */
void top_draw(struct top *top);

#endif
