/* SPDX-License-Identifier: ISC */
#include "answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* A detail may quote a parameter, but never all of a long one. */
#define DETAIL_MAX 512

/* Enough digits for scores and milliseconds, without the noise of 0.1. */
#define REAL_DIGITS 6

json_t *
answer_string(const char *s, size_t max)
{
	json_t *string;
	char *copy;

	if ((copy = text_utf8_copy(s, strlen(s), max)) == NULL)
		return NULL;
	string = json_string(copy);
	free(copy);
	return string;
}

static void
send_object(struct poold_request *req, int status, const char *type, json_t *object)
{
	char *text = NULL;

	if (object != NULL &&
	    json_object_set_new(object, "pid", json_integer(getpid())) == 0 &&
	    json_object_set_new(object, "port", json_integer(poold_local_port(req))) == 0)
		text = json_dumps(object,
		    JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	json_decref(object);
	if (text == NULL) {
		poold_problem(req, 500, "out of memory");
		return;
	}
	/* A client that left is no news: poold's access log shows it. */
	(void)poold_respond(req, status, type, text, strlen(text));
	free(text);
}

void
answer_json(struct poold_request *req, int status, json_t *object)
{
	send_object(req, status, "application/json", object);
}

static const char *
status_title(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 412:
		return "Precondition Failed";
	case 413:
		return "Content Too Large";
	case 415:
		return "Unsupported Media Type";
	case 416:
		return "Range Not Satisfiable";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

void
answer_problem(struct poold_request *req, int status, const char *parameter,
    const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	json_t *problem;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);

	/* "o" with a NULL fails the whole pack; "s*" leaves the member out. */
	problem = json_pack("{s:s, s:s, s:i, s:o, s:s*}", "type", "about:blank", "title",
	    status_title(status), "status", status, "detail",
	    answer_string(detail, sizeof(detail)), "parameter", parameter);
	send_object(req, status, "application/problem+json", problem);
}

bool
answer_method(struct poold_request *req, const char *also)
{
	const char *method = poold_method(req);
	char allow[64];

	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
	    (also != NULL && strcmp(method, also) == 0))
		return false;
	snprintf(allow, sizeof(allow), "GET, HEAD%s%s, OPTIONS", also ? ", " : "",
	    also ? also : "");
	(void)poold_set_header(req, "Allow", allow);
	if (strcmp(method, "OPTIONS") == 0)
		(void)poold_respond(req, 204, NULL, NULL, 0);
	else
		answer_problem(req, 405, NULL, "%.32s is not possible here, only %s",
		    method, allow);
	return true;
}
