/* SPDX-License-Identifier: ISC */
#include "reply.h"

#include <errno.h>
#include <string.h>

void
reply_not_found(struct poold_request *req, int status)
{
	switch (status) {
	case 403:
		(void)poold_problem(req, 403, "this may not be executed");
		break;
	case 503:
		(void)poold_set_header(req, "Retry-After", "1");
		(void)poold_problem(req, 503, "too busy to look for a program");
		break;
	default:
		(void)poold_problem(req, 404, "there is nothing at %.200s",
		    poold_path(req));
	}
}

void
reply_not_started(struct poold_request *req, const char *name, const char *file,
    int error)
{
	poold_log(req, "%s: cannot start %s: %s", name, file, strerror(error));
	switch (error) {
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		(void)poold_set_header(req, "Retry-After", "1");
		(void)poold_problem(req, 503, "too busy to start the program");
		break;
	default:
		(void)poold_problem(req, 502, "the program cannot be started");
	}
}

void
reply_bad_output(struct poold_request *req, const char *name, const char *why)
{
	poold_log(req, "%s: bad output: %s", name, why);
	(void)poold_problem(req, 502, "the program gave no valid response");
}

void
reply_client_left(struct poold_request *req)
{
	/* It will not be read, but the access log says what happened. */
	(void)poold_problem(req, 400, "the client left");
}

void
reply_body_failed(struct poold_request *req, int error)
{
	switch (error) {
	case EMSGSIZE:
		(void)poold_problem(req, 413, "the body is too large");
		break;
	case EBADMSG:
	case ECONNRESET:
		(void)poold_problem(req, 400, "the body is broken");
		break;
	default:
		poold_log(req, "cannot keep the body: %s", strerror(error));
		(void)poold_problem(req, 503, "the body cannot be kept");
	}
}
