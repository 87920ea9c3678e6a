/* SPDX-License-Identifier: ISC */
/*
 * Who may change something.  There is one token, from a file.  A program sends
 * it as "Authorization: Bearer TOKEN"; a browser logs in with it and gets a cookie
 * that says until when, signed with a key made of the token: nothing is stored,
 * and a new token ends all logins.
 */
#ifndef ADMIN_GUARD_H
#define ADMIN_GUARD_H

#include <poold.h>
#include <stdbool.h>
#include <stddef.h>

#define GUARD_TOKEN_MIN 16
#define GUARD_TOKEN_MAX 512
#define GUARD_LOGIN_S	(12 * 3600)
#define GUARD_KEY_SIZE	32

struct guard {
	bool has_token;
	unsigned char digest[GUARD_KEY_SIZE]; /* of the token */
	unsigned char key[GUARD_KEY_SIZE];    /* that cookies are signed with */
};

enum guard_verdict {
	GUARD_NOBODY, /* says nothing of who he is */
	GUARD_WRONG,  /* what he says is wrong */
	GUARD_ADMIN,
};

/* Reads the token from path.  Returns 0, or the exit status for main after a line
 * on stderr. */
int guard_load(struct guard *guard, const char *path);

/* Whether text is the token.  Takes as long for each text of a length. */
bool guard_is_token(const struct guard *guard, const char *text);
enum guard_verdict guard_who(const struct guard *guard, struct poold_request *req);

/* Sets the cookie of who has logged in; or ends it. */
void guard_log_in(const struct guard *guard, struct poold_request *req);
void guard_log_out(struct poold_request *req);

/* Whether a request that changes something comes from a page of ours, or from no
 * page at all; else *why says why not. */
bool guard_is_own(struct poold_request *req, const char **why);

#endif
