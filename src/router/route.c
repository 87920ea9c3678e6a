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
    const char *prefix, size_t prefix_len, uint32_t weight, struct generation *generation)
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
	route = &table->routes[table->count];
	memset(route, 0, sizeof(*route));
	route->order = (uint32_t)table->count++;
	route->listener = listener;
	route->host = copy(host, host_len);
	route->host_len = host_len;
	route->prefix = copy(prefix, prefix_len);
	route->prefix_len = prefix_len;
	route->weight = weight;
	route->generation = generation;
}

/* Listener, then routes with a host, then long prefixes; equal routes have the
 * same value here. */
static int
compare_routes(const struct route *a, const struct route *b)
{
	int order;

	if (a->listener != b->listener)
		return a->listener < b->listener ? -1 : 1;
	if ((a->host_len > 0) != (b->host_len > 0))
		return a->host_len > 0 ? -1 : 1;
	if (a->prefix_len != b->prefix_len)
		return a->prefix_len > b->prefix_len ? -1 : 1;
	order = strcmp(a->host, b->host);
	return order != 0 ? order : strcmp(a->prefix, b->prefix);
}

static int
compare(const void *left, const void *right)
{
	const struct route *a = left, *b = right;
	int order = compare_routes(a, b);

	return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

void
route_sort(struct route_table *table)
{
	struct route *routes = table->routes;

	if (table->count > 0)
		qsort(routes, table->count, sizeof(*routes), compare);
	for (size_t i = table->count; i-- > 0;) {
		routes[i].shares = 1;
		if (i + 1 < table->count &&
		    compare_routes(&routes[i], &routes[i + 1]) == 0)
			routes[i].shares += routes[i + 1].shares;
	}
}

static bool
has_weights_of(const struct route *a, const struct route *b)
{
	if (a->shares != b->shares || compare_routes(a, b) != 0)
		return false;
	for (uint32_t i = 0; i < a->shares; i++)
		if (a[i].weight != b[i].weight)
			return false;
	return true;
}

void
route_resume(struct route_table *table, const struct route_table *old)
{
	for (size_t i = 0; i < table->count; i += table->routes[i].shares) {
		struct route *route = &table->routes[i];

		if (route->shares == 1)
			continue;
		for (size_t j = 0; j < old->count; j += old->routes[j].shares)
			if (has_weights_of(route, &old->routes[j]))
				for (uint32_t k = 0; k < route->shares; k++)
					route[k].due = old->routes[j + k].due;
	}
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

struct route *
route_find(const struct route_table *table, uint32_t listener, const char *host,
    size_t host_len, const char *path, size_t path_len)
{
	if (host_len > 0 && host[host_len - 1] == '.')
		host_len--;
	for (size_t i = 0; i < table->count; i++) {
		struct route *route = &table->routes[i];

		if (route->listener == listener && route->weight > 0 &&
		    host_matches(route, host, host_len) &&
		    prefix_matches(route, path, path_len))
			return route;
	}
	return NULL;
}

/* Each gains its weight; who is furthest behind is chosen and loses what all
 * have gained. */
static struct route *
take_turn(struct route *found, bool (*is_available)(const struct route *route))
{
	struct route *chosen = NULL;
	int64_t total = 0;

	for (struct route *route = found; route < found + found->shares; route++) {
		if (route->weight == 0 || !is_available(route))
			continue;
		total += route->weight;
		route->due += route->weight;
		if (chosen == NULL || route->due > chosen->due)
			chosen = route;
	}
	if (chosen != NULL)
		chosen->due -= total;
	return chosen;
}

static bool
anyway(const struct route *route)
{
	(void)route;
	return true;
}

struct route *
route_choose(struct route *found, bool (*is_available)(const struct route *route))
{
	struct route *chosen;

	if (found->shares == 1)
		return found;
	chosen = take_turn(found, is_available);
	return chosen != NULL ? chosen : take_turn(found, anyway);
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
