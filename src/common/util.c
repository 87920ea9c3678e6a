/* SPDX-License-Identifier: ISC */
#include "common/util.h"

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

uint64_t
util_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

uint64_t
util_epoch_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t
util_back_off_ns(unsigned failures, uint64_t min_ns, uint64_t max_ns)
{
	uint64_t wait_ns = min_ns;

	for (unsigned i = 2; i < failures && wait_ns < max_ns; i++)
		wait_ns *= 2;
	return wait_ns < max_ns ? wait_ns : max_ns;
}

static void
addr_from_in6(struct lease_addr *addr, const struct sockaddr_in6 *in6)
{
	const uint8_t *bytes = in6->sin6_addr.s6_addr;

	addr->port = ntohs(in6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		addr->family = LEASE_FAMILY_INET;
		memcpy(addr->addr, bytes + 12, 4);
	} else {
		addr->family = LEASE_FAMILY_INET6;
		memcpy(addr->addr, bytes, 16);
	}
}

void
util_addr_from_sockaddr(struct lease_addr *addr, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

	memset(addr, 0, sizeof(*addr));
	switch (ss->ss_family) {
	case AF_INET:
		addr->family = LEASE_FAMILY_INET;
		addr->port = ntohs(in->sin_port);
		memcpy(addr->addr, &in->sin_addr, 4);
		break;
	case AF_INET6:
		addr_from_in6(addr, (const struct sockaddr_in6 *)ss);
		break;
	case AF_UNIX:
		addr->family = LEASE_FAMILY_UNIX;
		break;
	default:
		break;
	}
}

const char *
util_addr_text(const struct lease_addr *addr, char *buf)
{
	switch (addr->family) {
	case LEASE_FAMILY_INET:
		return inet_ntop(AF_INET, addr->addr, buf, UTIL_ADDR_SIZE);
	case LEASE_FAMILY_INET6:
		return inet_ntop(AF_INET6, addr->addr, buf, UTIL_ADDR_SIZE);
	case LEASE_FAMILY_UNIX:
		return "unix";
	default:
		return "-";
	}
}

void
util_hex(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

void
util_random(void *buf, size_t len)
{
	/* One call of the kernel serves many ids. */
	static uint8_t pool[4096];
	static size_t left;

	if (len > sizeof(pool)) {
		arc4random_buf(buf, len);
		return;
	}
	if (left < len) {
		arc4random_buf(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= len;
	memcpy(buf, pool + left, len);
}

void *
util_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		err(EX_OSERR, "cannot allocate %zu bytes", size);
	return p;
}

char *
util_strdup(const char *s)
{
	char *copy = strdup(s);

	if (copy == NULL)
		err(EX_OSERR, "cannot allocate memory");
	return copy;
}

char *
util_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		err(EX_OSERR, "cannot allocate memory");
	va_end(ap);
	return text;
}
