/* SPDX-License-Identifier: ISC */
/* wsgi.input: the body of a request as a Python file. */
#ifndef PYTHON_INPUT_H
#define PYTHON_INPUT_H

#include "interpreter.h"

/* Makes the type; -1 with an exception. */
int input_init(void);

/* The input of a request; NULL with an exception. */
PyObject *input_new(struct poold_request *req);

/* The request is over: what still has the object reads nothing more.  Returns the
 * errno with which reading failed, 0 if it did not. */
int input_detach(PyObject *input);

#endif
