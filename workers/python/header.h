/* SPDX-License-Identifier: ISC */
/* Status and fields of a response, as WSGI and ASGI applications give them. */
#ifndef PYTHON_HEADER_H
#define PYTHON_HEADER_H

#include "interpreter.h"

/* The bytes of a Latin-1 text, with a NUL behind; NULL with an exception that
 * names what it is. */
const char *header_text(PyObject *object, const char *what);

/* Whether a field is about the connection, which is the server's. */
bool header_is_hop_by_hop(const char *name);

/* The number of "200 OK"; -1 with an exception. */
int header_status(PyObject *status);

/*
 * Looks at one field.  A Content-Length sets *length.  -1 with an exception:
 * characters that are not allowed in fields, or one of those that are the
 * server's (PEP 3333, "Other HTTP Features").
 */
int header_check(const char *name, const char *value, int64_t *length);

/* Adds it to the response, if it is not one that the library writes; -1 with an
 * exception. */
int header_set(struct poold_request *req, const char *name, const char *value);

#endif
