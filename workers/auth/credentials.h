/* SPDX-License-Identifier: ISC */
/* User and password, out of a request's body. */
#ifndef AUTH_CREDENTIALS_H
#define AUTH_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#define CREDENTIALS_BODY_MAX 8192 /* bytes of a body */

struct credentials {
	bool has_user, has_password;
	char user[CREDENTIALS_BODY_MAX + 1];
	char password[CREDENTIALS_BODY_MAX + 1];
};

/*
 * Both read body[0, len) and return NULL, or what is wrong with it (static).
 * Fields that are not there are no error: see has_user, has_password.  NUL
 * bytes are refused, since crypt(3) would not look behind them.
 */
const char *credentials_from_form(struct credentials *c, const char *body, size_t len);
const char *credentials_from_json(struct credentials *c, const char *body, size_t len);

/* Forgets all of it, beyond what a compiler may leave out. */
void credentials_wipe(struct credentials *c);

/*
 * From now on jansson wipes each piece of memory before it frees it: passwords
 * pass through its parser.
 */
void credentials_wipe_json(void);

#endif
