/* SPDX-License-Identifier: ISC */
#include "poolctl/show.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/exposition.h"

#define CELL_MAX    64
#define SHORT_MAX   21 /* characters of a name or a request in a table */
#define WIDTH	    80 /* of a terminal */
#define COLUMNS_MAX 16

/* --- values ------------------------------------------------------------ */

static const json_t *
get(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

static const char *
text(const json_t *object, const char *key)
{
	const char *value = json_string_value(get(object, key));

	return value != NULL ? value : "-";
}

static long long
number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(get(object, key));
}

/* At most five digits: 12345, 123K, 12.3M. */
static void
format_count(char *cell, double count)
{
	static const char units[] = "KMGTP";
	int unit = -1;

	while (count >= (unit < 0 ? 99999.5 : 999.5) && unit < (int)sizeof(units) - 2) {
		count /= 1000;
		unit++;
	}
	if (unit < 0)
		snprintf(cell, CELL_MAX, "%.0f", count);
	else
		snprintf(cell, CELL_MAX, "%.*f%c", count < 99.95 ? 1 : 0, count,
		    units[unit]);
}

static void
cell_number(char *cell, const json_t *object, const char *key)
{
	if (json_is_integer(get(object, key)))
		snprintf(cell, CELL_MAX, "%lld", number(object, key));
	else
		snprintf(cell, CELL_MAX, "-");
}

static void
cell_count(char *cell, const json_t *object, const char *key)
{
	if (json_is_number(get(object, key)))
		format_count(cell, json_number_value(get(object, key)));
	else
		snprintf(cell, CELL_MAX, "-");
}

static void
cell_size(char *cell, const json_t *object, const char *key)
{
	double bytes = (double)number(object, key);
	const char *units = "KMGT";

	if (!json_is_integer(get(object, key))) {
		snprintf(cell, CELL_MAX, "-");
		return;
	}
	for (bytes /= 1024; bytes >= 1024 && units[1] != '\0'; units++)
		bytes /= 1024;
	snprintf(cell, CELL_MAX, "%.1f%c", bytes, *units);
}

static void
cell_seconds(char *cell, const json_t *object, const char *key)
{
	double s = json_number_value(get(object, key));

	if (!json_is_number(get(object, key)))
		snprintf(cell, CELL_MAX, "-");
	else if (s < 60)
		snprintf(cell, CELL_MAX, "%.1fs", s);
	else if (s < 3600)
		snprintf(cell, CELL_MAX, "%dm%02ds", (int)s / 60, (int)s % 60);
	else
		snprintf(cell, CELL_MAX, "%.0fh%02dm", floor(s / 3600),
		    (int)fmod(s / 60, 60));
}

static void
cell_rate(char *cell, const json_t *object, const char *key)
{
	double rate = json_number_value(get(object, key));

	if (json_is_number(get(object, key)) && rate < 99.95)
		snprintf(cell, CELL_MAX, "%.1f", rate);
	else
		cell_count(cell, object, key);
}

/* A time of a request: 250us, 1.2ms, 12ms, 1.2s, 12s. */
static void
cell_time(char *cell, const json_t *object, const char *key)
{
	double s = json_number_value(get(object, key));

	if (!json_is_number(get(object, key)))
		snprintf(cell, CELL_MAX, "-");
	else if (s < 0.0009995)
		snprintf(cell, CELL_MAX, "%.0fus", s * 1e6);
	else if (s < 0.9995)
		snprintf(cell, CELL_MAX, "%.*fms", s < 0.00995 ? 1 : 0, s * 1e3);
	else
		snprintf(cell, CELL_MAX, "%.*fs", s < 9.95 ? 1 : 0, s);
}

/* The columns of text that may be long are cut, but for the last one. */
static void
cell_text(char *cell, const json_t *object, const char *key)
{
	snprintf(cell, CELL_MAX, "%s", text(object, key));
}

