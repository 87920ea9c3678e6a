/* SPDX-License-Identifier: ISC */
/* One file of the configuration while it is read: its sections and keys. */
#ifndef SUPERVISOR_CONFIG_SOURCE_H
#define SUPERVISOR_CONFIG_SOURCE_H

#include <stdbool.h>
#include <stdio.h>

#include "supervisor/config.h"
#include "supervisor/config_read.h"

struct config_source {
	/* the caller's to set */
	struct config *config; /* gets the sections */
	struct config_errors *errors;
	const struct config_string *file; /* its name, interned in config */
	/* Reads every file that the pattern of an include key means. */
	void (
	    *include)(void *arg, const char *pattern, const struct config_origin *origin);
	void *arg;
	/* the rest is zero at the start */
	bool incomplete; /* a section was refused */
	struct config_reader reader;
	/* the section that the current line is in */
	bool at_top;  /* none yet */
	bool skipped; /* it was refused: its keys are not looked at */
	enum config_section section;
	void *object;
	struct config_origin *at;
	/* the key whose value is being read; NULL: none */
	char *key;
	char *value;
	struct config_origin key_origin;
};

/* Reads all of it.  in stays the caller's; origin is where the file was asked for. */
void config_source_read(struct config_source *source, FILE *in,
    const struct config_origin *origin);

#endif
