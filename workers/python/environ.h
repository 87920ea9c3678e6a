/* SPDX-License-Identifier: ISC */
/* The environ of WSGI (PEP 3333). */
#ifndef PYTHON_ENVIRON_H
#define PYTHON_ENVIRON_H

#include "interpreter.h"

struct environ;

/* What is the same for all requests: errors and file_wrapper are the values of
 * wsgi.errors and wsgi.file_wrapper.  NULL with an exception. */
struct environ *environ_new(PyObject *errors, PyObject *file_wrapper);
void environ_free(struct environ *env);

/* The dictionary of a request, with input as its wsgi.input.  NULL with an
 * exception. */
PyObject *environ_make(struct environ *env, struct poold_request *req, PyObject *input);

#endif
