/* SPDX-License-Identifier: ISC */
#include <err.h>
#include <math.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "poolctl/top.h"

#define CELL_MAX     64
#define SPARKS_WIDE  60 /* the most that a sparkline gets */
#define SPARKS_LEAST 8
#define NAME_MAX_LEN 28
#define PROBLEMS_MAX 4

/* Pairs of colours. */
enum {
	PLAIN,
	GOOD,
	NOTE,
	BAD,
	DIM,
	TITLE,
	SPARK,
	YOUNG, /* a busy worker, and how it ages */
	OLDER,
	OLD,
	AGED,
	STUCK,
};

static bool coloured; /* of the one terminal, as are ncurses' own globals */

void
top_draw_init(struct top *top)
{
	static const struct {
		short many, few; /* with 256 colours, and with 8 */
	} colours[] = {
		[GOOD] = { 71, COLOR_GREEN },
		[NOTE] = { 178, COLOR_YELLOW },
		[BAD] = { 203, COLOR_RED },
		[DIM] = { 244, COLOR_BLUE },
		[TITLE] = { 110, COLOR_CYAN },
		[SPARK] = { 75, COLOR_CYAN },
		[YOUNG] = { 75, COLOR_CYAN },
		[OLDER] = { 220, COLOR_YELLOW },
		[OLD] = { 214, COLOR_YELLOW },
		[AGED] = { 208, COLOR_RED },
		[STUCK] = { 196, COLOR_RED },
	};

	(void)top;
	if (!has_colors() || getenv("NO_COLOR") != NULL || start_color() == ERR)
		return;
	coloured = true;
	use_default_colors();
	for (short i = GOOD; i <= STUCK; i++)
		init_pair(i, COLORS >= 256 ? colours[i].many : colours[i].few, -1);
}

static attr_t
ink(int pair)
{
	if (pair == PLAIN)
		return A_NORMAL;
	if (coloured)
		return (attr_t)COLOR_PAIR(pair);
	return pair == BAD || pair == STUCK ? A_BOLD : pair == DIM ? A_DIM : A_NORMAL;
}

/* --- text -------------------------------------------------------------- */

static const char *
text_of(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL ? value : "-";
}

/* At most width columns; what could drive a terminal is left out. */
static void
put(const char *text, int width)
{
	int used = 0;

	for (const unsigned char *p = (const unsigned char *)text;
	     *p != '\0' && used < width; p++, used++)
		addch(*p < ' ' || *p >= 0x7f ? '?' : *p);
	for (; used < width; used++)
		addch(' ');
}

static void
put_right(const char *text, int width)
{
	int len = (int)strlen(text);

	for (int i = len; i < width; i++)
		addch(' ');
	put(text, len < width ? len : width);
}

static void
format_span(char *cell, double s)
{
	if (s < 0)
		snprintf(cell, CELL_MAX, "-");
	else if (s < 0.0995)
		snprintf(cell, CELL_MAX, "%.1fms", s * 1e3);
	else if (s < 0.9995)
		snprintf(cell, CELL_MAX, "%.0fms", s * 1e3);
	else if (s < 60)
		snprintf(cell, CELL_MAX, "%.1fs", s);
	else if (s < 3600)
		snprintf(cell, CELL_MAX, "%dm%02d", (int)s / 60, (int)s % 60);
	else if (s < 86400)
		snprintf(cell, CELL_MAX, "%dh%02d", (int)s / 3600, (int)(s / 60) % 60);
	else
		snprintf(cell, CELL_MAX, "%.0fd%02dh", floor(s / 86400),
		    (int)fmod(s / 3600, 24));
}

static void
format_count(char *cell, double n)
{
	if (n < 0)
		snprintf(cell, CELL_MAX, "-");
	else if (n < 1e5)
		snprintf(cell, CELL_MAX, "%.0f", n);
	else if (n < 1e8)
		snprintf(cell, CELL_MAX, "%.1fM", n / 1e6);
	else
		snprintf(cell, CELL_MAX, "%.0fM", n / 1e6);
}

static void
format_rate(char *cell, double n)
{
	if (n < 0)
		snprintf(cell, CELL_MAX, "-");
	else
		snprintf(cell, CELL_MAX, n < 1000 ? "%.1f" : "%.0f", n);
}

