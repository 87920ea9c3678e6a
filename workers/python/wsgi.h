/* SPDX-License-Identifier: ISC */
/* The server's side of WSGI (PEP 3333). */
#ifndef PYTHON_WSGI_H
#define PYTHON_WSGI_H

#include "interpreter.h"

/* Serves requests with a WSGI application until told to stop.  argc and argv as
 * for poold_serve; returns an exit status. */
int wsgi_serve(PyObject *application, int argc, char **argv);

#endif
