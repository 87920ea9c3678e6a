/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets that systemd, or whoever else starts poold, has bound for
 * it: LISTEN_FDS, see sd_listen_fds(3) and systemd.socket(5).
 */
#ifndef SUPERVISOR_INHERITED_H
#define SUPERVISOR_INHERITED_H

#include <stdbool.h>
#include <sys/queue.h>

#include "supervisor/config.h"

/* One that no listener has taken. */
struct inherited {
	TAILQ_ENTRY(inherited) entry;
	int fd;
	char *name; /* of LISTEN_FDNAMES; "" without one */
};
TAILQ_HEAD(inherited_sockets, inherited);

/*
 * Takes what the environment says is there, if it is meant for this process,
 * and removes it from the environment.  To be called before any descriptor is
 * opened.  Returns NULL; or why that cannot be (the caller frees it).
 */
char *inherited_open(struct inherited_sockets *sockets);

/*
 * The socket for a listener: that of its name, else one of its address.
 * Returns it, then the caller's; or -1, and *why is NULL when there is none,
 * else says what is wrong with that of its name (the caller frees it).
 */
int inherited_take(struct inherited_sockets *sockets, const struct config_listen *config,
    const struct config_address *address, char **why);
/* Keeps a socket that a listener had, for one of the same address. */
void inherited_keep(struct inherited_sockets *sockets, int fd);
/* Closes what nobody took; with a warning for each. */
void inherited_close(struct inherited_sockets *sockets, bool warn);

#endif