static void
format_size(char *cell, double bytes)
{
	const char *units = "KMGT";

	if (bytes <= 0) {
		snprintf(cell, CELL_MAX, bytes < 0 ? "-" : "0");
		return;
	}
	for (bytes /= 1024; bytes >= 999.5 && units[1] != '\0'; units++)
		bytes /= 1024;
	snprintf(cell, CELL_MAX, bytes < 99.95 ? "%.1f%c" : "%.0f%c", bytes, *units);
}

static void
format_part(char *cell, double part)
{
	if (part < 0)
		snprintf(cell, CELL_MAX, "-");
	else
		snprintf(cell, CELL_MAX, part < 0.9995 ? "%.1f%%" : "%.0f%%", part * 100);
}

/* --- columns ----------------------------------------------------------- */

static void
cell_queue(char *cell, const struct top_service *service)
{
	format_count(cell, service->queued);
}

static void
cell_rate(char *cell, const struct top_service *service)
{
	format_rate(cell, service->rate);
}

static void
cell_p50(char *cell, const struct top_service *service)
{
	format_span(cell, service->p50);
}

static void
cell_p99(char *cell, const struct top_service *service)
{
	format_span(cell, service->p99);
}

static void
cell_errors(char *cell, const struct top_service *service)
{
	format_rate(cell, service->error_rate);
}

static void
cell_memory(char *cell, const struct top_service *service)
{
	format_size(cell, service->memory);
}

static void
cell_cpu(char *cell, const struct top_service *service)
{
	format_part(cell, service->cpu);
}

static void
cell_restarts(char *cell, const struct top_service *service)
{
	format_count(cell, service->restarts);
}

static void
cell_workers(char *cell, const struct top_service *service)
{
	char busy[CELL_MAX], ready[CELL_MAX];

	format_count(busy, service->busy);
	format_count(ready, service->workers);
	snprintf(cell, CELL_MAX, "%.8s/%.8s", busy, ready);
}

static const struct column {
	const char *title;
	char sort; /* its key */
	int width;
	unsigned rank; /* the least is the last that there is no room for */
	void (*cell)(char *cell, const struct top_service *service);
} columns[] = {
	{ "BUSY", 'b', 6, 5, cell_workers },
	{ "QUEUE", 'u', 5, 1, cell_queue },
	{ "REQ/S", 'r', 7, 1, cell_rate },
	{ "P50", 'l', 6, 6, cell_p50 },
	{ "P99", 'l', 6, 2, cell_p99 },
	{ "5XX/S", 'e', 5, 2, cell_errors },
	{ "CPU", 'c', 6, 4, cell_cpu },
	{ "MEM", 'm', 5, 3, cell_memory },
	{ "DIED", 't', 5, 7, cell_restarts },
};
#define COLUMNS_COUNT (sizeof(columns) / sizeof(columns[0]))
#define RANKS	      7
#define STATE_WIDTH   8

struct layout {
	int name, squares, sparks;
	bool shown[COLUMNS_COUNT];
};

static int
most_workers(const struct top_model *model)
{
	size_t most = 8;

	for (size_t i = 0; i < model->count; i++) {
		size_t count = json_array_size(
		    json_object_get(model->order[i]->json, "workers"));

		if (count > most)
			most = count;
	}
	return most < 1000 ? (int)most : 1000;
}

/* Names and squares get what they need, within reason; then columns by their
 * rank; the sparklines the rest. */
static void
lay_out(const struct top_model *model, struct layout *layout)
{
	int rest = COLS, squares = most_workers(model);

	memset(layout, 0, sizeof(*layout));
	layout->name = 7;
	for (size_t i = 0; i < model->count; i++)
		if ((int)strlen(model->order[i]->name) > layout->name)
			layout->name = (int)strlen(model->order[i]->name);
	if (layout->name > NAME_MAX_LEN)
		layout->name = NAME_MAX_LEN;
	if (layout->name > COLS / 6 && layout->name > 10)
		layout->name = COLS / 6 > 10 ? COLS / 6 : 10;
	layout->squares = squares < COLS / 8 ? squares : COLS / 8;
	rest -= layout->name + 1 + STATE_WIDTH + 1 + layout->squares + 1;
	for (unsigned rank = 1; rank <= RANKS; rank++)
		for (size_t c = 0; c < COLUMNS_COUNT; c++)
			if (columns[c].rank == rank &&
			    rest >= columns[c].width + 1 + SPARKS_LEAST) {
				layout->shown[c] = true;
				rest -= columns[c].width + 1;
			}
	/* what sparklines do not need is for more squares */
	layout->sparks = rest < SPARKS_LEAST ? 0 : rest;
	if (layout->sparks > 20 && squares > layout->squares) {
		int more = squares - layout->squares;

		if (more > layout->sparks - 20)
			more = layout->sparks - 20;
		layout->squares += more;
		layout->sparks -= more;
	}
	if (layout->sparks > SPARKS_WIDE)
		layout->sparks = SPARKS_WIDE;
}

