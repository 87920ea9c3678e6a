/* SPDX-License-Identifier: ISC */
/* Finds the application that a service is about. */
#ifndef PYTHON_APPLICATION_H
#define PYTHON_APPLICATION_H

#include "interpreter.h"

struct application {
	PyObject *callable;
	bool asgi;
};

/*
 * Imports what options->app names and gets the callable out of it.  Returns 0, or
 * an exit status after saying why: EX_NOINPUT there is no such file or module,
 * EX_CONFIG no such callable, EX_SOFTWARE its own code failed.
 */
int application_load(struct application *application, const struct options *options);

#endif
