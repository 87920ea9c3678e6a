/* SPDX-License-Identifier: ISC */
/* Text and colours on the terminal of poolctl top, where the cursor of ncurses is. */
#ifndef POOLCTL_TOP_INK_H
#define POOLCTL_TOP_INK_H

#include <ncurses.h>

enum top_ink {
	INK_PLAIN,
	INK_GOOD,
	INK_NOTE,
	INK_BAD,
	INK_DIM,
	INK_TITLE,
	INK_SPARK,
	INK_YOUNG, /* a busy worker, and how it ages */
	INK_OLDER,
	INK_OLD,
	INK_AGED,
	INK_STUCK,
};

/* Once ncurses has the terminal: colours, unless it has none, or NO_COLOR is set. */
void top_ink_init(void);
/* What attron(3) and attroff(3) take; without colours the worst is bold. */
attr_t top_ink(enum top_ink ink);

/* Exactly width columns: cut, or filled up.  What could drive a terminal, and all
 * that is not ASCII, is shown as '?'. */
void top_ink_put(const char *text, int width);
/* The same, aligned to the right. */
void top_ink_put_right(const char *text, int width);

#endif
