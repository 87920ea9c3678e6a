/* SPDX-License-Identifier: ISC */
/* Where spans are exported to: a collector of OpenTelemetry on this machine, or a
 * file. */
#ifndef COMMON_ENDPOINT_H
#define COMMON_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

enum endpoint_kind {
	ENDPOINT_FILE,
	ENDPOINT_HTTP, /* over TCP or a unix socket */
};

struct endpoint {
	enum endpoint_kind kind;
	struct sockaddr_storage addr; /* HTTP */
	socklen_t addr_len;
	char host[64];	 /* HTTP: of the field Host */
	char path[1024]; /* HTTP: of the request; FILE: absolute */
};

/*
 * "/PATH", "unix:/PATH" or "http://ADDRESS:PORT/PATH", whose address is a number
 * or localhost: a name would have to be looked up.  Returns false, with *why
 * (static), for what is none.
 */
bool endpoint_parse(const char *text, struct endpoint *endpoint, const char **why);

#endif
