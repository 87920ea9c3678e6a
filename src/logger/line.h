/* SPDX-License-Identifier: ISC */
/*
 * One line of a log: what is known of it, and how it is written.  Text of
 * workers is untrusted: whatever it holds, it comes out as one line that drives
 * no terminal, or as valid JSON in UTF-8.
 */
#ifndef LOGGER_LINE_H
#define LOGGER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "common/logger.h"

#define LINE_ID_LEN 32 /* of a request id in hex */

struct line {
	struct timespec time; /* CLOCK_REALTIME */
	enum logger_level level;
	bool has_level;	     /* it says so itself */
	const char *service; /* NULL: it is poold's own, and role says whose */
	const char *role;    /* "worker", "supervisor", "router", "logger" */
	pid_t pid;
	char request_id[LINE_ID_LEN + 1]; /* "": none */
	const char *text;		  /* not ended by a NUL */
	size_t len;
};

/* Bytes that any line needs at most, its newline included. */
#define LINE_OUT_MAX (6 * (LOGGER_PIECE_MAX + LOGGER_NAME_MAX) + 512)

/*
 * Takes a line of common/log.h apart: time, level, role, pid and text.  Returns
 * false, with nothing changed, when it is none: a library has written to stderr,
 * say.  role is where the name of the role is kept.
 */
bool line_parse_own(struct line *line, char role[LOGGER_NAME_MAX], const char *text,
    size_t len);

/*
 * Takes from the front of line->text what says again what is known anyway:
 * "<N>", the level as sd-daemon(3) has it; "NAME[PID]: " of this very pid, and
 * behind that "[REQUEST ID] ", as poold_log(3) writes them.
 */
void line_parse_worker(struct line *line);

/* The line with its end.  Each returns its length; out has LINE_OUT_MAX bytes. */

/* TIME LEVEL NAME[PID]: [REQUEST ID] TEXT */
size_t line_text(const struct line *line, char *out);
/* One JSON object: see poold.ini(5). */
size_t line_json(const struct line *line, char *out);
/* A message of RFC 3164 without its end, in text or JSON. */
size_t line_syslog(const struct line *line, enum logger_format format, char *out);

const char *line_level_name(enum logger_level level);

#endif
