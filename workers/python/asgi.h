/* SPDX-License-Identifier: ISC */
/* The server's side of ASGI 3. */
#ifndef PYTHON_ASGI_H
#define PYTHON_ASGI_H

#include "interpreter.h"

/* Serves requests with an ASGI application until told to stop; name is the
 * application's, for messages.  argc and argv as for poold_serve.  Returns an exit
 * status. */
int asgi_serve(PyObject *application, const char *name, int argc, char **argv);

#endif