/* --- squares and sparks ------------------------------------------------ */

static int
colour_of_state(const char *state)
{
	static const struct {
		const char *state;
		int colour;
	} colours[] = { { "failing", BAD }, { "down", BAD }, { "degraded", NOTE },
		{ "starting", NOTE }, { "drained", NOTE }, { "running", GOOD } };

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(state, colours[i].state) == 0)
			return colours[i].colour;
	return DIM;
}

static int
colour_of_age(double seconds)
{
	if (seconds < 0.5)
		return YOUNG;
	if (seconds < 2)
		return OLDER;
	if (seconds < 5)
		return OLD;
	return seconds < 10 ? AGED : STUCK;
}

/* Full: busy; empty: waits; the shape alone tells it, too. */
static void
put_square(const struct top *top, const json_t *worker)
{
	const char *state = text_of(worker, "state"), *wide = "□", *narrow = "o";
	int colour = GOOD;

	if (strcmp(state, "busy") == 0) {
		wide = "■";
		narrow = "#";
		colour = colour_of_age(top_number(worker, "request_seconds"));
	} else if (strcmp(state, "starting") == 0 || strcmp(state, "checking") == 0 ||
	    strcmp(state, "waiting") == 0) {
		wide = "◌";
		narrow = "+";
		colour = NOTE;
	} else if (strcmp(state, "idle") != 0 && strcmp(state, "running") != 0 &&
	    strcmp(state, "outgoing") != 0) {
		wide = "×";
		narrow = "x";
		colour = strcmp(state, "stopping") == 0 ? DIM : BAD;
	}
	attron(ink(colour));
	addstr(top->utf8 ? wide : narrow);
	attroff(ink(colour));
}

/* What should be seen first: old requests, then what is not as it should be. */
static int
compare_urgency(const void *a, const void *b)
{
	const json_t *workers[] = { *(json_t *const *)a, *(json_t *const *)b };
	double urgency[2];

	for (int i = 0; i < 2; i++) {
		const char *state = text_of(workers[i], "state");

		urgency[i] = strcmp(state, "idle") == 0 ?
		    -2 :
		    strcmp(state, "busy") == 0 ?
		    top_number(workers[i], "request_seconds") :
		    -1;
	}
	if (urgency[0] == urgency[1])
		return top_number(workers[0], "slot") < top_number(workers[1], "slot") ?
		    -1 :
		    1;
	return urgency[0] > urgency[1] ? -1 : 1;
}

/* One a worker, in the order of their slots; where there is no room for all, the
 * most urgent, and "+12" for the rest. */
static void
put_squares(const struct top *top, const struct top_service *service, int width)
{
	const json_t *workers = json_object_get(service->json, "workers");
	int count = (int)json_array_size(workers), shown = count, len;
	const json_t **list = calloc((size_t)count + 1, sizeof(*list));
	char more[16] = "";

	if (list == NULL)
		err(EX_OSERR, "calloc");
	for (int i = 0; i < count; i++)
		list[i] = json_array_get(workers, (size_t)i);

	if (count > width) {
		shown = width - 3 - (count > 102) - (count > 1002);
		snprintf(more, sizeof(more), "+%d", count - shown);
		qsort(list, (size_t)count, sizeof(*list), compare_urgency);
	}
	for (int i = 0; i < shown; i++)
		put_square(top, list[i]);
	free(list);
	len = shown + (int)strlen(more);
	put(more, (int)strlen(more));
	for (; len < width; len++)
		addch(' ');
}

