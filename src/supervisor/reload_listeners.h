/* SPDX-License-Identifier: ISC */
/*
 * The listeners in a reload: bound before anything is decided, switched when it
 * is, and closed when they were bound for nothing.
 */
#ifndef SUPERVISOR_RELOAD_LISTENERS_H
#define SUPERVISOR_RELOAD_LISTENERS_H

#include <stdbool.h>

struct config;
struct supervisor;

/* Binds what is not bound yet.  Returns NULL, or why it cannot be done (the
 * caller frees it). */
char *reload_open_listeners(struct supervisor *supervisor, const struct config *config);
/* Closes those that were bound for a reload that failed. */
void reload_close_fresh(struct supervisor *supervisor);
/* What the configuration names is kept, under its name there; the rest is
 * closed, unless it may be needed again. */
void reload_switch_listeners(struct supervisor *supervisor, const struct config *config,
    bool keep_rest);

#endif
