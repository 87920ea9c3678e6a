/* SPDX-License-Identifier: ISC */
/* The key that tokens are signed with: a file that only its owner reads. */
#ifndef AUTH_SECRET_H
#define AUTH_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_MIN 32	/* bytes; as many as HMAC-SHA256 gives */
#define SECRET_MAX 1024 /* bytes read of a file made by somebody else */

struct secret {
	unsigned char key[SECRET_MAX];
	size_t len;
};

/*
 * Reads the secret from path, which is made with mode 0600 when it is not
 * there.  Several workers may do so at once: all get the same secret.
 * Returns 0, or the exit status for main after a line on stderr: 77 when the
 * file may be read by others than its owner, 78 when it is too short, too long
 * or no file, 71 when a system call failed.
 */
int secret_load(struct secret *secret, const char *path);

#endif