static void
put_sparks(const struct top *top, const struct top_service *service, int width)
{
	static const char *const wide[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const narrow[] = { " ", "_", ".", "-", ":", "=", "+", "*",
		"#" };
	size_t kept = service->sample_count < TOP_SAMPLES ? service->sample_count :
							    TOP_SAMPLES;
	size_t count = kept < (size_t)width ? kept : (size_t)width;
	double most = 0, value;
	int level;

	for (size_t i = service->sample_count - count; i < service->sample_count; i++)
		if (service->samples[i % TOP_SAMPLES] > most)
			most = service->samples[i % TOP_SAMPLES];
	for (size_t i = count; i < (size_t)width; i++)
		addch(' ');
	attron(ink(SPARK));
	for (size_t i = service->sample_count - count; i < service->sample_count; i++) {
		value = service->samples[i % TOP_SAMPLES];
		level = most > 0 && value > 0 ? 1 + (int)(value / most * 7.001) : 0;
		addstr(top->utf8 ? wide[level] : narrow[level]);
	}
	attroff(ink(SPARK));
}

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
	char uptime[CELL_MAX], connections[CELL_MAX], rate[CELL_MAX], errors[CELL_MAX];
	char line[512];

	format_span(uptime, top_number(poold, "uptime_seconds"));
	format_count(connections, top_number(poold, "connections"));
	format_rate(rate, sum_of(&top->model, rate_of));
	format_rate(errors, sum_of(&top->model, errors_of));
	snprintf(line, sizeof(line),
	    "poold %s  %s%s  up %s  connections %s  req/s %s  5xx/s %s%s",
	    text_of(poold, "version"), text_of(poold, "phase"),
	    json_is_true(json_object_get(poold, "reloading")) ? ", reloading" : "",
	    uptime, connections, rate, errors, top->paused ? "  PAUSED" : "");
	move(0, 0);
	attron(A_BOLD);
	put(line, COLS);
	attroff(A_BOLD);
}

static int
draw_problem(const json_t *problem, int y)
{
	bool critical = strcmp(text_of(problem, "severity"), "critical") == 0;
	const char *service = json_string_value(json_object_get(problem, "service"));
	char line[512];

	snprintf(line, sizeof(line), "%s %s%s%s", critical ? "!!" : " !",
	    service != NULL ? service : "", service != NULL ? ": " : "",
	    text_of(problem, "problem"));
	move(y, 0);
	attron(ink(critical ? BAD : NOTE) | (critical ? A_BOLD : 0));
	put(line, COLS);
	attroff(ink(critical ? BAD : NOTE) | (critical ? A_BOLD : 0));
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
			bool critical = strcmp(text_of(problem, "severity"),
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
		put(line, COLS);
	}
	if (count == 0) {
		move(y++, 0);
		attron(ink(GOOD));
		put("nothing is wrong", COLS);
		attroff(ink(GOOD));
	}
	return y;
}

/* --- the list ---------------------------------------------------------- */

static void
draw_titles(const struct top *top, const struct layout *layout, int y)
{
	char key = top_sorts[top->sort].key;

	move(y, 0);
	attron(A_REVERSE);
	put("", COLS);
	move(y, 0);
	attron(key == 'n' ? A_BOLD | A_UNDERLINE : 0);
	put("SERVICE", 7);
	attroff(A_BOLD | A_UNDERLINE);
	put("", layout->name - 7 + 1);
	attron(key == 's' ? A_BOLD | A_UNDERLINE : 0);
	put("STATE", 5);
	attroff(A_BOLD | A_UNDERLINE);
	put("", STATE_WIDTH - 5 + 1);
	put("WORKERS", layout->squares);
	put("", 1);
	for (size_t c = 0; c < COLUMNS_COUNT; c++) {
		int pad = columns[c].width - (int)strlen(columns[c].title);
		bool sorted = columns[c].sort == key && strcmp(columns[c].title, "P50");

		if (!layout->shown[c])
			continue;
		put("", pad);
		attron(sorted ? A_BOLD | A_UNDERLINE : 0);
		put(columns[c].title, columns[c].width - pad);
		attroff(A_BOLD | A_UNDERLINE);
		put("", 1);
	}
	if (layout->sparks > 0)
		put_right(layout->sparks < 18 ? "HISTORY" : "REQ/S OVER TIME",
		    layout->sparks);
	attroff(A_REVERSE);
}

