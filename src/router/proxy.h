/* SPDX-License-Identifier: ISC */
/*
 * The PROXY protocol, versions 1 and 2: a balancer in front of us says, before
 * the first request, whose connection it is.  (The PROXY protocol, Willy
 * Tarreau, HAProxy Technologies, sections 2.1 and 2.2.)
 */
#ifndef ROUTER_PROXY_H
#define ROUTER_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/lease.h"

#define PROXY_MAX 2048 /* bytes of a header that are taken */

enum proxy_result {
	PROXY_OK,   /* the header is whole */
	PROXY_MORE, /* it is not: come back with more bytes */
	PROXY_BAD,  /* this is no header, or a broken one */
};

struct proxy_header {
	size_t len;    /* bytes of the header */
	bool has_addr; /* else the connection is the balancer's own (LOCAL, UNKNOWN) */
	struct lease_addr client;
	struct lease_addr local;
};

/* Parses buf[0, len); bytes behind the header are not looked at. */
enum proxy_result proxy_parse(struct proxy_header *header, const char *buf, size_t len);

#endif
