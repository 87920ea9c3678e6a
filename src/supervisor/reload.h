/* SPDX-License-Identifier: ISC */
/*
 * A reload is a transaction: everything is read, checked, bound and started
 * beside what serves; only when all of it is ready do the routes switch.  Any
 * failure before that leaves everything as it was; one while the new workers
 * are on probation (rollout.h) brings the old ones back.
 */
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include <stdbool.h>

struct config;
struct pool;
struct supervisor;

/* Begins a reload of the configuration file; while one is in progress, the
 * next begins after it. */
void reload_begin(struct supervisor *supervisor);
/* A new generation of one service that serves, by the rules of a reload, though
 * nothing has changed; only while no reload is under way. */
void reload_restart(struct supervisor *supervisor, const char *service);
/* The first configuration, when poold starts: binds, starts, and switches
 * without waiting for the workers.  Returns an exit status of sysexits(3), 0
 * when it serves; the reason of a failure was printed to stderr.  The
 * configuration is the supervisor's from now on. */
int reload_first(struct supervisor *supervisor, struct config *config);
/* Gives a reload in progress up. */
void reload_cancel(struct supervisor *supervisor, const char *why);

/* From pool.c: a pool has all of its workers ready; one of its workers died
 * before it was. */
void reload_pool_ready(struct supervisor *supervisor);
void reload_pool_failed(struct supervisor *supervisor, struct pool *pool,
    const char *why);
/* One of its workers died or was found sick without having been asked to
 * leave; one got ready. */
void reload_pool_trouble(struct supervisor *supervisor, struct pool *pool,
    const char *why);
void reload_pool_progress(struct supervisor *supervisor, struct pool *pool);

#endif
