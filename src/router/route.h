/* SPDX-License-Identifier: ISC */
/*
 * The route table: which service answers a host and a path on a listener.  The
 * longest prefix that ends on a segment boundary wins; routes of a host come
 * before routes of any host.
 *
 * Services may share a route: each then has an entry, with a weight, and they
 * take turns in proportion.  An entry whose weight is 0 is as good as not there.
 */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include <stdbool.h>
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
	uint32_t weight;
	uint32_t order;	 /* in which it was added */
	uint32_t shares; /* this entry and those behind it for the same route */
	int64_t due;	 /* how far it is behind its share; see route_choose */
};

struct route_table {
	struct route *routes;
	size_t count;
	size_t size; /* allocated */
};

/* Adds a route; the texts are copied. */
void route_add(struct route_table *table, uint32_t listener, const char *host,
    size_t host_len, const char *prefix, size_t prefix_len, uint32_t weight,
    struct generation *generation);
/* Orders the table; after the last route_add and before all that follows. */
void route_sort(struct route_table *table);
/* Shared routes whose weights are those in old go on where old is in its turns:
 * frequent reloads must not keep a small share from ever being due. */
void route_resume(struct route_table *table, const struct route_table *old);
/* The route for a canonical path, or NULL: of a shared one the first entry.
 * host without its port, any case; one dot at its end does not count. */
struct route *route_find(const struct route_table *table, uint32_t listener,
    const char *host, size_t host_len, const char *path, size_t path_len);
/*
 * Whose turn it is among the entries for the route that was found: smooth
 * weighted round-robin, exact after as many requests as the weights add up to.
 * An entry that is not available is passed over while another is.
 */
struct route *route_choose(struct route *found,
    bool (*is_available)(const struct route *route));
/* Frees the routes and leaves an empty table. */
void route_clear(struct route_table *table);

#endif
