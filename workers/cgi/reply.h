/* SPDX-License-Identifier: ISC */
/* What a client gets that no program wrote, and what the log gets with it. */
#ifndef CGI_REPLY_H
#define CGI_REPLY_H

#include <poold.h>

#include "output.h"
#include "site.h"

/* How long the body of a response is held back: a program that is done by then
 * is answered with one Content-Length, and the request can be repeated if the
 * worker dies meanwhile. */
#define REPLY_HELD_MS 20

/* Adds the fields of a program's head to the response. */
void reply_fields(struct poold_request *req, const struct output_head *head);

/* 403, 404 or 503, as site_find says. */
void reply_not_found(struct poold_request *req, int status);
/* 502, or 503 when it is for want of something that may come back. */
void reply_not_started(struct poold_request *req, const struct script *script, int error);
/* 502. */
void reply_bad_output(struct poold_request *req, const struct script *script,
    const char *why);
/* 400, for the log alone. */
void reply_client_left(struct poold_request *req);
/* 413, 400 or 503, as poold_read or the spool failed. */
void reply_body_failed(struct poold_request *req, int error);

#endif
