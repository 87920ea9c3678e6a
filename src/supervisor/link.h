/* SPDX-License-Identifier: ISC */
/*
 * The link to the router: the process, its channel, and what it has to know.
 * A router that dies is replaced at once and told everything anew.
 */
#ifndef SUPERVISOR_LINK_H
#define SUPERVISOR_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/roles.h"

struct listener;
struct pool;
struct service;
struct supervisor;

struct link {
	struct supervisor *supervisor;
	struct channel channel;
	pid_t pid;	     /* 0: none runs */
	struct loop_io exit; /* pidfd */
	struct loop_io failure;
	struct loop_timer restart_timer;
	uint64_t started_ns;
	unsigned failures; /* deaths in a row while young */
	uint16_t epoch;	   /* of the router that runs */
	uint32_t version;  /* of the tables last committed */
	bool stopping;	   /* its end is wanted */
};

void link_init(struct link *link, struct supervisor *supervisor);
/* Starts a router and tells it all that is so. */
void link_start(struct link *link);

/* A new pool, which may get leases from its first READY on. */
void link_add_pool(struct link *link, struct pool *pool);
void link_add_listener(struct link *link, const struct listener *listener);
/* Its name or settings are others now. */
void link_update_listener(struct link *link, const struct listener *listener);
void link_remove_listener(struct link *link, const struct listener *listener);
/* Makes the routes of all serving pools the valid ones. */
void link_commit(struct link *link);
/* Whether a service takes new requests. */
void link_tell_drained(struct link *link, const struct service *service);
/* Asks it to stop accepting and to finish. */
void link_drain(struct link *link);
/* Ends it: by closing the channel when it has drained, else by force. */
void link_stop(struct link *link, bool by_force);

#endif
