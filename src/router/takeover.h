/* SPDX-License-Identifier: ISC */
/* Taking the connections of another router over: the new side of handover.h. */
#ifndef ROUTER_TAKEOVER_H
#define ROUTER_TAKEOVER_H

struct router;

/* All tables are here: asks the router at the other end of sock, which this
 * owns from now on, for what it has.  Nothing is read from the supervisor until
 * that has ended; if it fails the router ends. */
void takeover_begin(struct router *router, int sock);
void takeover_cancel(struct router *router);

#endif