static void
cell_short(char *cell, const json_t *object, const char *key)
{
	const char *value = text(object, key);

	if (strlen(value) > SHORT_MAX)
		snprintf(cell, CELL_MAX, "%.*s..", SHORT_MAX - 2, value);
	else
		snprintf(cell, CELL_MAX, "%s", value);
}

/* Of the process that workers are forked from: none. */
static void
cell_slot(char *cell, const json_t *object, const char *key)
{
	if (json_is_integer(get(object, key)))
		cell_number(cell, object, key);
	else
		snprintf(cell, CELL_MAX, "template");
}

/* "2/1/0 of 3": busy, idle, starting; where nobody knows who is busy, "-/3/0 of 3". */
static void
cell_workers(char *cell, const json_t *object, const char *key)
{
	char busy[CELL_MAX], idle[CELL_MAX];

	(void)key;
	cell_number(busy, object, "workers_busy");
	cell_number(idle, object, "workers_idle");
	if (idle[0] == '-')
		cell_number(idle, object, "workers_ready");
	snprintf(cell, CELL_MAX, "%.12s/%.12s/%lld of %lld", busy, idle,
	    number(object, "workers_starting"), number(object, "workers_max"));
}

/* --- tables ------------------------------------------------------------ */

struct column {
	const char *title;
	const char *key;
	void (*cell)(char *cell, const json_t *object, const char *key);
	bool left; /* aligned */
};

static const struct column service_columns[] = {
	{ "SERVICE", "service", cell_short, true },
	{ "STATE", "state", cell_text, true },
	{ "WORKERS", NULL, cell_workers, false },
	{ "QUEUE", "queued", cell_count, false },
	{ "REQ/S", "requests_per_second", cell_rate, false },
	{ "P50", "p50_seconds", cell_time, false },
	{ "P99", "p99_seconds", cell_time, false },
	{ "ERRORS", "errors", cell_count, false },
	{ "RESTARTS", "restarts", cell_count, false },
	{ "MEMORY", "memory_bytes", cell_size, false },
	{ NULL, NULL, NULL, false },
};

static const struct column worker_columns[] = {
	{ "SLOT", "slot", cell_slot, false },
	{ "GEN", "generation", cell_number, false },
	{ "PID", "pid", cell_number, false },
	{ "STATE", "state", cell_text, true },
	{ "FOR", "request_seconds", cell_seconds, false },
	{ "REQUEST", "request", cell_short, true },
	{ "REQUESTS", "requests", cell_count, false },
	{ "CPU", "cpu_seconds", cell_seconds, false },
	{ "MEMORY", "memory_bytes", cell_size, false },
	{ "UPTIME", "uptime_seconds", cell_seconds, false },
	{ "LAST EXIT", "last_exit", cell_text, true },
	{ NULL, NULL, NULL, false },
};

static const char *
colour_of(const char *state)
{
	static const struct {
		const char *state, *colour;
	} colours[] = { { "failing", "31" }, { "down", "31" }, { "degraded", "33" },
		{ "starting", "33" }, { "drained", "33" }, { "running", "32" } };

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(state, colours[i].state) == 0)
			return colours[i].colour;
	return NULL;
}

static void
print_cell(const struct column *column, const char *cell, int width,
    const char *separator, bool terminal)
{
	const char *colour = NULL;
	bool last = column[1].title == NULL;

	if (terminal && strcmp(column->title, "STATE") == 0)
		colour = colour_of(cell);
	if (colour != NULL)
		printf("\033[%sm", colour);
	if (column->left)
		printf("%-*s", last ? 0 : width, cell);
	else
		printf("%*s", width, cell);
	if (colour != NULL)
		printf("\033[0m");
	fputs(last ? "\n" : separator, stdout);
}

static int
width_of(const struct column *column, const json_t *rows)
{
	size_t width = strlen(column->title);
	char cell[CELL_MAX];

	for (size_t i = 0; i < json_array_size(rows); i++) {
		column->cell(cell, json_array_get(rows, i), column->key);
		if (strlen(cell) > width)
			width = strlen(cell);
	}
	return (int)width;
}

