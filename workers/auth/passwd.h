/* SPDX-License-Identifier: ISC */
/*
 * The users: a file of lines "user:hash", read again when it has changed.
 * Hashes are those of crypt(5), and only yescrypt and sha512 are taken.
 */
#ifndef AUTH_PASSWD_H
#define AUTH_PASSWD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/stat.h>

#define PASSWD_USER_MAX 64	      /* bytes of a user name */
#define PASSWD_HASH_MAX 383	      /* CRYPT_OUTPUT_SIZE less the NUL */
#define PASSWD_FILE_MAX (1024 * 1024) /* bytes of the file */

struct passwd_user {
	char name[PASSWD_USER_MAX + 1];
	char hash[PASSWD_HASH_MAX + 1];
	STAILQ_ENTRY(passwd_user) entry;
};
STAILQ_HEAD(passwd_users, passwd_user);

struct passwd {
	const char *path;
	struct stat seen; /* the file that users was read from */
	bool failed;	  /* the last reading did; it was logged */
	struct passwd_users users;
	/* Hashed against when there is no such user, so that the answer takes
	 * as long as for one there is: a user's hash, else a fresh one. */
	char dummy[PASSWD_HASH_MAX + 1];
};

/* Reads the file for the first time.  False after a line to the log. */
bool passwd_open(struct passwd *passwd, const char *path);
void passwd_close(struct passwd *passwd);

/* Reads the file again if it has changed; what cannot be read changes
 * nothing but for a line in the log. */
void passwd_refresh(struct passwd *passwd);

/* Whether there is a user of this name. */
bool passwd_known(const struct passwd *passwd, const char *user);

/* Whether password is that of user.  Takes the same time for users that are
 * not there, as far as all hashes are of one kind. */
bool passwd_verify(const struct passwd *passwd, const char *user, const char *password);

/* Adds the users of a text, which is changed.  Lines that cannot be used are
 * logged with their number, and left out. */
void passwd_parse(struct passwd *passwd, char *text);

/* The hash of a new password, in the system's preferred method among ours.
 * False when crypt(3) cannot. */
bool passwd_hash(const char *password, char hash[PASSWD_HASH_MAX + 1]);

/* Whether a name may stand in the file: UTF-8 without colon and control
 * characters. */
bool passwd_name_ok(const char *name);

#endif
