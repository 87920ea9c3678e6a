/* SPDX-License-Identifier: ISC */
/* Authorities, "host[:port]": of Host and of absolute targets (RFC 3986). */
#include "common/http.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define PORT_MAX 65535

/* The whole of an IPv6 literal, brackets and all; no zone, no IPvFuture. */
static bool
ip_literal_valid(const char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr in6;

	if (len - 2 >= sizeof(address))
		return false;
	memcpy(address, text + 1, len - 2);
	address[len - 2] = '\0';
	return inet_pton(AF_INET6, address, &in6) == 1;
}

/* As http_authority_scan, for the host in brackets at p. */
static const char *
ip_literal_scan(const char *p, const char *end, bool *whole)
{
	const char *start = p;

	for (p++; p < end && (http_hex(*p) >= 0 || *p == ':' || *p == '.');)
		p++;
	*whole = p < end;
	if (!*whole)
		return p;
	p++;
	if (p[-1] != ']' || !ip_literal_valid(start, (size_t)(p - start)))
		return NULL;
	return p;
}

/* As http_authority_scan, for the name (or IPv4 address) at p. */
static const char *
name_scan(const char *p, const char *end, bool *whole)
{
	int hex = 0; /* digits to come of a pct-encoded byte */

	for (; p < end; p++) {
		if (hex > 0) {
			if (http_hex(*p) < 0)
				return NULL;
			hex--;
		} else if (*p == '%')
			hex = 2;
		else if ((http_class[(unsigned char)*p] & HTTP_CLASS_HOST) == 0)
			break;
	}
	*whole = hex == 0;
	return p;
}

const char *
http_authority_scan(const char *p, const char *end, bool *whole)
{
	const char *start = p;
	unsigned port = 0;

	p = *p == '[' ? ip_literal_scan(p, end, whole) : name_scan(p, end, whole);
	if (p == NULL || p == start || p == end || *p != ':')
		return p == start ? NULL : p;
	for (p++; p < end && *p >= '0' && *p <= '9'; p++) {
		port = port * 10 + (unsigned)(*p - '0');
		if (port > PORT_MAX)
			return NULL;
	}
	return p;
}

void
http_authority_split(const char *authority, size_t len, size_t *host_len, uint16_t *port)
{
	size_t i = 0;

	*port = 0;
	if (len > 0 && authority[0] == '[')
		while (i < len && authority[i] != ']')
			i++;
	while (i < len && authority[i] != ':')
		i++;
	*host_len = i;
	for (i++; i < len; i++)
		*port = (uint16_t)(*port * 10 + (authority[i] - '0'));
}
