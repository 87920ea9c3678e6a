/* SPDX-License-Identifier: ISC */
#include "router/route.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/util.h"

static char *
copy(const char *text, size_t len)
{
	char *s = util_alloc(len + 1);

	memcpy(s, text, len);
	return s;
}

void
route_add(struct route_table *table, uint32_t listener, const char *host, size_t host_len,
    const char *prefix, size_t prefix_len, struct generation *generation)
{
	struct route *route, *grown;

	if (table->count == table->size) {
		size_t size = table->size > 0 ? table->size * 2 : 16;

		grown = util_alloc(size * sizeof(*grown));
		if (table->count > 0)
			memcpy(grown, table->routes, table->count * sizeof(*grown));
		free(table->routes);
		table->routes = grown;
		table->size = size;
	}
	route = &table->routes[table->count++];
	route->listener = listener;
	route->host = copy(host, host_len);
	route->host_len = host_len;
	route->prefix = copy(prefix, prefix_len);
	route->prefix_len = prefix_len;
	route->generation = generation;
}

/* Listener, then routes with a host, then long prefixes. */
static int
compare(const void *left, const void *right)
{
	const struct route *a = left, *b = right;

	if (a->listener != b->listener)
		return a->listener < b->listener ? -1 : 1;
	if ((a->host_len > 0) != (b->host_len > 0))
		return a->host_len > 0 ? -1 : 1;
	if (a->prefix_len != b->prefix_len)
		return a->prefix_len > b->prefix_len ? -1 : 1;
	return strcmp(a->host, b->host);
}

void
route_sort(struct route_table *table)
{
	if (table->count > 0)
		qsort(table->routes, table->count, sizeof(*table->routes), compare);
}

static bool
prefix_matches(const struct route *route, const char *path, size_t path_len)
{
	if (route->prefix_len == 1)
		return true; /* "/" */
	if (route->prefix_len > path_len ||
	    memcmp(route->prefix, path, route->prefix_len) != 0)
		return false;
	return route->prefix_len == path_len || path[route->prefix_len] == '/';
}

static bool
host_matches(const struct route *route, const char *host, size_t host_len)
{
	if (route->host_len == 0)
		return true;
	return route->host_len == host_len &&
	    strncasecmp(route->host, host, host_len) == 0;
}

const struct route *
route_find(const struct route_table *table, uint32_t listener, const char *host,
    size_t host_len, const char *path, size_t path_len)
{
	if (host_len > 0 && host[host_len - 1] == '.')
		host_len--;
	for (size_t i = 0; i < table->count; i++) {
		const struct route *route = &table->routes[i];

		if (route->listener == listener && host_matches(route, host, host_len) &&
		    prefix_matches(route, path, path_len))
			return route;
	}
	return NULL;
}

void
route_clear(struct route_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->routes[i].host);
		free(table->routes[i].prefix);
	}
	free(table->routes);
	memset(table, 0, sizeof(*table));
}
