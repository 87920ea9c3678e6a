/* SPDX-License-Identifier: ISC */
/* The checks that need the whole configuration. */
#ifndef SUPERVISOR_CONFIG_CHECK_H
#define SUPERVISOR_CONFIG_CHECK_H

#include "supervisor/config.h"

/*
 * Completes config (the listeners and the folder of a service, the words of
 * its command) and adds to errors whatever does not fit together.  incomplete:
 * a section was already refused, so what seems to be missing may be in it.
 */
void config_check(struct config *config, struct config_errors *errors, bool incomplete);

/*
 * Splits the command of a service into argv, with the absolute path of the
 * program first, and looks whether account may execute it; account may be NULL
 * when nobody knows who that would be.
 */
void config_command_check(const struct config *config, struct config_service *service,
    const struct config_account *account, struct config_errors *errors);

/* The same for a service with a chroot, where the command is an absolute path as
 * it is seen in there; and the folder that its workers start in. */
void config_chroot_check(struct config_service *service, struct config_errors *errors);

/* Limits that cannot work, after the checks of the command and the folder. */
void config_limits_check(const struct config_service *service,
    struct config_errors *errors);

/* The accounts of router and services, and with each the command and the folder of
 * the service; and that only those share a listener who may trust each other. */
void config_trust_check(const struct config *config, struct config_errors *errors);

/* The interpreter that the "#!" line of a script names; NULL: no script, or
 * not to be read.  Closes fd; the caller frees the name. */
char *config_interpreter_read(int fd);

/* The keys health_* and outlier_failures of a service. */
void config_health_check(const struct config_service *service,
    struct config_errors *errors);

/* The control socket. */
void config_control_check(const struct config *config, struct config_errors *errors);

#endif
