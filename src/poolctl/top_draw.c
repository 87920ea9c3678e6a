/* SPDX-License-Identifier: ISC */
/* The screen of poolctl top: the head, what is wrong, the list (top_list.c), the foot;
 * or the help. */
#include "poolctl/top.h"

#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#include "poolctl/top_cell.h"
#include "poolctl/top_ink.h"
#include "poolctl/top_list.h"

#define PROBLEMS_MAX 4

/* --- the head ---------------------------------------------------------- */

static double
sum_of(const struct top_model *model, double (*value)(const struct top_service *))
{
	double sum = -1, one;

	for (size_t i = 0; i < model->count; i++)
		if ((one = value(model->order[i])) >= 0)
			sum = (sum < 0 ? 0 : sum) + one;
	return sum;
}

static double
rate_of(const struct top_service *service)
{
	return service->rate;
}

static double
errors_of(const struct top_service *service)
{
	return service->error_rate;
}

static void
draw_head(const struct top *top)
{
	const json_t *poold = json_object_get(top->model.status, "poold");
	char uptime[TOP_CELL_MAX], connections[TOP_CELL_MAX], rate[TOP_CELL_MAX],
	    errors[TOP_CELL_MAX];
	char line[512];

	top_cell_span(uptime, top_number(poold, "uptime_seconds"));
	top_cell_count(connections, top_number(poold, "connections"));
	top_cell_rate(rate, sum_of(&top->model, rate_of));
	top_cell_rate(errors, sum_of(&top->model, errors_of));
	snprintf(line, sizeof(line),
	    "poold %s  %s%s  up %s  connections %s  req/s %s  5xx/s %s%s",
	    top_text(poold, "version"), top_text(poold, "phase"),
	    json_is_true(json_object_get(poold, "reloading")) ? ", reloading" : "",
	    uptime, connections, rate, errors, top->paused ? "  PAUSED" : "");
	move(0, 0);
	attron(A_BOLD);
	top_ink_put(line, COLS);
	attroff(A_BOLD);
}

static int
draw_problem(const json_t *problem, int y)
{
	bool critical = strcmp(top_text(problem, "severity"), "critical") == 0;
	const char *service = json_string_value(json_object_get(problem, "service"));
	char line[512];

	snprintf(line, sizeof(line), "%s %s%s%s", critical ? "!!" : " !",
	    service != NULL ? service : "", service != NULL ? ": " : "",
	    top_text(problem, "problem"));
	move(y, 0);
	attron(top_ink(critical ? INK_BAD : INK_NOTE) | (critical ? A_BOLD : 0));
	top_ink_put(line, COLS);
	attroff(top_ink(critical ? INK_BAD : INK_NOTE) | (critical ? A_BOLD : 0));
	return y + 1;
}

/* The critical ones first.  Returns the next line. */
static int
draw_problems(const struct top *top, int y)
{
	const json_t *problems = json_object_get(top->model.check, "problems");
	size_t count = json_array_size(problems), shown = 0, most = PROBLEMS_MAX;
	char line[64];

	if (LINES < 16)
		most = 1;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < count; i++) {
			const json_t *problem = json_array_get(problems, i);
			bool critical = strcmp(top_text(problem, "severity"),
					    "critical") == 0;

			if (critical != (pass == 0) || shown >= most)
				continue;
			shown++;
			y = draw_problem(problem, y);
		}
	if (count > shown) {
		snprintf(line, sizeof(line), "   and %zu more: poolctl check",
		    count - shown);
		move(y++, 0);
		top_ink_put(line, COLS);
	}
	if (count == 0) {
		move(y++, 0);
		attron(top_ink(INK_GOOD));
		top_ink_put("nothing is wrong", COLS);
		attroff(top_ink(INK_GOOD));
	}
	return y;
}

/* --- the foot ---------------------------------------------------------- */

static void
draw_foot(const struct top *top)
{
	char line[512], place[64] = "";

	if (top->line_count > top->page)
		snprintf(place, sizeof(place), "  lines %zu-%zu of %zu", top->first + 1,
		    top->first + top->page < top->line_count ? top->first + top->page :
							       top->line_count,
		    top->line_count);
	snprintf(line, sizeof(line),
	    "q quit  ? help  enter workers  space %s  sorted by %s%s%s",
	    top->paused ? "go on" : "pause", top_sorts[top->sort].name,
	    top->reverse ? ", reversed" : "", place);
	move(LINES - 1, 0);
	attron(top_ink(INK_DIM));
	top_ink_put(line, COLS - 1);
	attroff(top_ink(INK_DIM));
}

/* --- help -------------------------------------------------------------- */

static void
draw_help(const struct top *top)
{
	static const char *const text[] = {
		"q            quit",
		"up, down     move; also j, k, page up, page down, home, end",
		"enter        show or hide the workers of a service",
		"space        pause, and go on",
		"+, -         look less, or more often",
		"?            this help; any key leaves it",
		"",
		"Sort by, and the same key again for the other way round:",
	};
	int y = 0, shown = 0;

	erase();
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]) && y < LINES; i++)
		mvaddnstr(y++, 1, text[i], COLS - 2);
	for (size_t i = 0; i < top_sort_count && y < LINES; i++) {
		char line[64];

		snprintf(line, sizeof(line), "   %c  %-20s", top_sorts[i].key,
		    top_sorts[i].name);
		mvaddnstr(y, shown % 2 * 32, line, COLS - 2);
		if (shown++ % 2 == 1)
			y++;
	}
	y += 1 + shown % 2;
	if (y < LINES)
		mvaddnstr(y++, 1, "One sign a worker:", COLS - 2);
	if (y < LINES)
		mvaddnstr(y++, 1,
		    top->utf8 ? "   □ waits   ■ busy, from blue over yellow to red with "
				"the age of its request" :
				"   o waits   # busy, from blue over yellow to red with "
				"the age of its request",
		    -1);
	if (y < LINES)
		mvaddnstr(y, 1,
		    top->utf8 ? "   ◌ starts   × stops, or was lost" :
				"   + starts   x stops, or was lost",
		    -1);
}

/* --- all --------------------------------------------------------------- */

void
top_draw(struct top *top)
{
	int y = 1;

	if (top->help) {
		draw_help(top);
		refresh();
		return;
	}
	draw_head(top);
	if (top->lost != NULL) {
		move(y++, 0);
		attron(top_ink(INK_BAD) | A_BOLD);
		top_ink_put(top->lost, COLS);
		attroff(top_ink(INK_BAD) | A_BOLD);
	} else
		y = draw_problems(top, y);
	if (y < LINES - 2)
		top_list_draw(top, y);
	draw_foot(top);
	refresh();
}
