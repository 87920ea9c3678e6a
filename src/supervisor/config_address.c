/* SPDX-License-Identifier: ISC */
/* Where to listen: see config.h. */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/roles.h"
#include "supervisor/config.h"

static bool
port_parse(const char *text, uint16_t *port, const char **why)
{
	unsigned long value = 0;
	size_t len = strspn(text, "0123456789");

	if (len == 0 || text[len] != '\0' || len > 5) {
		*why = "the port is not a number from 1 to 65535";
		return false;
	}
	value = strtoul(text, NULL, 10);
	if (value == 0) {
		*why = "port 0 would be another one at each start: name a port "
		       "from 1 to 65535";
		return false;
	}
	if (value > 65535) {
		*why = "the port is not a number from 1 to 65535";
		return false;
	}
	*port = (uint16_t)value;
	return true;
}

static bool
unix_parse(const char *path, struct config_address *out, const char **why)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&out->ss;
	size_t len = strlen(path);

	static_assert(sizeof(out->path) == sizeof(sun->sun_path),
	    "a path that fits the one fits the other");
	if (path[0] != '/') {
		*why = "the path of a unix socket is not absolute";
		return false;
	}
	if (path[len - 1] == '/') {
		*why = "the path of a unix socket ends in '/'";
		return false;
	}
	if (len >= sizeof(sun->sun_path)) {
		*why = "the path of a unix socket is longer than 107 bytes";
		return false;
	}
	out->kind = CONFIG_ADDRESS_UNIX;
	memcpy(out->path, path, len + 1);
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, len + 1);
	out->ss_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return true;
}

static bool
inet_parse(struct config_address *out, const char **why)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&out->ss;

	if (inet_pton(AF_INET, out->host, &sin->sin_addr) != 1) {
		*why = strcmp(out->host, "*") == 0 ?
		    "for all addresses, leave the '*' away" :
		    "the host is not an address such as 127.0.0.1 or [::1] "
		    "(names are not looked up)";
		return false;
	}
	out->kind = CONFIG_ADDRESS_INET;
	sin->sin_family = AF_INET;
	sin->sin_port = htons(out->port);
	out->ss_len = sizeof(*sin);
	return true;
}

static bool
inet6_parse(struct config_address *out, const char **why)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&out->ss;

	out->ss_len = sizeof(*sin6);
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(out->port);
	if (out->host[0] == '\0') {
		out->kind = CONFIG_ADDRESS_ANY;
		sin6->sin6_addr = in6addr_any;
		return true;
	}
	out->kind = CONFIG_ADDRESS_INET6;
	if (inet_pton(AF_INET6, out->host, &sin6->sin6_addr) != 1) {
		*why = "what stands in brackets is not an IPv6 address";
		return false;
	}
	if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
		*why = "write an IPv4 address as such: 127.0.0.1:8080";
		return false;
	}
	return true;
}

bool
config_address_parse(const char *text, struct config_address *out, const char **why)
{
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[';
	size_t len;

	memset(out, 0, sizeof(*out));
	if (strncmp(text, "unix:", 5) == 0)
		return unix_parse(text + 5, out, why);
	if (colon == NULL || (brackets && (colon == text || colon[-1] != ']'))) {
		*why = "there is no port: write :8080, 127.0.0.1:8080, "
		       "[::1]:8080 or unix:/path";
		return false;
	}
	len = (size_t)(colon - text);
	if (brackets) {
		text++;
		len -= 2;
	}
	if (memchr(text, ':', len) != NULL && !brackets) {
		*why = "an IPv6 address stands in brackets: [::1]:8080";
		return false;
	}
	if (len >= sizeof(out->host) || (brackets && len == 0)) {
		*why = "the host is not an address such as 127.0.0.1 or [::1] "
		       "(names are not looked up)";
		return false;
	}
	memcpy(out->host, text, len);
	if (!port_parse(colon + 1, &out->port, why))
		return false;
	return brackets || len == 0 ? inet6_parse(out, why) : inet_parse(out, why);
}

static bool
is_wildcard(const struct config_address *address)
{
	const struct sockaddr_in *sin = (const void *)&address->ss;
	const struct sockaddr_in6 *sin6 = (const void *)&address->ss;

	if (address->kind == CONFIG_ADDRESS_INET)
		return sin->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr);
}

bool
config_address_overlap(const struct config_address *a, const struct config_address *b)
{
	bool a_unix = a->kind == CONFIG_ADDRESS_UNIX;
	bool b_unix = b->kind == CONFIG_ADDRESS_UNIX;

	if (a_unix || b_unix)
		return a_unix && b_unix && strcmp(a->path, b->path) == 0;
	if (a->port != b->port)
		return false;
	if (a->kind == CONFIG_ADDRESS_ANY || b->kind == CONFIG_ADDRESS_ANY)
		return true;
	if (a->kind != b->kind)
		return false;
	return is_wildcard(a) || is_wildcard(b) || memcmp(&a->ss, &b->ss, a->ss_len) == 0;
}

bool
config_network_parse(const char *text, struct role_network *out, const char **why)
{
	char host[64];
	size_t len = strcspn(text, "/");
	uint32_t bits_max;
	const char *error = NULL;

	memset(out, 0, sizeof(*out));
	if (strcmp(text, "unix") == 0) {
		out->addr.family = LEASE_FAMILY_UNIX;
		return true;
	}
	*why = "an address or a network like 10.0.0.0/8 or fd00::/8 is wanted, or unix";
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, out->addr.addr) == 1) {
		out->addr.family = LEASE_FAMILY_INET;
		bits_max = 32;
	} else if (inet_pton(AF_INET6, host, out->addr.addr) == 1) {
		out->addr.family = LEASE_FAMILY_INET6;
		bits_max = 128;
	} else {
		return false;
	}
	out->bits = bits_max;
	if (text[len] == '/')
		out->bits = (uint32_t)strtonum(text + len + 1, 0, bits_max, &error);
	return error == NULL;
}
