/* SPDX-License-Identifier: ISC */
/*
 * The body gate: a request with a small body of known length waits until the
 * kernel holds all of it, so that a slow sender holds no worker.
 */
#ifndef ROUTER_BODY_H
#define ROUTER_BODY_H

#include <stdint.h>

struct connection;

/* The head of the connection's request was read.  Submits the request, now or
 * when its body is there. */
void body_await(struct connection *connection);
/* Bytes came, or the client ended, on a connection in state BODY. */
void body_arrived(struct connection *connection, uint32_t events);
/* The deadline of a connection in state BODY. */
void body_timed_out(struct connection *connection);

#endif
