/* SPDX-License-Identifier: ISC */
#include "poolctl/top_cell.h"

#include <math.h>
#include <stdio.h>

void
top_cell_span(char *cell, double s)
{
	if (s < 0)
		snprintf(cell, TOP_CELL_MAX, "-");
	else if (s < 0.0995)
		snprintf(cell, TOP_CELL_MAX, "%.1fms", s * 1e3);
	else if (s < 0.9995)
		snprintf(cell, TOP_CELL_MAX, "%.0fms", s * 1e3);
	else if (s < 60)
		snprintf(cell, TOP_CELL_MAX, "%.1fs", s);
	else if (s < 3600)
		snprintf(cell, TOP_CELL_MAX, "%dm%02d", (int)s / 60, (int)s % 60);
	else if (s < 86400)
		snprintf(cell, TOP_CELL_MAX, "%dh%02d", (int)s / 3600,
		    (int)(s / 60) % 60);
	else
		snprintf(cell, TOP_CELL_MAX, "%.0fd%02dh", floor(s / 86400),
		    (int)fmod(s / 3600, 24));
}

void
top_cell_count(char *cell, double n)
{
	if (n < 0)
		snprintf(cell, TOP_CELL_MAX, "-");
	else if (n < 1e5)
		snprintf(cell, TOP_CELL_MAX, "%.0f", n);
	else if (n < 1e8)
		snprintf(cell, TOP_CELL_MAX, "%.1fM", n / 1e6);
	else
		snprintf(cell, TOP_CELL_MAX, "%.0fM", n / 1e6);
}

void
top_cell_rate(char *cell, double n)
{
	if (n < 0)
		snprintf(cell, TOP_CELL_MAX, "-");
	else
		snprintf(cell, TOP_CELL_MAX, n < 1000 ? "%.1f" : "%.0f", n);
}

void
top_cell_size(char *cell, double bytes)
{
	const char *units = "KMGT";

	if (bytes <= 0) {
		snprintf(cell, TOP_CELL_MAX, bytes < 0 ? "-" : "0");
		return;
	}
	for (bytes /= 1024; bytes >= 999.5 && units[1] != '\0'; units++)
		bytes /= 1024;
	snprintf(cell, TOP_CELL_MAX, bytes < 99.95 ? "%.1f%c" : "%.0f%c", bytes, *units);
}

void
top_cell_part(char *cell, double part)
{
	if (part < 0)
		snprintf(cell, TOP_CELL_MAX, "-");
	else
		snprintf(cell, TOP_CELL_MAX, part < 0.9995 ? "%.1f%%" : "%.0f%%",
		    part * 100);
}
