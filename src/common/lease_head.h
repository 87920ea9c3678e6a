/* SPDX-License-Identifier: ISC */
/* From a parsed head to the message of a lease: for the router, which leases
 * what clients ask, and the supervisor, which asks for a worker's health. */
#ifndef COMMON_LEASE_HEAD_H
#define COMMON_LEASE_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/http.h"
#include "common/lease.h"

/*
 * Fills what the head says: type (LEASE), flags, lengths, spans, and a request
 * id, the client's trace id or a random one, with LEASE_SAMPLED as the client
 * has it; and a random span id.  head was parsed from buf;
 * path_len is the length of its canonical path.  The rest of msg is left as it
 * is.  Returns whether the trace is the client's.
 */
bool lease_head_fill(struct lease_msg *msg, const struct http_head *head, const char *buf,
    size_t path_len);

#endif
