/* SPDX-License-Identifier: ISC */
/*
 * The logger: reads lines from pipes, and has them written by a thread for each
 * destination.  It reads whatever the destinations do, so that nobody who writes
 * a line waits for a disk.
 */
#ifndef LOGGER_LOGGER_H
#define LOGGER_LOGGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"
#include "common/loop.h"
#include "logger/board.h"
#include "logger/dest.h"
#include "logger/follow.h"
#include "logger/line.h"
#include "logger/recent.h"
#include "logger/source.h"

struct logger {
	struct loop loop;
	struct channel supervisor;
	enum logger_format format;
	enum logger_level level;
	uint32_t log; /* the destination of sources that name none */
	struct dests dests;
	struct boards boards;
	struct sources sources;
	struct follows follows;
	unsigned follow_count;
	struct recent recent;
	uint64_t lines;
	_Atomic uint64_t dropped;
	uint64_t shown_lines; /* in the title */
	uint64_t shown_ns;
	struct loop_timer tick; /* title, and lines that were dropped */
	struct loop_timer orphan_timer;
	unsigned reads;	  /* of sources since the last wait */
	bool hurry;	  /* one of them has much more */
	uint64_t wait_ns; /* when the last wait began */
	uint64_t nap_ns;  /* when reading was last put off */
	bool orphaned;	  /* there is no supervisor */
	/* the end */
	uint64_t finish_ns; /* how long writing the rest may take */
};

/* Writes a line to its destination (0: where the log goes), and keeps it for
 * those who follow. */
void logger_line(struct logger *logger, uint32_t dest, const struct line *line);
/* Writes whole lines as they are. */
void logger_raw(struct logger *logger, uint32_t dest, const char *text, size_t len);
/* The writers of a source have all gone. */
void logger_ended(struct logger *logger, uint32_t source);

#endif