static void
print_table(const struct column *columns, const json_t *rows)
{
	bool terminal = isatty(STDOUT_FILENO);
	int widths[COLUMNS_MAX], all = -2;
	const char *separator = "  ";
	char cell[CELL_MAX];

	for (int c = 0; columns[c].title != NULL; c++) {
		widths[c] = width_of(&columns[c], rows);
		all += widths[c] + 2;
	}
	if (all > WIDTH)
		separator = " ";
	for (int c = 0; columns[c].title != NULL; c++)
		print_cell(&columns[c], columns[c].title, widths[c], separator, false);
	for (size_t i = 0; i < json_array_size(rows); i++)
		for (int c = 0; columns[c].title != NULL; c++) {
			columns[c].cell(cell, json_array_get(rows, i), columns[c].key);
			print_cell(&columns[c], cell, widths[c], separator, terminal);
		}
}

/* --- replies ----------------------------------------------------------- */

void
show_status(const json_t *reply)
{
	const json_t *poold = get(reply, "poold");
	const char *failure = json_string_value(get(poold, "reload_error"));
	char uptime[CELL_MAX], connections[CELL_MAX];

	cell_seconds(uptime, poold, "uptime_seconds");
	cell_number(connections, poold, "connections");
	printf("poold %s (pid %lld), %s for %s, %s connections, %s\n",
	    text(poold, "version"), number(poold, "pid"), text(poold, "phase"), uptime,
	    connections, text(poold, "config_file"));
	if (json_is_true(get(poold, "reloading")))
		printf("a reload is under way\n");
	if (failure != NULL)
		printf("the last reload failed: %s\n", failure);
	print_table(service_columns, get(reply, "services"));
}

/* The template, if there is one, and the workers.  New reference. */
static json_t *
processes_of(const json_t *reply)
{
	json_t *rows = json_array(), *template = json_object_get(reply, "template");

	if (json_is_object(template))
		json_array_append(rows, template);
	json_array_extend(rows, json_object_get(reply, "workers"));
	return rows;
}

void
show_service(const json_t *reply)
{
	json_t *rows = processes_of(reply);
	char memory[CELL_MAX];

	cell_size(memory, reply, "memory_bytes");
	printf("service %s: %s, generation %lld, %lld of %lld workers ready%s, "
	       "%lld restarts, %s\n",
	    text(reply, "service"), text(reply, "state"), number(reply, "generation"),
	    number(reply, "workers_ready"), number(reply, "workers_target"),
	    json_is_true(get(reply, "scaled_by_hand")) ? " (by hand)" : "",
	    number(reply, "restarts"), memory);
	print_table(worker_columns, rows);
	json_decref(rows);
}

/* located: it is known where keys stand. */
static void
show_section(const json_t *section, bool located)
{
	const char *name = json_string_value(get(section, "name"));
	const json_t *keys = get(section, "keys");

	printf("[%s%s%s]\n", text(section, "section"), name != NULL ? " " : "",
	    name != NULL ? name : "");
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *key = json_array_get(keys, i);
		const char *value = json_string_value(get(key, "value"));

		printf("%s = %s", text(key, "key"), value != NULL ? value : "");
		if (json_is_integer(get(key, "line")))
			printf("  ; %s:%lld\n", text(key, "file"), number(key, "line"));
		else
			printf("%s\n", located ? "  ; default" : "");
	}
}

void
show_config(const json_t *reply)
{
	const json_t *sections = get(reply, "sections");
	bool located = json_is_string(get(reply, "file"));

	for (size_t i = 0; i < json_array_size(sections); i++) {
		if (i > 0)
			printf("\n");
		show_section(json_array_get(sections, i), located);
	}
}

void
show_metrics(const json_t *reply)
{
	size_t len;
	char *page = exposition_text(get(reply, "families"), &len);

	if (page != NULL)
		fwrite(page, 1, len, stdout);
	free(page);
}

