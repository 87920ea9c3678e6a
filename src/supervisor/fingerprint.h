/* SPDX-License-Identifier: ISC */
/*
 * What decides whether a service has changed: its effective section, the
 * command and the files among its arguments, and all below its watch paths
 * (inode, size, modification time).
 */
#ifndef SUPERVISOR_FINGERPRINT_H
#define SUPERVISOR_FINGERPRINT_H

#include <stdbool.h>

struct config;
struct config_service;

/* A text that is equal for an unchanged service.  The caller frees it. */
char *fingerprint_new(const struct config *config, const struct config_service *service);

/* The part of a fingerprint that is about files; a fingerprint of that part and
 * of the section as this version of poold writes it, which the caller frees. */
const char *fingerprint_files(const char *fingerprint);
char *fingerprint_join(const struct config *config, const struct config_service *service,
    const char *files);

/* Whether two fingerprints that are not equal differ in nothing but what lies
 * below the watch paths. */
bool fingerprint_differs_in_watched(const char *old, const char *fresh);

#endif
