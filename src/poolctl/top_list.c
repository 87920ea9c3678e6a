/* SPDX-License-Identifier: ISC */
#include "poolctl/top_list.h"

#include <stdio.h>
#include <string.h>

#include "poolctl/top_cell.h"
#include "poolctl/top_ink.h"
#include "poolctl/top_signs.h"

#define NAME_MAX_LEN 28
#define STATE_WIDTH  8
#define SPARKS_LEAST 8
#define SPARKS_WIDE  60 /* the most that a sparkline gets */
#define RANKS	     7	/* of columns */

/* --- columns ----------------------------------------------------------- */

static void
cell_queue(char *cell, const struct top_service *service)
{
	top_cell_count(cell, service->queued);
}

static void
cell_rate(char *cell, const struct top_service *service)
{
	top_cell_rate(cell, service->rate);
}

static void
cell_p50(char *cell, const struct top_service *service)
{
	top_cell_span(cell, service->p50);
}

static void
cell_p99(char *cell, const struct top_service *service)
{
	top_cell_span(cell, service->p99);
}

static void
cell_errors(char *cell, const struct top_service *service)
{
	top_cell_rate(cell, service->error_rate);
}

static void
cell_memory(char *cell, const struct top_service *service)
{
	top_cell_size(cell, service->memory);
}

static void
cell_cpu(char *cell, const struct top_service *service)
{
	top_cell_part(cell, service->cpu);
}

static void
cell_restarts(char *cell, const struct top_service *service)
{
	top_cell_count(cell, service->restarts);
}

static void
cell_workers(char *cell, const struct top_service *service)
{
	char busy[TOP_CELL_MAX], ready[TOP_CELL_MAX];

	top_cell_count(busy, service->busy);
	top_cell_count(ready, service->workers);
	snprintf(cell, TOP_CELL_MAX, "%.8s/%.8s", busy, ready);
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

/* --- lines ------------------------------------------------------------- */

static void
draw_titles(const struct top *top, const struct layout *layout, int y)
{
	char key = top_sorts[top->sort].key;

	move(y, 0);
	attron(A_REVERSE);
	top_ink_put("", COLS);
	move(y, 0);
	attron(key == 'n' ? A_BOLD | A_UNDERLINE : 0);
	top_ink_put("SERVICE", 7);
	attroff(A_BOLD | A_UNDERLINE);
	top_ink_put("", layout->name - 7 + 1);
	attron(key == 's' ? A_BOLD | A_UNDERLINE : 0);
	top_ink_put("STATE", 5);
	attroff(A_BOLD | A_UNDERLINE);
	top_ink_put("", STATE_WIDTH - 5 + 1);
	top_ink_put("WORKERS", layout->squares);
	top_ink_put("", 1);
	for (size_t c = 0; c < COLUMNS_COUNT; c++) {
		int pad = columns[c].width - (int)strlen(columns[c].title);
		bool sorted = columns[c].sort == key && strcmp(columns[c].title, "P50");

		if (!layout->shown[c])
			continue;
		top_ink_put("", pad);
		attron(sorted ? A_BOLD | A_UNDERLINE : 0);
		top_ink_put(columns[c].title, columns[c].width - pad);
		attroff(A_BOLD | A_UNDERLINE);
		top_ink_put("", 1);
	}
	if (layout->sparks > 0)
		top_ink_put_right(layout->sparks < 18 ? "HISTORY" : "REQ/S OVER TIME",
		    layout->sparks);
	attroff(A_REVERSE);
}

static void
draw_service(const struct top *top, const struct layout *layout,
    const struct top_service *service)
{
	const char *state = top_text(service->json, "state");
	char cell[TOP_CELL_MAX];
	bool bad;

	top_ink_put(service->name, layout->name);
	top_ink_put("", 1);
	attron(top_ink(top_signs_colour(state)));
	top_ink_put(state, STATE_WIDTH);
	attroff(top_ink(top_signs_colour(state)));
	top_ink_put("", 1);
	top_signs_workers(top->utf8, service, layout->squares);
	top_ink_put("", 1);
	for (size_t c = 0; c < COLUMNS_COUNT; c++) {
		if (!layout->shown[c])
			continue;
		columns[c].cell(cell, service);
		bad = (columns[c].cell == cell_errors && service->error_rate > 0) ||
		    (columns[c].cell == cell_queue && service->queued > 0);
		attron(bad ? top_ink(INK_BAD) : 0);
		top_ink_put_right(cell, columns[c].width);
		attroff(bad ? top_ink(INK_BAD) : 0);
		top_ink_put("", 1);
	}
	if (layout->sparks > 0)
		top_signs_history(top->utf8, service, layout->sparks);
}

#define WORKER_FORMAT "%4s %3s %7s %-8s %7s %8s %6s %6s %6s %6s  %s"

static void
draw_worker_titles(void)
{
	char line[256];

	snprintf(line, sizeof(line), WORKER_FORMAT, "SLOT", "GEN", "PID", "STATE",
	    "REQUEST", "REQUESTS", "ERRORS", "CPU", "MEM", "UPTIME", "LAST EXIT");
	attron(top_ink(INK_TITLE));
	top_ink_put("    ", 4);
	top_ink_put(line, COLS - 4);
	attroff(top_ink(INK_TITLE));
}

static void
draw_worker(const struct top *top, const struct top_service *service, size_t index)
{
	const json_t *worker = json_array_get(json_object_get(service->json, "workers"),
	    index);
	char slot[TOP_CELL_MAX], generation[TOP_CELL_MAX], pid[TOP_CELL_MAX],
	    age[TOP_CELL_MAX];
	char requests[TOP_CELL_MAX], errors[TOP_CELL_MAX], cpu[TOP_CELL_MAX],
	    memory[TOP_CELL_MAX];
	char uptime[TOP_CELL_MAX], line[1024];

	top_cell_count(slot, top_number(worker, "slot"));
	top_cell_count(generation, top_number(worker, "generation"));
	snprintf(pid, sizeof(pid), "%.0f", top_number(worker, "pid"));
	top_cell_span(age, top_number(worker, "request_seconds"));
	top_cell_count(requests, top_number(worker, "requests"));
	top_cell_count(errors, top_number(worker, "errors"));
	top_cell_part(cpu, top_model_cpu(&top->model, service, worker));
	top_cell_size(memory, top_number(worker, "memory_bytes"));
	top_cell_span(uptime, top_number(worker, "uptime_seconds"));
	snprintf(line, sizeof(line), WORKER_FORMAT, slot, generation,
	    pid[0] == '-' ? "-" : pid, top_text(worker, "state"), age, requests, errors,
	    cpu, memory, uptime, top_text(worker, "last_exit"));
	top_ink_put("  ", 2);
	top_signs_worker(top->utf8, worker);
	top_ink_put(" ", 1);
	top_ink_put(line, COLS - 4);
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

void
top_list_draw(struct top *top, int y)
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
