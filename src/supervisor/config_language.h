/* SPDX-License-Identifier: ISC */
/*
 * Languages: a [language NAME] section says once how the programs of a language
 * are started, and a service names the language and its program.
 */
#ifndef SUPERVISOR_CONFIG_LANGUAGE_H
#define SUPERVISOR_CONFIG_LANGUAGE_H

#include "supervisor/config.h"

/* A new language with its defaults, at the end of config's. */
struct config_language *config_language_add(struct config *config, const char *name,
    const struct config_origin *origin);
void config_languages_free(struct config *config);

/* Looks at the commands of all languages, and adds those that come with poold
 * and that no section has replaced. */
void config_languages_check(struct config *config, struct config_errors *errors);

/*
 * Makes the command of a service from that of its language, and sets its
 * command_origin to where that is to blame; adds an error where a service has
 * both or neither.  incomplete: the language may be in a section that was
 * refused.
 */
void config_service_language_check(const struct config *config,
    struct config_service *service, struct config_errors *errors, bool incomplete);

#endif
