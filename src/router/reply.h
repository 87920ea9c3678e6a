/* SPDX-License-Identifier: ISC */
/*
 * The answers that the router gives itself: errors as application/problem+json
 * (RFC 9457), 204 for "OPTIONS *".
 */
#ifndef ROUTER_REPLY_H
#define ROUTER_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define REPLY_MAX 1024 /* bytes of a whole answer */

/* Writes an answer into buf[REPLY_MAX].  detail: static text for people, or
 * NULL; is_head: leave the body out; keep: the connection goes on; http10: the
 * client speaks 1.0.  Returns its length. */
size_t reply_format(char *buf, unsigned status, const char *detail, bool is_head,
    bool keep, bool http10);

#endif
