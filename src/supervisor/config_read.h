/* SPDX-License-Identifier: ISC */
/*
 * The counting reader: stands between a file and inih, which hides line
 * numbers, cuts long lines in two and section names short, and is silent about
 * sections without keys.  It refuses with file and line what inih would get
 * wrong, hands inih an empty line instead, and tells of each section header.
 *
 * A line that begins with white space goes on with the value above it.
 */
#ifndef SUPERVISOR_CONFIG_READ_H
#define SUPERVISOR_CONFIG_READ_H

#include <stdbool.h>
#include <stdio.h>

#include "supervisor/config.h"

/* Bytes of a line without its end: what fits into inih's own buffer of 200,
 * which Debian's build has. */
#define CONFIG_LINE_MAX	   198
#define CONFIG_SECTION_MAX 49	     /* bytes between the brackets */
#define CONFIG_FILE_MAX	   (1 << 20) /* bytes of a file */

struct config_reader {
	FILE *in;	  /* the caller's */
	const char *file; /* for messages */
	struct config_errors *errors;
	/* Called for each section header before inih sees it.  name is NULL
	 * for one that was refused. */
	void (*section)(void *arg, const char *name);
	void *arg;
	/* state; zero at the start */
	unsigned line;	   /* number of the line that inih got last */
	bool continuation; /* it goes on with the value above it */
	bool key_above;	   /* there is a value to go on with */
	bool swallow;	   /* the line above was refused, and with it what goes
			    * on with it */
	char *buf;
	size_t size;
};

/* An ini_reader; stream is a struct config_reader. */
char *config_reader_next(char *str, int num, void *stream);
void config_reader_close(struct config_reader *reader);

/* Whether text looks like "key = ..." with a key that is known.  As a
 * continuation line it is refused, since it was hardly meant to be one. */
bool config_line_is_key(const char *text);

#endif