void
show_check(const json_t *reply)
{
	const json_t *problems = get(reply, "problems");

	printf("poold %s", text(reply, "status"));
	for (size_t i = 0; i < json_array_size(problems); i++) {
		const json_t *problem = json_array_get(problems, i);
		const char *service = json_string_value(get(problem, "service"));

		printf("%s%s%s%s", i == 0 ? ": " : "; ", service != NULL ? service : "",
		    service != NULL ? ": " : "", text(problem, "problem"));
	}
	printf("\n");
}

/* What clients wrote does not drive a terminal. */
static void
print_safe(const char *unsafe)
{
	for (const unsigned char *p = (const unsigned char *)unsafe; *p != '\0'; p++)
		if (*p >= ' ' && *p < 0x7f)
			putchar(*p);
		else
			printf("\\x%02x", *p);
}

static void
show_slow_entry(const json_t *entry)
{
	const json_t *stack = get(entry, "stack");
	char seconds[CELL_MAX];

	cell_seconds(seconds, entry, "request_seconds");
	printf("%s %s %s worker %lld (pid %lld) %s ", text(entry, "time"),
	    text(entry, "service"),
	    json_is_true(get(entry, "killed")) ? "killed" : "slow", number(entry, "slot"),
	    number(entry, "pid"), seconds);
	print_safe(text(entry, "request"));
	if (json_is_string(get(entry, "request_id")))
		printf(" %s", text(entry, "request_id"));
	printf("\n    wchan ");
	print_safe(text(entry, "wchan"));
	printf(", syscall ");
	print_safe(text(entry, "syscall"));
	printf("\n");
	for (size_t i = 0; i < json_array_size(stack); i++) {
		printf("    ");
		print_safe(json_string_value(json_array_get(stack, i)));
		printf("\n");
	}
}

void
show_slow(const json_t *reply)
{
	const json_t *slow = get(reply, "slow");

	for (size_t i = 0; i < json_array_size(slow); i++)
		show_slow_entry(json_array_get(slow, i));
	if (json_array_size(slow) == 0)
		printf("no request was slow since poold was started or upgraded\n");
}

/* The members that not every event has. */
static void
show_member(const char *key, const json_t *value)
{
	char *dump;

	if (strcmp(key, "time") == 0 || strcmp(key, "event") == 0 ||
	    strcmp(key, "service") == 0)
		return;
	dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	printf(" %s=%s", key, dump != NULL ? dump : "?");
	free(dump);
}

/* time event service key=value... */
void
show_event(const json_t *event)
{
	const char *service = json_string_value(get(event, "service"));
	json_t *members = (json_t *)event; /* jansson iterates over no const */
	void *at;

	printf("%s %s", text(event, "time"), text(event, "event"));
	if (service != NULL)
		printf(" %s", service);
	for (at = json_object_iter(members); at != NULL;
	     at = json_object_iter_next(members, at))
		show_member(json_object_iter_key(at), json_object_iter_value(at));
	printf("\n");
}

/* Controls, also those of more than a byte (C1), drive terminals. */
static void
show_harmless(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p != '\0'; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		if ((*p < ' ' && *p != '\t') || *p == 0x7f || c1)
			printf("\\x%02x", c1 ? *++p : *p);
		else
			putchar(*p);
	}
}

/* As in the log itself: time level name[pid]: [request] line */
void
show_log(const json_t *line)
{
	const char *name = json_string_value(get(line, "service"));
	const char *id = json_string_value(get(line, "request_id"));

	if (json_is_integer(get(line, "missed"))) {
		printf("(%lld lines missed)\n", number(line, "missed"));
		return;
	}
	printf("%s %s %s[%lld]: ", text(line, "time"), text(line, "level"),
	    name != NULL ? name : text(line, "role"), number(line, "pid"));
	if (id != NULL)
		printf("[%s] ", id);
	show_harmless(text(line, "line"));
	printf("\n");
}
