/* SPDX-License-Identifier: ISC */
#include "router/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define V1_MAX	   107 /* bytes of a line of version 1, CRLF included */
#define V2_SIG_LEN 12
#define V2_FIXED   16

static const char v2_sig[V2_SIG_LEN + 1] = "\r\n\r\n\0\r\nQUIT\n";

enum v2_command { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum v2_family { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX = 0x31 };

/* --- version 1: one line of text --------------------------------------- */

/* The next word of the line, which a single space or the end ends. */
static bool
next_word(const char **at, const char *end, char *word, size_t size)
{
	const char *stop = memchr(*at, ' ', (size_t)(end - *at));
	size_t len = (size_t)((stop != NULL ? stop : end) - *at);

	if (len == 0 || len >= size)
		return false;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at = stop != NULL ? stop + 1 : end;
	return true;
}

static bool
parse_port(const char *word, uint16_t *port)
{
	unsigned long n = 0;
	size_t len = strlen(word);

	if (len > 5 || (len > 1 && word[0] == '0') || strspn(word, "0123456789") != len)
		return false;
	n = strtoul(word, NULL, 10);
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

static bool
parse_v1_addresses(struct proxy_header *header, const char *at, const char *end,
    int family)
{
	char words[4][INET6_ADDRSTRLEN];

	for (int i = 0; i < 4; i++)
		if (!next_word(&at, end, words[i], sizeof(words[i])))
			return false;
	header->client.family = header->local.family = family == AF_INET ?
	    LEASE_FAMILY_INET :
	    LEASE_FAMILY_INET6;
	header->has_addr = true;
	return at == end && end[-1] != ' ' &&
	    inet_pton(family, words[0], header->client.addr) == 1 &&
	    inet_pton(family, words[1], header->local.addr) == 1 &&
	    parse_port(words[2], &header->client.port) &&
	    parse_port(words[3], &header->local.port);
}

static enum proxy_result
parse_v1(struct proxy_header *header, const char *buf, size_t len)
{
	const char *end = memchr(buf, '\n', len < V1_MAX ? len : V1_MAX);
	const char *at = buf + 6;
	char word[16];
	bool ok;

	if (end == NULL)
		return len < V1_MAX ? PROXY_MORE : PROXY_BAD;
	if (end[-1] != '\r')
		return PROXY_BAD;
	header->len = (size_t)(end - buf) + 1;
	end--;
	if (at >= end || !next_word(&at, end, word, sizeof(word)))
		return PROXY_BAD;
	if (strcmp(word, "TCP4") == 0)
		ok = parse_v1_addresses(header, at, end, AF_INET);
	else if (strcmp(word, "TCP6") == 0)
		ok = parse_v1_addresses(header, at, end, AF_INET6);
	else
		ok = strcmp(word, "UNKNOWN") == 0; /* the rest is ignored */
	return ok ? PROXY_OK : PROXY_BAD;
}

/* --- version 2: binary ------------------------------------------------- */

static uint16_t
read16(const char *at)
{
	return (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]);
}

static void
read_v2_addresses(struct proxy_header *header, const char *at, uint16_t family,
    size_t size)
{
	header->has_addr = true;
	header->client.family = header->local.family = family;
	memcpy(header->client.addr, at, size);
	memcpy(header->local.addr, at + size, size);
	header->client.port = read16(at + 2 * size);
	header->local.port = read16(at + 2 * size + 2);
}

static enum proxy_result
parse_v2(struct proxy_header *header, const char *buf, size_t len)
{
	uint8_t command, family;
	size_t more;

	if (len < V2_FIXED)
		return PROXY_MORE;
	command = (uint8_t)buf[12];
	family = (uint8_t)buf[13];
	more = read16(buf + 14);
	if ((command != V2_LOCAL && command != V2_PROXY) || more > PROXY_MAX - V2_FIXED)
		return PROXY_BAD;
	if (command == V2_PROXY &&
	    ((family == V2_TCP4 && more < 12) || (family == V2_TCP6 && more < 36)))
		return PROXY_BAD;
	if (len < V2_FIXED + more)
		return PROXY_MORE;
	header->len = V2_FIXED + more; /* TLVs and all */
	if (command == V2_LOCAL)
		return PROXY_OK;
	if (family == V2_TCP4)
		read_v2_addresses(header, buf + V2_FIXED, LEASE_FAMILY_INET, 4);
	else if (family == V2_TCP6)
		read_v2_addresses(header, buf + V2_FIXED, LEASE_FAMILY_INET6, 16);
	return PROXY_OK;
}

static bool
begins_like(const char *buf, size_t len, const char *what, size_t what_len)
{
	return memcmp(buf, what, len < what_len ? len : what_len) == 0;
}

enum proxy_result
proxy_parse(struct proxy_header *header, const char *buf, size_t len)
{
	memset(header, 0, sizeof(*header));
	if (begins_like(buf, len, "PROXY ", 6))
		return len < 6 ? PROXY_MORE : parse_v1(header, buf, len);
	if (begins_like(buf, len, v2_sig, V2_SIG_LEN))
		return len < V2_SIG_LEN ? PROXY_MORE : parse_v2(header, buf, len);
	return PROXY_BAD;
}
