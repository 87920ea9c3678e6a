/* SPDX-License-Identifier: ISC */
/* Where the control socket is when nobody says otherwise. */
#ifndef COMMON_CONTROL_PATH_H
#define COMMON_CONTROL_PATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The run-time folder: the first of RUNTIME_DIRECTORY (systemd.exec(5)), else
 * /run/poold for root, else poold in XDG_RUNTIME_DIR.  False: there is none, or
 * its name does not fit.
 */
bool control_path_folder(char *buf, size_t size);
/* The socket in it. */
bool control_path_default(char *buf, size_t size);

#endif
