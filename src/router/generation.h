/* SPDX-License-Identifier: ISC */
/*
 * A generation as the router sees it: a queue to send leases into, a socket
 * that DONE comes from, a scoreboard, and the leases that are under way.
 */
#ifndef ROUTER_GENERATION_H
#define ROUTER_GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/lease.h"
#include "common/loop.h"
#include "common/roles.h"
#include "router/request.h"

struct router;
struct service;

struct worker_view {
	pid_t pid;		/* 0: the slot is empty */
	bool ready;		/* takes leases */
	struct rest_file *rest; /* its memfd; NULL: none */
	pid_t reported;		/* its pid, once it has sent a wrong DONE */
	uint32_t failures;	/* 5xx in a row: outlier.c */
};

struct generation {
	TAILQ_ENTRY(generation) entry;
	struct router *router;
	struct service *service;
	uint32_t id;
	struct service_settings settings; /* the service's while this one serves */
	int queue_fd;
	struct loop_io done;
	struct lease_board board;
	uint32_t worker_count;
	uint32_t slot_count;
	struct worker_view *workers; /* worker_count */
	uint32_t ready;		     /* workers that take leases */
	struct request **by_slot;    /* slot_count; NULL: free */
	uint32_t *free_slots;	     /* a stack */
	uint32_t free_count;
	struct requests leases; /* in the order of their sequence */
	uint32_t lease_count;
	uint64_t sequence;	       /* of the last lease sent */
	uint64_t taken_sequence;       /* highest known to be taken */
	uint64_t mean_ns;	       /* service time, moving average */
	struct loop_timer check_timer; /* unclaimed leases */
	uint64_t answered_ns;	       /* the last DONE with a response */
	struct role_trouble trouble;   /* the last; start_ns 0: none since a READY */
	pid_t stranger;		       /* no worker, reported for a wrong DONE; 0: none */
	uint32_t late_count; /* DONEs for leases of earlier routers that are over */
	bool orphans;	     /* a worker died and a lease may have been its own */
	bool retiring;	     /* say RETIRED when nothing waits for it */
	bool sending_over;   /* RETIRED was said */
};

/* fds: queue, done, scoreboard; the generation owns the first two.  NULL when
 * they are not what they should be (said in the log; fds are closed). */
struct generation *generation_new(struct router *router,
    const struct role_generation *role, const int *fds);
/* Its workers are all gone: settles what is left and frees it. */
void generation_forget(struct generation *generation);

/* At the router's end. */
void generations_free(struct router *router);

struct generation *generation_find(struct router *router, uint32_t id);

void generation_worker_ready(struct generation *generation, uint32_t worker, pid_t pid,
    int rest_fd);
/* The memfd of the worker with this pid, or NULL. */
struct rest_file *generation_rest_of(struct generation *generation, pid_t pid);
/* It was told to stop: no capacity any more, but still its leases' owner. */
void generation_worker_leaving(struct generation *generation, uint32_t worker);
/* It was reaped.  Its leases are settled before this returns, or, where it is
 * not yet known whose they were, as soon as it is. */
void generation_worker_gone(struct generation *generation, uint32_t worker,
    bool timed_out);
/* While the router takes over: a lease that another router sent.  Returns false
 * for one that cannot be. */
bool generation_take_lease(struct generation *generation, struct request *request);
/* The same: a worker as that router knew it; rest_fd is the generation's. */
void generation_worker_was(struct generation *generation, uint32_t worker, pid_t pid,
    int rest_fd);
/* Begins to act, when all that is known of it was told. */
void generation_activate(struct generation *generation);

/* Asks for RETIRED once nothing will be sent any more. */
void generation_retire(struct generation *generation);

#endif
