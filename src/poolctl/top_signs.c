/* SPDX-License-Identifier: ISC */
#include "poolctl/top_signs.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum top_ink
top_signs_colour(const char *state)
{
	static const struct {
		const char *state;
		enum top_ink colour;
	} colours[] = { { "failing", INK_BAD }, { "down", INK_BAD },
		{ "degraded", INK_NOTE }, { "starting", INK_NOTE },
		{ "drained", INK_NOTE }, { "running", INK_GOOD } };

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(state, colours[i].state) == 0)
			return colours[i].colour;
	return INK_DIM;
}

static enum top_ink
colour_of_age(double seconds)
{
	if (seconds < 0.5)
		return INK_YOUNG;
	if (seconds < 2)
		return INK_OLDER;
	if (seconds < 5)
		return INK_OLD;
	return seconds < 10 ? INK_AGED : INK_STUCK;
}

void
top_signs_worker(bool utf8, const json_t *worker)
{
	const char *state = top_text(worker, "state"), *wide = "□", *narrow = "o";
	enum top_ink colour = INK_GOOD;

	if (strcmp(state, "busy") == 0) {
		wide = "■";
		narrow = "#";
		colour = colour_of_age(top_number(worker, "request_seconds"));
	} else if (strcmp(state, "starting") == 0 || strcmp(state, "checking") == 0 ||
	    strcmp(state, "waiting") == 0) {
		wide = "◌";
		narrow = "+";
		colour = INK_NOTE;
	} else if (strcmp(state, "idle") != 0 && strcmp(state, "running") != 0 &&
	    strcmp(state, "outgoing") != 0) {
		wide = "×";
		narrow = "x";
		colour = strcmp(state, "stopping") == 0 ? INK_DIM : INK_BAD;
	}
	attron(top_ink(colour));
	addstr(utf8 ? wide : narrow);
	attroff(top_ink(colour));
}

/* What should be seen first: old requests, then what is not as it should be. */
static int
compare_urgency(const void *a, const void *b)
{
	const json_t *workers[] = { *(json_t *const *)a, *(json_t *const *)b };
	double urgency[2];

	for (int i = 0; i < 2; i++) {
		const char *state = top_text(workers[i], "state");

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

void
top_signs_workers(bool utf8, const struct top_service *service, int width)
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
		top_signs_worker(utf8, list[i]);
	free(list);
	len = shown + (int)strlen(more);
	top_ink_put(more, (int)strlen(more));
	for (; len < width; len++)
		addch(' ');
}

void
top_signs_history(bool utf8, const struct top_service *service, int width)
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
	attron(top_ink(INK_SPARK));
	for (size_t i = service->sample_count - count; i < service->sample_count; i++) {
		value = service->samples[i % TOP_SAMPLES];
		level = most > 0 && value > 0 ? 1 + (int)(value / most * 7.001) : 0;
		addstr(utf8 ? wide[level] : narrow[level]);
	}
	attroff(top_ink(INK_SPARK));
}