static void
draw_service(const struct top *top, const struct layout *layout,
    const struct top_service *service)
{
	const char *state = text_of(service->json, "state");
	char cell[CELL_MAX];
	bool bad;

	put(service->name, layout->name);
	put("", 1);
	attron(ink(colour_of_state(state)));
	put(state, STATE_WIDTH);
	attroff(ink(colour_of_state(state)));
	put("", 1);
	put_squares(top, service, layout->squares);
	put("", 1);
	for (size_t c = 0; c < COLUMNS_COUNT; c++) {
		if (!layout->shown[c])
			continue;
		columns[c].cell(cell, service);
		bad = (columns[c].cell == cell_errors && service->error_rate > 0) ||
		    (columns[c].cell == cell_queue && service->queued > 0);
		attron(bad ? ink(BAD) : 0);
		put_right(cell, columns[c].width);
		attroff(bad ? ink(BAD) : 0);
		put("", 1);
	}
	if (layout->sparks > 0)
		put_sparks(top, service, layout->sparks);
}

#define WORKER_FORMAT "%4s %3s %7s %-8s %7s %8s %6s %6s %6s %6s  %s"

static void
draw_worker_titles(void)
{
	char line[256];

	snprintf(line, sizeof(line), WORKER_FORMAT, "SLOT", "GEN", "PID", "STATE",
	    "REQUEST", "REQUESTS", "ERRORS", "CPU", "MEM", "UPTIME", "LAST EXIT");
	attron(ink(TITLE));
	put("    ", 4);
	put(line, COLS - 4);
	attroff(ink(TITLE));
}

static void
draw_worker(const struct top *top, const struct top_service *service, size_t index)
{
	const json_t *worker = json_array_get(json_object_get(service->json, "workers"),
	    index);
	char slot[CELL_MAX], generation[CELL_MAX], pid[CELL_MAX], age[CELL_MAX];
	char requests[CELL_MAX], errors[CELL_MAX], cpu[CELL_MAX], memory[CELL_MAX];
	char uptime[CELL_MAX], line[1024];

	format_count(slot, top_number(worker, "slot"));
	format_count(generation, top_number(worker, "generation"));
	snprintf(pid, sizeof(pid), "%.0f", top_number(worker, "pid"));
	format_span(age, top_number(worker, "request_seconds"));
	format_count(requests, top_number(worker, "requests"));
	format_count(errors, top_number(worker, "errors"));
	format_part(cpu, top_model_cpu(&top->model, service, worker));
	format_size(memory, top_number(worker, "memory_bytes"));
	format_span(uptime, top_number(worker, "uptime_seconds"));
	snprintf(line, sizeof(line), WORKER_FORMAT, slot, generation,
	    pid[0] == '-' ? "-" : pid, text_of(worker, "state"), age, requests, errors,
	    cpu, memory, uptime, text_of(worker, "last_exit"));
	put("  ", 2);
	put_square(top, worker);
	put(" ", 1);
	put(line, COLS - 4);
}

static void
draw_line(const struct top *top, const struct layout *layout, size_t index, int y)
{
	const struct top_line *line = &top->lines[index];

	move(y, 0);
	clrtoeol();
	if (line->worker == TOP_LINE_SERVICE)
		draw_service(top, layout, line->service);
	else if (line->worker == TOP_LINE_TITLES)
		draw_worker_titles();
	else
		draw_worker(top, line->service, (size_t)line->worker);
	if (index == top->cursor)
		mvchgat(y, 0, layout->name, A_REVERSE | A_BOLD, 0, NULL);
}

static void
draw_list(struct top *top, int y)
{
	struct layout layout;

	lay_out(&top->model, &layout);
	draw_titles(top, &layout, y++);
	top->page = LINES - 1 > y ? (size_t)(LINES - 1 - y) : 1;
	if (top->cursor < top->first)
		top->first = top->cursor;
	if (top->cursor >= top->first + top->page)
		top->first = top->cursor - top->page + 1;
	for (size_t i = top->first; i < top->line_count && i < top->first + top->page;
	     i++)
		draw_line(top, &layout, i, y++);
	for (; y < LINES - 1; y++) {
		move(y, 0);
		clrtoeol();
	}
}

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
	attron(ink(DIM));
	put(line, COLS - 1);
	attroff(ink(DIM));
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
		attron(ink(BAD) | A_BOLD);
		put(top->lost, COLS);
		attroff(ink(BAD) | A_BOLD);
	} else
		y = draw_problems(top, y);
	if (y < LINES - 2)
		draw_list(top, y);
	draw_foot(top);
	refresh();
}
