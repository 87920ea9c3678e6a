/* SPDX-License-Identifier: ISC */
#include "poolctl/top_ink.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool coloured; /* of the one terminal, as are ncurses' own globals */

void
top_ink_init(void)
{
	static const struct {
		short many, few; /* with 256 colours, and with 8 */
	} colours[] = {
		[INK_GOOD] = { 71, COLOR_GREEN },
		[INK_NOTE] = { 178, COLOR_YELLOW },
		[INK_BAD] = { 203, COLOR_RED },
		[INK_DIM] = { 244, COLOR_BLUE },
		[INK_TITLE] = { 110, COLOR_CYAN },
		[INK_SPARK] = { 75, COLOR_CYAN },
		[INK_YOUNG] = { 75, COLOR_CYAN },
		[INK_OLDER] = { 220, COLOR_YELLOW },
		[INK_OLD] = { 214, COLOR_YELLOW },
		[INK_AGED] = { 208, COLOR_RED },
		[INK_STUCK] = { 196, COLOR_RED },
	};

	if (!has_colors() || getenv("NO_COLOR") != NULL || start_color() == ERR)
		return;
	coloured = true;
	use_default_colors();
	for (short i = INK_GOOD; i <= INK_STUCK; i++)
		init_pair(i, COLORS >= 256 ? colours[i].many : colours[i].few, -1);
}

attr_t
top_ink(enum top_ink ink)
{
	if (ink == INK_PLAIN)
		return A_NORMAL;
	if (coloured)
		return (attr_t)COLOR_PAIR(ink);
	return ink == INK_BAD || ink == INK_STUCK ? A_BOLD :
	    ink == INK_DIM			  ? A_DIM :
						    A_NORMAL;
}

void
top_ink_put(const char *text, int width)
{
	int used = 0;

	for (const unsigned char *p = (const unsigned char *)text;
	     *p != '\0' && used < width; p++, used++)
		addch(*p < ' ' || *p >= 0x7f ? '?' : *p);
	for (; used < width; used++)
		addch(' ');
}

void
top_ink_put_right(const char *text, int width)
{
	int len = (int)strlen(text);

	for (int i = len; i < width; i++)
		addch(' ');
	top_ink_put(text, len < width ? len : width);
}
