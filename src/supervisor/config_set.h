/* SPDX-License-Identifier: ISC */
/*
 * The sections as objects: making one with its defaults, setting a key,
 * freeing, all by the key table.
 */
#ifndef SUPERVISOR_CONFIG_SET_H
#define SUPERVISOR_CONFIG_SET_H

#include "supervisor/config.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_value.h"

/* Initialises the lists of a zeroed section and sets every key to its default.
 * object is a struct config, config_listen or config_service. */
void config_section_init(enum config_section section, void *object);

/* The value of a key as it would be written; NULL for one of which there can be
 * several.  The caller frees it. */
char *config_key_text(const struct config_key *key, const void *object);

/* Frees what the keys of a section hold, not the object itself. */
void config_section_clear(enum config_section section, void *object);

/*
 * Sets a key of a section.  name is as written ("env.HOME"), text the value
 * with variables already expanded.  Relative paths are made absolute beside
 * origin->file.  False: nothing was set, why says why not.
 */
bool config_key_set(const struct config_key *key, void *object, const char *name,
    const char *text, const struct config_origin *origin, char why[CONFIG_WHY_SIZE]);

/* The absolute path of path, seen from the folder of file.  The caller frees
 * it. */
char *config_path_beside(const char *file, const char *path);

/* Frees all of a list; the list is then empty. */
void config_strings_clear(struct config_strings *list);
/* Appends a copy of value. */
struct config_string *config_strings_add(struct config_strings *list, const char *value,
    const struct config_origin *origin);

#endif
