/* SPDX-License-Identifier: ISC */
#include "common/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_PATH "/v1/traces" /* OTLP over HTTP */

static bool
parse_unix(const char *path, struct endpoint *endpoint, const char **why)
{
	struct sockaddr_un *addr = (struct sockaddr_un *)&endpoint->addr;

	if (*path != '/' || strlen(path) >= sizeof(addr->sun_path)) {
		*why =
		    "the path of a unix socket is absolute, and shorter than 108 bytes";
		return false;
	}
	addr->sun_family = AF_UNIX;
	strlcpy(addr->sun_path, path, sizeof(addr->sun_path));
	endpoint->addr_len = sizeof(*addr);
	strlcpy(endpoint->host, "localhost", sizeof(endpoint->host));
	strlcpy(endpoint->path, DEFAULT_PATH, sizeof(endpoint->path));
	return true;
}

/* host without brackets. */
static bool
set_address(struct endpoint *endpoint, const char *host, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&endpoint->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&endpoint->addr;

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		endpoint->addr_len = sizeof(*in);
		return true;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	endpoint->addr_len = sizeof(*in6);
	return true;
}

/* Splits "[::1]:4318" and the like in place; the port is 80 without one. */
static char *
split_port(char *host, uint16_t *port)
{
	const char *error = NULL;
	char *end = *host == '[' ? strchr(host, ']') : NULL;
	char *colon = strchr(end != NULL ? end : host, ':');

	*port = 80;
	if (colon != NULL) {
		*colon = '\0';
		*port = (uint16_t)strtonum(colon + 1, 1, UINT16_MAX, &error);
	}
	if (error != NULL)
		return NULL;
	if (end == NULL)
		return host;
	*end = '\0';
	return host + 1;
}

static bool
parse_http(const char *text, struct endpoint *endpoint, const char **why)
{
	size_t host_len = strcspn(text, "/");
	const char *path = text + host_len;
	char copy[sizeof(endpoint->host)], *host;
	uint16_t port;

	*why =
	    "it is not http://ADDRESS:PORT/PATH, where ADDRESS is a number or localhost";
	if (host_len == 0 || host_len >= sizeof(copy) ||
	    strlen(path) >= sizeof(endpoint->path) || strpbrk(path, " \t\"\\#") != NULL)
		return false;
	memcpy(copy, text, host_len);
	copy[host_len] = '\0';
	strlcpy(endpoint->host, copy, sizeof(endpoint->host));
	host = split_port(copy, &port);
	if (host == NULL || !set_address(endpoint, host, port))
		return false;
	strlcpy(endpoint->path, *path != '\0' && path[1] != '\0' ? path : DEFAULT_PATH,
	    sizeof(endpoint->path));
	return true;
}

bool
endpoint_parse(const char *text, struct endpoint *endpoint, const char **why)
{
	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->kind = ENDPOINT_HTTP;
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, endpoint, why);
	if (strncmp(text, "http://", 7) == 0)
		return parse_http(text + 7, endpoint, why);
	endpoint->kind = ENDPOINT_FILE;
	if (*text == '/' && strlen(text) < sizeof(endpoint->path)) {
		strlcpy(endpoint->path, text, sizeof(endpoint->path));
		return true;
	}
	*why = "it is not off, a path, http://ADDRESS:PORT/PATH or unix:PATH";
	return false;
}
