/* SPDX-License-Identifier: ISC */
/* A request body whose length nobody knew, put aside: a CGI program must be told
 * CONTENT_LENGTH before it starts (RFC 3875 section 4.1.2). */
#ifndef GATEWAY_SPOOL_H
#define GATEWAY_SPOOL_H

#include <poold.h>

/*
 * Reads the body of req into a file without a name, in TMPDIR or /var/tmp or
 * /tmp.  Its size is bounded by max_body of the service, or the disk.  Returns a
 * descriptor at the start of the body, *length is its bytes; or -1 with errno, as
 * poold_read or write(2) set it.
 */
int spool_body(struct poold_request *req, int64_t *length);

#endif
