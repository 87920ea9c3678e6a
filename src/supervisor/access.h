/* SPDX-License-Identifier: ISC */
/* May another user reach and execute a file? */
#ifndef SUPERVISOR_ACCESS_H
#define SUPERVISOR_ACCESS_H

#include <sys/types.h>

/*
 * Looks, with stat and the mode bits, at each folder on the way to the
 * absolute path and at what it names: may the user uid, of group gid and the
 * supplementary groups, enter the ones and execute (a folder: enter) the
 * other?  Returns NULL if so, else a sentence that says what is in the way,
 * such as "user nobody may not enter /root (mode 0700, owner root)", which the
 * caller frees.  A place with a POSIX access control list is taken to allow.
 */
char *access_explain(const char *path, uid_t uid, gid_t gid, const gid_t *groups,
    int ngroups);

#endif
