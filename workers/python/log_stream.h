/* SPDX-License-Identifier: ISC */
/* wsgi.errors: a Python text file whose lines go to the log. */
#ifndef PYTHON_LOG_STREAM_H
#define PYTHON_LOG_STREAM_H

#include "interpreter.h"

/* A stream; its lines have the id of *req, NULL: none.  NULL with an exception. */
PyObject *log_stream_new(struct poold_request *const *req);

/* Logs what was written without an end of line. */
void log_stream_flush(PyObject *stream);

#endif
