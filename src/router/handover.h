/* SPDX-License-Identifier: ISC */
/*
 * The handover from a router to that of another version of poold, over a pair
 * of SEQPACKET sockets that the supervisor gave to both.
 *
 *	new to old	[hello] protocol
 *	old to new	[router]
 *			[listener]    that is closed, but has connections
 *			[service]     its circuit breaker
 *			[generation]  and its
 *			[worker]      fd: its memfd, if any
 *			[detached]    a lease whose connection a worker has
 *			[connection]  fds: its socket; memfd of a rest, if any
 *			[end] count   of the connections
 *	new to old	[ack]
 *	old to new	[bye]         and it exits
 *
 * Each is a message, a record as in common/record.h; a [connection] that has a
 * request goes on with [request], an empty line, and the head of the request.
 * From hello to bye the old router does nothing else at all, and the new one
 * touches nothing before bye.  So one of the two is responsible at any time,
 * and if the new one fails the old one goes on as if nothing had happened.
 */
#ifndef ROUTER_HANDOVER_H
#define ROUTER_HANDOVER_H

#include <stdint.h>

#include "common/record.h"
#include "common/roles.h"
#include "common/util.h"

struct router;

#ifndef HANDOVER_PROTOCOL /* tests build another */
#define HANDOVER_PROTOCOL 1
#endif
#define HANDOVER_TIMEOUT_NS (2000 * MS_NS) /* without any progress */

/* What stands in [connection] beside the connection's own members. */
struct handed_connection {
	uint32_t listener;	  /* id */
	uint32_t rest_generation; /* whose worker the rest is of; 0: gone */
	uint32_t rest_worker;
	uint64_t rest_off;
	uint64_t rest_left;
};

/* In [request] and [detached] beside the request's own members. */
struct handed_request {
	char service[ROLE_NAME_MAX];
	uint32_t generation; /* that has the lease; 0: none */
};

/* In [generation] beside the generation's own members. */
struct handed_generation {
	bool current; /* the service leases to it */
};

struct handed_worker {
	uint32_t generation;
	uint32_t slot;
	int pid;
	uint32_t failures; /* see outlier.h */
};

struct handed_hello {
	uint32_t protocol;
};

struct handed_count {
	uint32_t count;
};

extern const struct record_table handover_hello_table;
extern const struct record_table handover_count_table; /* [end] */
extern const struct record_table handover_router_table;
extern const struct record_table handover_listener_table;
extern const struct record_table handover_service_table;
extern const struct record_table handover_generation_table;
extern const struct record_table handover_generation_more_table;
extern const struct record_table handover_worker_table;
extern const struct record_table handover_request_table;
extern const struct record_table handover_request_more_table;
extern const struct record_table handover_connection_table;
extern const struct record_table handover_connection_more_table;

/* The old router: waits for hello on sock, which it then owns. */
void handover_begin(struct router *router, int sock);
void handover_cancel(struct router *router);

#endif
