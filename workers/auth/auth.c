/* SPDX-License-Identifier: ISC */
/*
 * auth: passwords in, tokens out, tokens verified.
 *
 *	POST /api/auth  user=demo&password=demo   a signed token that expires
 *	GET  /api/auth  Authorization: Bearer T   whose token that is
 *	GET  /api/auth?user=NAME                  who asks; proves nothing
 *
 * Nobody learns here whether a user exists: not by an answer, nor by the time
 * that it takes.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <readpassphrase.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#include "../common/answer.h"
#include "../common/program.h"
#include "credentials.h"
#include "passwd.h"
#include "secret.h"
#include "token.h"

#define TTL_DEFAULT 3600
#define TTL_MAX	    (365 * 24 * 3600)
#define REALM	    "Bearer realm=\"poold\""

struct auth {
	struct passwd passwd;
	struct secret secret;
	int64_t ttl_s;
};

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: auth --users FILE --secret FILE [--ttl SECONDS]\n"
	    "            [PORT | ADDRESS:PORT | unix:PATH]\n"
	    "       auth --hash USER\n"
	    "  --users FILE   lines of user:hash, with yescrypt or sha512 "
	    "hashes of crypt(5)\n"
	    "  --secret FILE  signs the tokens; made with mode 0600 when it "
	    "is not there\n"
	    "  --ttl SECONDS  how long a token is valid (default %d)\n"
	    "  --hash USER    read a password from standard input, and write "
	    "its line for FILE\n"
	    "The address is needed only without poold: see "
	    "poold-workers(7).\n",
	    TTL_DEFAULT);
}

static void
answer_unauthorized(struct poold_request *req, const char *challenge, const char *detail)
{
	(void)poold_set_header(req, "WWW-Authenticate", challenge);
	answer_problem(req, 401, NULL, "%s", detail);
}

static void
answer_token(struct poold_request *req, const struct auth *auth, const char *user)
{
	struct token token = { 0 };
	char *text;

	memcpy(token.user, user, strlen(user) + 1);
	token.issued_at = time(NULL);
	token.expires_at = token.issued_at + auth->ttl_s;
	text = token_make(&token, auth->secret.key, auth->secret.len);
	if (text == NULL) {
		answer_problem(req, 500, NULL, "the token cannot be made");
		return;
	}
	answer_json(req, 200,
	    json_pack("{s:s, s:s, s:I, s:I, s:s, s:b}", "token", text, "token_type",
		"Bearer", "expires_in", (json_int_t)auth->ttl_s, "expires_at",
		(json_int_t)token.expires_at, "user", user, "authenticated", 1));
	free(text);
}

static void
log_in(struct poold_request *req, const struct auth *auth, const struct credentials *c)
{
	const char *missing;

	if (!c->has_user || !c->has_password) {
		missing = c->has_user ? "password" : "user";
		answer_problem(req, 400, missing, "the field '%s' is missing", missing);
		return;
	}
	/* A name that cannot be in the file costs the same time too. */
	if (!passwd_verify(&auth->passwd, c->user, c->password)) {
		answer_unauthorized(req, REALM, "wrong user or password");
		return;
	}
	answer_token(req, auth, c->user);
}

/* Reads at most size bytes of the body; -1 after the client was answered. */
static ssize_t
read_body(struct poold_request *req, char *body, size_t size)
{
	size_t len = 0;
	ssize_t n;

	if (poold_body_length(req) > CREDENTIALS_BODY_MAX)
		goto too_large;
	while (len < size) {
		if ((n = poold_read(req, body + len, size - len)) == 0)
			break;
		if (n == -1) {
			answer_problem(req, 400, NULL, "the body cannot be read: %s",
			    strerror(errno));
			return -1;
		}
		len += (size_t)n;
	}
	if (len <= CREDENTIALS_BODY_MAX)
		return (ssize_t)len;
too_large:
	answer_problem(req, 413, NULL, "the body is larger than %d bytes",
	    CREDENTIALS_BODY_MAX);
	return -1;
}

/* Whether the media type of a Content-Type, without parameters, is type. */
static bool
is_type(const char *content_type, const char *type)
{
	size_t len = strcspn(content_type, "; \t");

	return len == strlen(type) && strncasecmp(content_type, type, len) == 0;
}

static void
handle_post(struct poold_request *req, const struct auth *auth, struct credentials *c)
{
	const char *type = poold_header(req, "Content-Type"), *error;
	char body[CREDENTIALS_BODY_MAX + 1]; /* one more shows what is longer */
	ssize_t len;

	if ((len = read_body(req, body, sizeof(body))) == -1)
		goto out;
	if (type == NULL || is_type(type, "application/x-www-form-urlencoded")) {
		error = credentials_from_form(c, body, (size_t)len);
	} else if (is_type(type, "application/json")) {
		error = credentials_from_json(c, body, (size_t)len);
	} else {
		answer_problem(req, 415, NULL,
		    "send user and password as "
		    "application/x-www-form-urlencoded or application/json");
		goto out;
	}
	if (error != NULL)
		answer_problem(req, 400, NULL, "%s", error);
	else
		log_in(req, auth, c);
out:
	explicit_bzero(body, sizeof(body));
}

