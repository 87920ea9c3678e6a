/* SPDX-License-Identifier: ISC */
/* The answer to GET and HEAD that is a file, and those that are none. */
#ifndef FILES_CONTENT_H
#define FILES_CONTENT_H

#include <poold.h>
#include <sys/stat.h>

/* Answers with the regular file fd, or the part that the request wants, or 304
 * and the like.  name tells its type.  The caller keeps fd. */
void content_answer(struct poold_request *req, int fd, const struct stat *st,
    const char *name);

/* /folder to /folder/, so that the links of its index fit. */
void content_redirect(struct poold_request *req);

/* 404. */
void content_not_found(struct poold_request *req);
/* 403, 404, 500 or 503, as open(2) failed. */
void content_open_error(struct poold_request *req, int error);

#endif
