/* SPDX-License-Identifier: ISC */
/*
 * Keys that a language adds to those of its services: "option = NAME TYPE" in
 * [language], "NAME = VALUE" in [service], "--NAME=VALUE" for {options}.
 */
#ifndef SUPERVISOR_CONFIG_OPTION_H
#define SUPERVISOR_CONFIG_OPTION_H

#include "supervisor/config.h"

/* Keeps a key of a service that is in no table: its language may know it. */
void config_option_keep(struct config_service *service, const char *name,
    const char *value, const struct config_origin *origin);
void config_options_clear(struct config_envs *options);

/* Looks at the options that a language declares. */
void config_options_check(const struct config_language *language,
    struct config_errors *errors);

/*
 * Looks at the keys that config_option_keep has kept: one that language (NULL:
 * none) does not know is an error.  Paths become absolute.
 */
void config_service_options_check(const struct config *config,
    const struct config_language *language, struct config_service *service,
    struct config_errors *errors);

/* Appends the words for {options} to argv, which is moved and ends with NULL. */
void config_options_append(const struct config_language *language,
    const struct config_service *service, char ***argv, size_t *count);

/* Appends word, which is then argv's. */
void config_word_append(char ***argv, size_t *count, char *word);

/* Whether the language has an option of this name with type "paths". */
bool config_option_is_paths(const struct config_language *language, const char *name);

/* Says that name is no key of a section, and what may have been meant. */
void config_key_unknown(struct config_errors *errors, const struct config_origin *origin,
    enum config_section section, const char *section_text, const char *name,
    const struct config_language *language);

#endif
