/* SPDX-License-Identifier: ISC */
/* What a client gets that no program wrote, and what the log gets with it.  name
 * is the program's, for the log. */
#ifndef GATEWAY_REPLY_H
#define GATEWAY_REPLY_H

#include <poold.h>

/* 403, 404 or 503. */
void reply_not_found(struct poold_request *req, int status);
/* 502, or 503 when it is for want of something that may come back. */
void reply_not_started(struct poold_request *req, const char *name, const char *file,
    int error);
/* 502. */
void reply_bad_output(struct poold_request *req, const char *name, const char *why);
/* 400, for the log alone. */
void reply_client_left(struct poold_request *req);
/* 413, 400 or 503, as poold_read or the spool failed. */
void reply_body_failed(struct poold_request *req, int error);

#endif
