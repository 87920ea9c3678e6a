/* SPDX-License-Identifier: ISC */
#ifndef FILES_MIME_H
#define FILES_MIME_H

/* The media type of a file, by the ending of its name (any case), with
 * charset=utf-8 for text; application/octet-stream for what is not known. */
const char *mime_type(const char *name);

#endif
