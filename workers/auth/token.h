/* SPDX-License-Identifier: ISC */
/*
 * Tokens: base64url(payload) "." base64url(HMAC-SHA256 of the first part).
 * The payload is JSON: sub (the user), iat and exp (seconds since 1970).
 * Nothing is stored: who holds the secret can verify.
 */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define TOKEN_USER_SIZE 65   /* a user name and its NUL */
#define TOKEN_MAX	1024 /* no token of ours is longer */

struct token {
	char user[TOKEN_USER_SIZE];
	int64_t issued_at;
	int64_t expires_at;
};

/* The signed text of a token.  The caller frees it; NULL without memory. */
char *token_make(const struct token *token, const void *key, size_t key_len);

/*
 * Reads a token into *token.  False when it is not signed with key (compared
 * in constant time), or expired by now.
 */
bool token_verify(const char *text, const void *key, size_t key_len, time_t now,
    struct token *token);

/* base64url without padding (RFC 4648 section 5).  out: TOKEN_BASE64_SIZE. */
#define TOKEN_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
void token_base64_encode(const void *bytes, size_t len, char *out);
/*
 * Decodes text[0, len) into at most size bytes.  False when it is not the one
 * encoding of what it stands for (a changed last character would otherwise be
 * a second valid token), or too long.
 */
bool token_base64_decode(const char *text, size_t len, void *bytes, size_t size,
    size_t *bytes_len);

#endif
