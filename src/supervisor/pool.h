/* SPDX-License-Identifier: ISC */
/*
 * A pool: the workers of one generation of a service, with what they share:
 * queue, done pair, scoreboard.  The supervisor keeps both ends of everything,
 * so that router and workers may die without losing any of it.
 */
#ifndef SUPERVISOR_POOL_H
#define SUPERVISOR_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/lease.h"
#include "supervisor/config.h"
#include "supervisor/health.h"
#include "supervisor/life.h"
#include "supervisor/strength.h"
#include "supervisor/template.h"
#include "supervisor/worker.h"

struct plan;
struct service;
struct supervisor;

enum { POOL_ROUTER_END, POOL_WORKER_END };

struct pool {
	TAILQ_ENTRY(pool) entry; /* of the service's pools, oldest first */
	struct supervisor *supervisor;
	struct service *service;
	struct plan *plan; /* that config belongs to */
	const struct config_service *config;
	struct config_account account;
	char *fingerprint;	 /* see fingerprint.h */
	char *fresh_fingerprint; /* that a running reload gives it, with its
				  * reload_signal; NULL: none */
	uint32_t id;		 /* never used twice */
	uint32_t number;	 /* of the generation, from 1, in its service */
	enum pool_state state;
	int queue[2]; /* -1 for mode = inherit, like done and board */
	int done[2];
	int board_fd;
	struct lease_board board;
	struct worker *workers;
	uint32_t worker_count;	  /* slots: see strength.h for how many are used */
	struct template template; /* that workers are forked from, with preload */
	struct strength strength;
	struct health health;	   /* of a service that accepts for itself */
	uint64_t memory_looked_ns; /* see recycle.c */
	bool was_ready;		   /* as many as there should be, some time */
	bool start_failed;	   /* a worker did not become ready before that */
	bool sharing;		   /* see pool_share */
	bool in_trouble;	   /* since a trouble_tell, until a READY */
	bool held;		   /* not to be freed while its workers are walked */
};
TAILQ_HEAD(pools, pool);

/*
 * Makes a pool for a service of plan and starts its workers; the router is told
 * of it.  The fingerprint becomes the pool's.  Returns NULL with a reason in
 * *why, which the caller frees.
 */
struct pool *pool_start(struct supervisor *supervisor, struct service *service,
    struct plan *plan, const struct config_service *config, char *fingerprint,
    char **why);

/* A pool that an earlier version of poold left: saved is what it said of it, and
 * its account becomes the pool's.  No worker is started. */
struct pool *pool_restore(struct supervisor *supervisor, struct service *service,
    struct plan *plan, const struct pool *saved);

/* Puts an event through the table and does what it says.  POOL_ON_EMPTY may
 * free the pool. */
void pool_event(struct pool *pool, enum pool_event event);

/* While another generation takes over, what that has no room for comes here. */
void pool_share(struct pool *pool, bool on);

/* From worker.c: */
void pool_worker_ready(struct pool *pool);
/* It died, or was found sick, without having been asked to leave. */
void pool_worker_died(struct pool *pool, const char *why);
/* It did not become ready: why, for whoever waits. */
void pool_worker_failed(struct pool *pool, const char *why);
/* A slot has no process and gets none: the last one ends a draining pool. */
void pool_check_empty(struct pool *pool);

/* The event for each of its workers; then it may be freed. */
void pool_workers_event(struct pool *pool, enum worker_event event);
/* At the end of a reload: sends the workers their reload_signal if that is what
 * they need (fresh_fingerprint), unless the reload failed. */
void pool_signal_reload(struct pool *pool);
void pool_forget_reload(struct pool *pool);
/* Whether a worker that died is to be replaced. */
bool pool_wants_workers(const struct pool *pool);

static inline bool
pool_is_leased(const struct pool *pool)
{
	return pool->config->mode == CONFIG_MODE_LEASE;
}

/* Whether a worker that never says READY=1 is taken to be ready in the end. */
static inline bool
pool_may_be_silent(const struct pool *pool)
{
	return !pool_is_leased(pool) && pool->config->ready_after_ms > 0;
}

#endif
