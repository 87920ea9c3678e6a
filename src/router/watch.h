/* SPDX-License-Identifier: ISC */
/*
 * Watching leases: request_timeout is the worker's, client_timeout the
 * client's.  Which of the two is late is read from what the kernel counts.
 */
#ifndef ROUTER_WATCH_H
#define ROUTER_WATCH_H

struct connection;

/* The connection's request was leased: sets the connection's deadline. */
void watch_begin(struct connection *connection);
/* The deadline of a connection that is LEASED. */
void watch_lease(struct connection *connection);

#endif
