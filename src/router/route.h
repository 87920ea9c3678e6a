/* SPDX-License-Identifier: ISC */
/*
 * The route table: which service answers a host and a path on a listener.  The
 * longest prefix that ends on a segment boundary wins; routes of a host come
 * before routes of any host.
 */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include <stddef.h>
#include <stdint.h>

struct generation;

struct route {
	uint32_t listener; /* id */
	size_t host_len;   /* 0: any host */
	size_t prefix_len;
	char *host;		       /* lower case, no port */
	char *prefix;		       /* canonical; no '/' at its end, but for "/" */
	struct generation *generation; /* that it leads to; not owned */
};

struct route_table {
	struct route *routes;
	size_t count;
	size_t size; /* allocated */
};

/* Adds a route; the texts are copied. */
void route_add(struct route_table *table, uint32_t listener, const char *host,
    size_t host_len, const char *prefix, size_t prefix_len,
    struct generation *generation);
/* Orders the table; after the last route_add and before route_find. */
void route_sort(struct route_table *table);
/* The route for a canonical path, or NULL.  host without its port, any case;
 * one dot at its end does not count. */
const struct route *route_find(const struct route_table *table, uint32_t listener,
    const char *host, size_t host_len, const char *path, size_t path_len);
/* Frees the routes and leaves an empty table. */
void route_clear(struct route_table *table);

#endif
