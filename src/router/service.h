/* SPDX-License-Identifier: ISC */
/*
 * A service as the router sees it: a FIFO of requests that wait for a worker,
 * and the generation that serves now.  It outlives generations.
 */
#ifndef ROUTER_SERVICE_H
#define ROUTER_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/lease.h"
#include "common/loop.h"
#include "common/roles.h"
#include "router/breaker.h"
#include "router/request.h"

struct access_rule;
struct generation;
struct router;

struct service {
	TAILQ_ENTRY(service) entry;
	struct router *router;
	char name[ROLE_NAME_MAX];
	struct generation *generation; /* that gets new leases; NULL: none */
	struct generation *sharer;     /* what that has no room for; NULL: none */
	struct requests fifo;
	uint32_t queued;
	struct service_settings settings; /* its generation's */
	const struct access_rule *access; /* NULL: as its listeners have it */
	struct loop_timer load_timer;	  /* when the queue is told next */
	uint32_t load_told;		  /* its length when it was told last */
	struct breaker breaker;		  /* see guard.h */
	struct loop_timer breaker_timer;
	struct stats_service *place; /* where it is counted */
	uint32_t in_flight;	     /* leases, of all generations */
	bool routed;		     /* some route leads here */
	bool drained;		     /* new requests are refused */
};

/* The service of this name, made if there is none. */
struct service *service_get(struct router *router, const char *name);

/* Tells the supervisor how many requests wait, as it asked. */
void service_tell_queued(const struct service *service);

/* At the router's end. */
void services_free(struct router *router);

/* Whether it would serve a request that comes now, or keep it to serve it; else
 * another service with the same route may. */
bool service_is_available(const struct service *service);

/* Leases the request, or puts it last into the FIFO, or refuses it (503).
 * The request is the service's from now on. */
void service_submit(struct service *service, struct request *request);
/* Puts a request whose lease came to nothing back, first in the FIFO. */
void service_put_back(struct service *service, struct request *request);
/* Puts a request that waited in another router last into the FIFO. */
void service_take(struct service *service, struct request *request);
/* After that: leases what waits, and tells how much remains. */
void service_activate(struct service *service);
/* Leases what waits, as long as there is room. */
void service_pump(struct service *service);
/* Takes a waiting request out of the FIFO; it is the caller's again. */
void service_withdraw(struct service *service, struct request *request);
/* The service switches to this generation. */
void service_switch(struct service *service, struct generation *generation);
/* While generation takes over, an older one serves what it has no room for;
 * NULL: not any more. */
void service_share(struct service *service, struct generation *sharer);
/* Answers all that waits with 503: nobody will ever serve it. */
void service_give_up(struct service *service);
/* The same because the circuit breaker has opened. */
void service_shed(struct service *service);
/* Whether the circuit breaker would refuse one more request now: another
 * service may be chosen for it. */
bool service_breaker_refuses(const struct service *service);
/* Refuses a request on behalf of the circuit breaker. */
void service_turn_away(struct request *request);

/* The worker said DONE; sender is its pid as the kernel tells.  The lease is
 * over for the generation; the request is the service's to end. */
void service_done(struct request *request, const struct lease_done *done, pid_t sender);
/* The worker said DONE(detached): the connection is its own from now on; the
 * lease goes on until a second DONE. */
void service_detached(struct request *request, const struct lease_done *done,
    pid_t sender);
/* The worker died with the lease (or nobody took it: !taken).  The lease is
 * over for the generation; the request is retried or ended. */
void service_lost(struct request *request, bool taken, bool timed_out);

#endif
