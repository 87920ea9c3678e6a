/* SPDX-License-Identifier: ISC */
/* The Python interpreter that this program has in it. */
#ifndef PYTHON_INTERPRETER_H
#define PYTHON_INTERPRETER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

#include <poold.h>

/* What the command line says. */
struct options {
	const char *app;	  /* "a.b:c", "FILE" or "FILE:c" */
	const char *virtualenv;	  /* NULL: none */
	const char **python_path; /* NULL at its end */
	bool factory;
	const char *interface; /* "auto", "wsgi" or "asgi" */
};

/*
 * Starts the interpreter: that of PYTHON_PREFIX, whatever is first in PATH, or
 * the same with the packages of a virtual environment.  Returns 0, or an exit
 * status after saying why.
 */
int interpreter_open(const struct options *options);

/* Runs what the application has registered with atexit; returns status, or
 * another one where that failed.  Nothing of Python may be used afterwards. */
int interpreter_close(int status);

#endif
