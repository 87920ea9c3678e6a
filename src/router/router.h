/* SPDX-License-Identifier: ISC */
/*
 * The router: accepts connections, reads the heads of requests, leases the
 * connections to workers.  It knows no configuration file and starts no
 * process; its tables come as messages from the supervisor (common/roles.h).
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/channel.h"
#include "common/http.h"
#include "common/loop.h"
#include "router/access_log.h"
#include "router/address.h"
#include "router/meter.h"
#include "router/route.h"

struct connection;
struct generation;
struct handover;
struct listener;
struct service;
struct takeover;
TAILQ_HEAD(connections, connection);
TAILQ_HEAD(generations, generation);
TAILQ_HEAD(listeners, listener);
TAILQ_HEAD(services, service);

/* Counters since the router's start; for the log, tests and later metrics. */
struct router_stats {
	uint64_t accepted; /* connections */
	uint64_t leases;   /* sent, retries included */
	uint64_t refusals; /* answered by the router itself */
	uint64_t kicks;
	uint64_t forged;	/* DONE for leases that do not exist */
	uint64_t adopted;	/* leases of an earlier router */
	uint64_t retried;	/* leased again: nothing written, nothing read */
	uint64_t replayed;	/* leased again with the head in the message */
	uint64_t second_retry;	/* of these two, not the first of their request */
	uint64_t lost_502;	/* answered 502 for a dead worker */
	uint64_t lost_cut;	/* cut in the middle of a response */
	uint64_t lost_whole;	/* the worker died after its last byte */
	uint64_t slow_clients;	/* ended for taking or sending nothing */
	uint64_t timeouts;	/* workers reported for request_timeout */
	uint64_t slow_requests; /* reported for slow_threshold */
	uint64_t evicted;	/* idle connections closed for new ones */
	uint64_t rests;		/* responses whose rest the router sent */
	uint64_t out_of_step;	/* connections that a worker left so */
	uint64_t breaker_opened;
	uint64_t breaker_refused; /* requests, by open breakers */
	uint64_t turned_away;	  /* over max_connections_per_address */
};

struct router {
	struct loop loop;
	struct channel supervisor;
	uint16_t epoch;	  /* of our serials */
	uint64_t counter; /* of our serials */
	struct listeners listeners;
	struct generations generations;
	struct services services;
	struct connections connections;
	struct connections idle; /* between requests, the oldest first */
	uint32_t connection_count;
	uint32_t detached; /* connections that workers have for good */
	uint32_t max_connections;
	uint32_t max_per_address;	 /* 0: no limit of its own */
	struct address_counts addresses; /* of open connections */
	uint64_t full_logged_ns;
	bool full;	 /* nothing is accepted until a connection ends or is idle */
	uint32_t queued; /* requests that wait in FIFOs */
	struct route_table routes;
	struct route_table staged; /* until the next COMMIT */
	bool draining;		   /* finish what is there, then say DRAINED */
	bool drained;		   /* said so */
	bool orphaned;		   /* the supervisor is gone: exit when drained */
	bool taking;		   /* only learning what an earlier router has */
	struct takeover *takeover; /* under way, or NULL */
	struct handover *handover; /* of ours, about to begin, or NULL */
	int status;		   /* to exit with */
	uint32_t trace_sample;	   /* millionths of the traces that begin here */
	struct access_log access_log;
	struct loop_timer flush_timer;
	struct loop_timer title_timer;
	struct loop_timer orphan_timer;
	struct router_stats stats;
	struct meter meter;
	struct http_head head;		 /* of the request in work */
	char buf[LEASE_HEAD_MAX + 4096]; /* what was peeked of it */
};

/* A number in the title changed: it is shown soon. */
void router_title_touch(struct router *router);
/* Says in the log what there was to count; for the end of the process. */
void router_log_end(struct router *router);
/* A connection ended: the last one ends a drain. */
void router_drain_check(struct router *router);

#endif
