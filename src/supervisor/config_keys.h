/* SPDX-License-Identifier: ISC */
/*
 * The key table: the one list of what a configuration file may say.  It feeds
 * the parser, the defaults, the dump and the test that compares it with
 * poold.ini(5).
 */
#ifndef SUPERVISOR_CONFIG_KEYS_H
#define SUPERVISOR_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/config.h"

/* What a value looks like, and what is kept at the key's offset. */
enum config_type {
	CONFIG_TEXT,	   /* char *: anything */
	CONFIG_TEXTS,	   /* struct config_strings: one for each line */
	CONFIG_NAMES,	   /* struct config_strings: names, commas between */
	CONFIG_PATH,	   /* char *: made absolute beside the file; "" stays */
	CONFIG_PATHS,	   /* struct config_strings */
	CONFIG_LOG,	   /* char *: "stderr", "syslog", "syslog:PATH" or a path */
	CONFIG_ACCESS_LOG, /* char *: the same, or "off" */
	CONFIG_OUTPUT,	   /* char *: "log", "off" or a path */
	CONFIG_EXPORT,	   /* char *: "off", or see common/endpoint.h */
	CONFIG_FORMAT,	   /* char *: of access logs; $names stay as they are */
	CONFIG_CONTROL,	   /* char *: "", "off" or a path */
	CONFIG_ADDRESS,	   /* char *: see config_address_parse */
	CONFIG_BOOL,	   /* bool */
	CONFIG_INT,	   /* int64_t */
	CONFIG_DURATION,   /* int64_t, milliseconds */
	CONFIG_SIZE,	   /* int64_t, bytes */
	CONFIG_PERCENT,	   /* int64_t */
	CONFIG_RATIO,	   /* int64_t, millionths: 0 to 1 */
	CONFIG_OCTAL,	   /* int64_t, such as a umask */
	CONFIG_CPUS,	   /* char *: see config_value_cpus */
	CONFIG_ENUM,	   /* an enum: the index of the word in choices */
	CONFIG_SIGNAL,	   /* int: its number; 0 is "none" */
	CONFIG_ROUTE,	   /* struct config_routes */
	CONFIG_COMMAND,	   /* char *; argv is split by the cross checks */
	CONFIG_ENV,	   /* struct config_envs */
	CONFIG_INCLUDE,	   /* nothing is kept */
};

enum config_key_flag {
	CONFIG_KEY_REPEAT = 1 << 0,    /* may be given more than once */
	CONFIG_KEY_REQUIRED = 1 << 1,  /* must be given */
	CONFIG_KEY_EMPTY = 1 << 2,     /* the empty value has a meaning; a number
				       * is CONFIG_UNSET then */
	CONFIG_KEY_UNLIMITED = 1 << 3, /* "unlimited" is CONFIG_UNLIMITED */
	CONFIG_KEY_LIVE = 1 << 4,      /* a change needs no new workers */
	CONFIG_KEY_LEASE = 1 << 5,     /* of a service: needs mode = lease */
};

struct config_key {
	enum config_section section;
	const char *name; /* "env.NAME" stands for every env. key */
	enum config_type type;
	size_t offset;	 /* in struct config, config_listen, ... */
	const char *def; /* as text; NULL: nothing */
	int64_t min;	 /* CONFIG_INT, CONFIG_DURATION (ms), CONFIG_SIZE;
			  * CONFIG_SIGNAL: 0 allows "none" */
	int64_t max;
	const char *const *choices; /* CONFIG_ENUM: NULL at its end */
	unsigned flags;		    /* enum config_key_flag */
	const char *help;	    /* one line */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The key of this name, or NULL. */
const struct config_key *config_key_find(enum config_section section, const char *name);

/* Whether name[0, len) is a key of any section. */
bool config_key_known(const char *name, size_t len);

/* The index of a key in config_keys, for the at[] of a section. */
size_t config_key_index(const struct config_key *key);

/* Where a key stands, by the at[] of its section; NULL: it was not given.  name is
 * one that the section knows. */
const struct config_origin *config_key_origin(enum config_section section,
    const char *name, const struct config_origin *at);
/* Where a key of a service stands, else where its section does. */
const struct config_origin *config_service_origin(const struct config_service *service,
    const char *name);

/* "poold", "listen", "service" or "language". */
const char *config_section_word(enum config_section section);

/* The name nearest to word among those that next() gives, or NULL when none is
 * near enough to be what was meant.  next gets the position from 0, returns
 * NULL past the last. */
const char *config_nearest(const char *word,
    const char *(*next)(const void *arg, size_t i), const void *arg);
/* The same, among the keys of a section, and among the kinds of section. */
const char *config_key_nearest(enum config_section section, const char *word);
const char *config_section_nearest(const char *word);

#endif
