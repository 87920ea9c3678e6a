/* SPDX-License-Identifier: ISC */
/* The route of a service, "/prefix" or "host/prefix", and its weight: see
 * config_value.h. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lease.h"
#include "common/util.h"
#include "supervisor/config.h"
#include "supervisor/config_value.h"

#define HOST_MAX  253 /* RFC 1035 section 2.3.4, without the last dot */
#define LABEL_MAX 63

/* NULL, or why host is not a name (RFC 952, with '_' as people use it). */
static const char *
host_name_check(const char *host)
{
	size_t label = 0;

	if (strlen(host) > HOST_MAX)
		return "the host is longer than 253 bytes";
	for (const char *p = host;; p++) {
		if (*p == '.' || *p == '\0') {
			if (label == 0)
				return "the host has an empty label";
			if (label > LABEL_MAX)
				return "the host has a label over 63 bytes";
			if (p[-1] == '-')
				return "a label of the host ends in '-'";
			if (*p == '\0')
				return NULL;
			label = 0;
		} else if (*p == ':') {
			return "a route's host has no port: services are told "
			       "apart by listener instead (key 'listen')";
		} else if ((unsigned char)*p >= 0x80) {
			return "write the host in its ASCII form (xn--...)";
		} else if (!isalnum((unsigned char)*p) && *p != '_' &&
		    (*p != '-' || label == 0)) {
			return "the host is not a name or an address";
		} else {
			label++;
		}
	}
}

/* "[v6]" in its one canonical form; NULL when it is none. */
static char *
host_inet6_canonical(const char *host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	size_t len = strlen(host);

	if (len < 4 || len - 2 >= sizeof(text) || host[len - 1] != ']')
		return NULL;
	memcpy(text, host + 1, len - 2);
	text[len - 2] = '\0';
	if (inet_pton(AF_INET6, text, &in6) != 1)
		return NULL;
	inet_ntop(AF_INET6, &in6, text, sizeof(text));
	return util_asprintf("[%s]", text);
}

/*
 * NULL, or why path is not the canonical path that the router compares: it has
 * percent-decoded it and resolved dot segments and repeated slashes.
 */
static const char *
prefix_check(const char *path)
{
	if (strlen(path) > LEASE_PATH_MAX)
		return "the path is too long";
	for (const char *p = path; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '?')
			return "a route has no query: end it before the '?'";
		if (c == '#')
			return "a route has no fragment: end it before the '#'";
		if (c == '%')
			return "write the path decoded, without '%'";
		if (c <= ' ' || c == 0x7f || c == '\\')
			return "white space, control characters and "
			       "backslashes are no part of a route";
		if (c != '/')
			continue;
		if (p[1] == '/')
			return "the path has an empty segment ('//')";
		if (p[1] == '.' &&
		    (p[2] == '/' || p[2] == '\0' ||
			(p[2] == '.' && (p[3] == '/' || p[3] == '\0'))))
			return "the path has a dot segment ('.' or '..')";
	}
	return NULL;
}

bool
config_value_route(const char *text, char **host, char **prefix,
    char why[CONFIG_WHY_SIZE])
{
	const char *path = strchr(text, '/'), *reason = NULL;
	char *name, *inet6 = NULL;
	size_t len;

	if (path == NULL) {
		snprintf(why, CONFIG_WHY_SIZE,
		    "'%.128s' has no path: write "
		    "/path or host/path",
		    text);
		return false;
	}
	name = strndup(text, (size_t)(path - text));
	for (char *p = name; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	if (name == NULL)
		reason = "out of memory";
	else if (*name == '[' && (inet6 = host_inet6_canonical(name)) == NULL)
		reason = strstr(name, "]:") != NULL ?
		    "a route's host has no port" :
		    "the host is not an IPv6 address in brackets";
	else if (*name != '\0' && *name != '[')
		reason = host_name_check(name);
	if (reason == NULL)
		reason = prefix_check(path);
	if (reason != NULL) {
		snprintf(why, CONFIG_WHY_SIZE, "'%.96s': %s", text, reason);
		free(inet6);
		free(name);
		return false;
	}
	if (inet6 != NULL) {
		free(name);
		name = inet6;
	}
	len = strlen(path);
	if (len > 1 && path[len - 1] == '/')
		len--;
	*host = name;
	*prefix = util_asprintf("%.*s", (int)len, path);
	return true;
}

bool
config_value_weight(const char *text, int64_t *weight, char why[CONFIG_WHY_SIZE])
{
	static const char word[] = "weight=";
	char reason[CONFIG_WHY_SIZE];

	if (strncmp(text, word, strlen(word)) != 0) {
		snprintf(why, CONFIG_WHY_SIZE,
		    "'%.96s': only weight=NUMBER may follow the path, without "
		    "white space in it",
		    text);
		return false;
	}
	if (config_value_int(text + strlen(word), 0, CONFIG_WEIGHT_MAX, weight, reason))
		return true;
	snprintf(why, CONFIG_WHY_SIZE, "weight: %.128s", reason);
	return false;
}
