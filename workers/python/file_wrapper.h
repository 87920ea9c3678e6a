/* SPDX-License-Identifier: ISC */
/* wsgi.file_wrapper: a file that is a response. */
#ifndef PYTHON_FILE_WRAPPER_H
#define PYTHON_FILE_WRAPPER_H

#include "interpreter.h"

/* The type, which is called with a file and, perhaps, the size of its blocks; NULL
 * with an exception. */
PyObject *file_wrapper_init(void);

/*
 * Whether object is a wrapper around a regular file whose bytes are what reading
 * gives: then its descriptor, the offset of what was not yet read, and how many
 * bytes follow.  Never sets an exception.
 */
bool file_wrapper_plain(PyObject *object, int *fd, off_t *offset, uint64_t *len);

#endif
