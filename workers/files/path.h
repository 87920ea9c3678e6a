/* SPDX-License-Identifier: ISC */
/* Paths of requests, and the files below a folder that they name. */
#ifndef FILES_PATH_H
#define FILES_PATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The path below the root for what follows the route in a canonical path:
 * without slashes at its start, "." for the root itself.  NULL when a part of
 * it begins with a dot: such files are nobody's business, and ".." is none.
 */
const char *path_below(const char *path_info);

/*
 * Percent-encodes a canonical path for a Location field.  Writes at most size
 * bytes with the NUL; false when it does not fit.
 */
bool path_encode(const char *path, char *out, size_t size);

/*
 * Opens path below the folder dir_fd for reading; never what is outside of it,
 * be it by "..", an absolute path or a symbolic link.  Returns a descriptor,
 * which does not block on FIFOs, or -1 with errno.
 */
int path_open(int dir_fd, const char *path);

/* The same without opening the file itself (O_PATH): it need not be readable. */
int path_find(int dir_fd, const char *path);

/* The status to answer with when either of them failed with this errno: 403, 404, or 503
 * for what may be there at the next try. */
int path_status(int error);

/* path_open for systems without openat2(2): it follows no symbolic link. */
int path_open_by_parts(int dir_fd, const char *path);

#endif