static void
handle_token(struct poold_request *req, const struct auth *auth,
    const char *authorization)
{
	const char *scheme = "Bearer ";
	struct token token;

	if (strncasecmp(authorization, scheme, strlen(scheme)) != 0) {
		answer_unauthorized(req, REALM,
		    "the Authorization header is no 'Bearer TOKEN'");
		return;
	}
	authorization += strlen(scheme);
	authorization += strspn(authorization, " ");
	if (!token_verify(authorization, auth->secret.key, auth->secret.len, time(NULL),
		&token) ||
	    !passwd_known(&auth->passwd, token.user)) {
		answer_unauthorized(req, REALM ", error=\"invalid_token\"",
		    "the token is not valid, or no longer");
		return;
	}
	answer_json(req, 200,
	    json_pack("{s:s, s:I, s:I, s:b, s:b, s:b}", "user", token.user, "issued_at",
		(json_int_t)token.issued_at, "expires_at", (json_int_t)token.expires_at,
		"valid", 1, "proof", 1, "authenticated", 1));
}

static void
handle_get(struct poold_request *req, const struct auth *auth)
{
	const char *authorization = poold_header(req, "Authorization");
	const char *user = poold_param(req, "user");

	if (authorization != NULL) {
		handle_token(req, auth, authorization);
		return;
	}
	if (user == NULL) {
		answer_unauthorized(req, REALM,
		    "send 'Authorization: Bearer TOKEN'; a POST of user and "
		    "password gives a token");
		return;
	}
	if (*user == '\0' || strlen(user) > PASSWD_USER_MAX) {
		answer_problem(req, 400, "user",
		    "the parameter 'user' must have 1 to %d bytes", PASSWD_USER_MAX);
		return;
	}
	answer_json(req, 200,
	    json_pack("{s:o, s:b, s:b, s:s, s:s}", "user",
		answer_string(user, PASSWD_USER_MAX), "authenticated", 0, "proof", 0,
		"client", poold_client_address(req), "detail",
		"a name is no proof: POST user and password for a token, then "
		"send 'Authorization: Bearer TOKEN'"));
}

static void
handle(struct poold_request *req, void *arg)
{
	struct auth *auth = arg;
	struct credentials c;

	(void)poold_set_header(req, "Cache-Control", "no-store");
	if (answer_method(req, "POST"))
		return;
	passwd_refresh(&auth->passwd);
	if (strcmp(poold_method(req), "POST") == 0) {
		memset(&c, 0, sizeof(c));
		handle_post(req, auth, &c);
		credentials_wipe(&c);
	} else {
		handle_get(req, auth);
	}
}

/* --hash: one line for the users' file. */
static int
hash_main(const char *user)
{
	char password[CREDENTIALS_BODY_MAX], hash[PASSWD_HASH_MAX + 1];
	bool ok;

	if (!passwd_name_ok(user))
		return program_usage_error("bad user name: %s", user);
	/* From a terminal without echo, from a pipe without a prompt; past
	 * stdio, which would keep a copy. */
	if (readpassphrase(isatty(STDIN_FILENO) ? "Password: " : "", password,
		sizeof(password), RPP_STDIN) == NULL)
		password[0] = '\0';
	if (password[0] == '\0') {
		warnx("no password on standard input");
		return EX_DATAERR;
	}
	ok = passwd_hash(password, hash);
	explicit_bzero(password, sizeof(password));
	if (!ok) {
		warnx("crypt(3) cannot hash this password");
		return EX_DATAERR;
	}
	printf("%s:%s\n", user, hash);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int
serve(int argc, char **argv, struct auth *auth, const char *users, const char *secret)
{
	int status;

	if ((status = secret_load(&auth->secret, secret)) != EX_OK)
		return status;
	if (!passwd_open(&auth->passwd, users))
		return EX_NOINPUT; /* it was logged */
	credentials_wipe_json();
	status = program_serve(argc, argv, handle, auth);
	passwd_close(&auth->passwd);
	explicit_bzero(&auth->secret, sizeof(auth->secret));
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "users", required_argument, NULL, 'u' },
		{ "secret", required_argument, NULL, 's' },
		{ "ttl", required_argument, NULL, 't' },
		{ "hash", required_argument, NULL, 'H' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *users = NULL, *secret = NULL, *error;
	struct auth auth = { .ttl_s = TTL_DEFAULT };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'u':
			users = optarg;
			break;
		case 's':
			secret = optarg;
			break;
		case 't':
			auth.ttl_s = strtonum(optarg, 1, TTL_MAX, &error);
			if (error != NULL)
				return program_usage_error("--ttl %s is %s", optarg,
				    error);
			break;
		case 'H':
			return hash_main(optarg);
		case 'h':
			usage(stdout);
			return EX_OK;
		default: /* getopt_long said what is wrong */
			return program_usage_error("bad options");
		}
	}
	if (users == NULL || secret == NULL)
		return program_usage_error("%s FILE is missing",
		    users == NULL ? "--users" : "--secret");
	return serve(argc, argv, &auth, users, secret);
}
