/* SPDX-License-Identifier: ISC */
/* A listening socket that the router accepts from. */
#ifndef ROUTER_LISTENER_H
#define ROUTER_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/loop.h"
#include "common/roles.h"

struct access_rule;
struct router;

struct listener {
	TAILQ_ENTRY(listener) entry;
	struct router *router;
	uint32_t id;
	char name[ROLE_NAME_MAX];
	bool is_unix;
	struct listener_settings settings;
	const struct access_rule *access; /* NULL: nothing is logged */
	struct loop_io io;
	struct loop_timer pause_timer; /* no descriptors: try again later */
	struct stats_listener *place;  /* where it is counted */
	bool closed;		       /* stays while connections refer to it */
};

/* Begins to accept from fd, which the listener owns. */
void listener_add(struct router *router, const struct role_listener *role, int fd);
/* Whether addr may send PROXY headers on it. */
bool listener_trusts(const struct listener *listener, const struct lease_addr *addr);
/* The listener of this id, or NULL. */
struct listener *listener_find(struct router *router, uint32_t id);
/* One that was removed, but has connections: id, name, is_unix and settings are
 * those of saved. */
void listener_add_closed(struct router *router, const struct listener *saved);
/* Begins to accept, which it did not while the router was taking. */
void listener_activate(struct listener *listener);
/* At the router's end. */
void listeners_free(struct router *router);
/* New settings for a listener that is known. */
void listener_change(struct router *router, const struct role_listener *role);
/* One more may be accepted: all listeners accept again. */
void listeners_resume(struct router *router);
/* Stops accepting and closes our descriptor. */
void listener_remove(struct router *router, uint32_t id);
/* Accepts all that waits in the backlog, then stops accepting. */
void listener_drain(struct listener *listener);

#endif
