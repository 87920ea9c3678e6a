/* SPDX-License-Identifier: ISC */
/*
 * The link to the router: the process, its channel, and what it has to know.
 * A router that dies is replaced at once and told everything anew.
 */
#ifndef SUPERVISOR_LINK_H
#define SUPERVISOR_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/loop.h"
#include "common/roles.h"
#include "supervisor/role_process.h"
#include "supervisor/usage.h"

struct listener;
struct pool;
struct service;
struct supervisor;
struct worker;

/* The router of the version of poold that was before us.  It serves until ours
 * has taken its connections over. */
struct link_old {
	pid_t pid; /* 0: none, or reaped */
	bool serves;
	int channel;	     /* nothing but HANDOVER is said on it */
	struct loop_io exit; /* pidfd */
	struct loop_timer timer;
};

struct link {
	struct supervisor *supervisor;
	struct role_process process;
	uint64_t deaths; /* that nobody asked for */
	struct usage usage;
	uint16_t epoch;	  /* of the router that runs */
	uint32_t version; /* of the tables last committed */
	bool stopping;	  /* its end is wanted */
	struct link_old old;
};

void link_init(struct link *link, struct supervisor *supervisor);
/* Starts a router and tells it all that is so. */
void link_start(struct link *link);

/* Sends a message of common/roles.h; the descriptors stay the caller's. */
void link_send(struct link *link, const void *msg, size_t len, const int *fds, int count);

/* A new pool, which may get leases from its first READY on. */
void link_add_pool(struct link *link, struct pool *pool);
void link_add_listener(struct link *link, const struct listener *listener);
/* Its name or settings are others now. */
void link_update_listener(struct link *link, const struct listener *listener);
void link_remove_listener(struct link *link, const struct listener *listener);
/* Makes the routes of all serving pools the valid ones. */
void link_commit(struct link *link);
/* What became of a worker: type as of struct role_worker. */
void link_tell_worker(struct link *link, const struct worker *worker, uint32_t type);
/* Whether a service takes new requests. */
void link_tell_drained(struct link *link, const struct service *service);
/* Where its access log goes, and what it logs, is another matter now. */
void link_tell_logs(struct link *link);
/* Asks it to stop accepting and to finish. */
void link_drain(struct link *link);
/* Ends it: by closing the channel when it has drained, else by force. */
void link_stop(struct link *link, bool by_force);

/* The router that serves now, and our end of its channel; 0 and -1: none. */
void link_serving_router(const struct link *link, int *pid, int *channel);
/* Whether a router is about to take over from an old one. */
bool link_is_changing(const struct link *link);

/* In link_said.c: a message of our router; owner is the link. */
void link_said(void *owner, const void *buf, size_t len);

/* In link_old.c: */

void link_old_init(struct link *link);
/* The router that an earlier version left, and its channel. */
void link_old_adopt(struct link *link, pid_t pid, int channel);
/* Our router has all tables: brings the two together. */
void link_old_hand_over(struct link *link);
/* Our router has taken so many connections over. */
void link_old_taken(struct link *link, uint32_t count);
/* Our router is gone before it could; returns whether the old one serves on. */
bool link_old_serves_on(struct link *link);
void link_old_stop(struct link *link, bool by_force);

#endif
