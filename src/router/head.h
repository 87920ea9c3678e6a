/* SPDX-License-Identifier: ISC */
/* Reading heads: peek, parse, find the route, submit. */
#ifndef ROUTER_HEAD_H
#define ROUTER_HEAD_H

#include <stdint.h>

struct connection;

/* Bytes came on a connection that is READING (events as of epoll), or its timer
 * wants another look (events 0). */
void head_read(struct connection *connection, uint32_t events);
/* The deadline of a connection that is READING. */
void head_timed_out(struct connection *connection);

#endif
