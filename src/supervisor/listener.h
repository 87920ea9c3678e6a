/* SPDX-License-Identifier: ISC */
/*
 * The listening sockets.  One socket an address, bound once and never closed
 * as long as the configuration names the address: Linux drops what waits in
 * the backlog of a socket that is closed.
 */
#ifndef SUPERVISOR_LISTENER_H
#define SUPERVISOR_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/roles.h"
#include "supervisor/config.h"
#include "supervisor/inherited.h"

struct listener {
	TAILQ_ENTRY(listener) entry;
	uint32_t id;
	char *name;
	char *text; /* the address as written: what identifies it */
	struct config_address address;
	struct listener_settings settings;
	int fd;
	bool routed;	/* the router accepts from it; else a service's workers */
	bool inherited; /* bound by whoever started us */
	bool fresh;	/* opened by a reload that is not committed */
};
TAILQ_HEAD(listeners, listener);

/*
 * Takes an inherited socket, or binds one, and listens.  Returns NULL with a reason in *why, which the caller
 * frees: port taken, no permission, no such address ...  A unix socket that
 * nobody listens on any more is replaced.  The listener is fresh.
 */
struct listener *listener_open(const struct config_listen *config, uint32_t id,
    struct inherited_sockets *inherited, char **why);
/* Closes and frees; removes a unix socket that it bound from the file system. */
void listener_close(struct listener *listener);

struct listener *listener_by_address(struct listeners *listeners, const char *text);
/* What a reload may change without a new socket: name, backlog, settings. */
void listener_update(struct listener *listener, const struct config_listen *config);
/* Completes one that an earlier version of poold left: fd, id and text are set. 
 * Returns whether text is an address. */
bool listener_restore(struct listener *listener, const struct config_listen *config);
/* The router needs accept not to block.  Inherited sockets are blocking, as
 * systemd gives them; but one that was the router's stays as it is, since
 * workers that began with it may count on either. */
void listener_set_routed(struct listener *listener, bool routed);

#endif
