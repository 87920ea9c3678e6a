/* SPDX-License-Identifier: ISC */
#include "guard.h"

#include <err.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "../auth/token.h"

#define COOKIE "poold_admin"

/* --- the token --------------------------------------------------------- */

static void
hash(const char *text, unsigned char out[GUARD_KEY_SIZE])
{
	unsigned int len = GUARD_KEY_SIZE;

	/* it fails without memory only; then nothing matches */
	if (EVP_Digest(text, strlen(text), out, &len, EVP_sha256(), NULL) != 1)
		abort();
}

static int
take_token(struct guard *guard, char *text, const char *path)
{
	static const char use[] = "poold admin login";
	unsigned int len = GUARD_KEY_SIZE;

	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) < GUARD_TOKEN_MIN || strchr(text, ' ') != NULL) {
		warnx("%s: the token, its first line, has less than %d characters, or "
		      "a space",
		    path, GUARD_TOKEN_MIN);
		return EX_CONFIG;
	}
	hash(text, guard->digest);
	if (HMAC(EVP_sha256(), text, (int)strlen(text), (const unsigned char *)use,
		sizeof(use) - 1, guard->key, &len) == NULL)
		return EX_OSERR;
	guard->has_token = true;
	return EX_OK;
}

int
guard_load(struct guard *guard, const char *path)
{
	char text[GUARD_TOKEN_MAX + 1];
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), status;

	if (fd == -1 || fstat(fd, &st) == -1) {
		warn("cannot read the token %s", path);
		return EX_NOPERM;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & S_IRWXO) != 0) {
		warnx("%s is no file, or may be read by everybody (mode %04o): "
		      "chmod 0600 it",
		    path, (unsigned)st.st_mode & 07777);
		close(fd);
		return EX_NOPERM;
	}
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	status = take_token(guard, text, path);
	explicit_bzero(text, sizeof(text));
	return status;
}

bool
guard_is_token(const struct guard *guard, const char *text)
{
	unsigned char digest[GUARD_KEY_SIZE];

	hash(text, digest);
	return guard->has_token &&
	    CRYPTO_memcmp(digest, guard->digest, sizeof(digest)) == 0;
}

/* --- cookies ----------------------------------------------------------- */

/* The value of our cookie among those of the field; "" when there is none. */
static void
find_cookie(const char *field, char value[TOKEN_MAX])
{
	size_t len;

	value[0] = '\0';
	while (field != NULL && *field != '\0') {
		field += strspn(field, "; \t");
		len = strcspn(field, ";");
		if (strncmp(field, COOKIE "=", sizeof(COOKIE)) == 0 &&
		    len - sizeof(COOKIE) < TOKEN_MAX) {
			memcpy(value, field + sizeof(COOKIE), len - sizeof(COOKIE));
			value[len - sizeof(COOKIE)] = '\0';
			return;
		}
		field += len;
	}
}

/* The path of the dashboard: its cookie is for nobody else on the port. */
static const char *
cookie_path(const struct poold_request *req)
{
	const char *route = poold_route(req);

	return route[0] == '/' ? route : "/";
}

static void
set_cookie(struct poold_request *req, const char *value, int seconds)
{
	char text[TOKEN_MAX + 1024];
	const char *scheme = poold_header(req, "X-Forwarded-Proto");
	bool secure = scheme != NULL && strcasecmp(scheme, "https") == 0;

	snprintf(text, sizeof(text),
	    COOKIE "=%s; Path=%s; Max-Age=%d; HttpOnly; SameSite=Strict%s", value,
	    cookie_path(req), seconds, secure ? "; Secure" : "");
	(void)poold_set_header(req, "Set-Cookie", text);
}

void
guard_log_in(const struct guard *guard, struct poold_request *req)
{
	time_t now = time(NULL);
	struct token token = { .user = "admin",
		.issued_at = now,
		.expires_at = now + GUARD_LOGIN_S };
	char *text = token_make(&token, guard->key, sizeof(guard->key));

	if (text != NULL)
		set_cookie(req, text, GUARD_LOGIN_S);
	free(text);
}

void
guard_log_out(struct poold_request *req)
{
	set_cookie(req, "", 0);
}

enum guard_verdict
guard_who(const struct guard *guard, struct poold_request *req)
{
	static const char bearer[] = "Bearer ";
	const char *field = poold_header(req, "Authorization");
	char cookie[TOKEN_MAX];
	struct token token;

	if (field != NULL && strncasecmp(field, bearer, sizeof(bearer) - 1) == 0)
		return guard_is_token(guard, field + sizeof(bearer) - 1) ? GUARD_ADMIN :
									   GUARD_WRONG;
	find_cookie(poold_header(req, "Cookie"), cookie);
	/* an old cookie is no attempt to guess */
	if (cookie[0] == '\0' || !guard->has_token)
		return GUARD_NOBODY;
	return token_verify(cookie, guard->key, sizeof(guard->key), time(NULL), &token) ?
	    GUARD_ADMIN :
	    GUARD_NOBODY;
}

/* --- where it comes from ----------------------------------------------- */

/* "http://HOST" or "https://HOST" of the same authority. */
static bool
is_same_host(const char *origin, const char *host)
{
	const char *colon = strstr(origin, "://");

	return colon != NULL && host[0] != '\0' && strcasecmp(colon + 3, host) == 0;
}

bool
guard_is_own(struct poold_request *req, const char **why)
{
	const char *site = poold_header(req, "Sec-Fetch-Site");
	const char *origin = poold_header(req, "Origin");
	const char *host = poold_header(req, "Host");

	*why = "the request comes from another site";
	if (site != NULL && strcmp(site, "same-origin") != 0)
		return false;
	if (origin != NULL && (host == NULL || !is_same_host(origin, host)))
		return false;
	/* a form of another site cannot send this, and a script of one must ask */
	*why = "the field X-Poold-Admin is missing";
	return poold_header(req, "X-Poold-Admin") != NULL;
}
