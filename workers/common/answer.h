/* SPDX-License-Identifier: ISC */
/* The answers that all workers give alike. */
#ifndef WORKERS_ANSWER_H
#define WORKERS_ANSWER_H

#include <jansson.h>
#include <poold.h>

/*
 * Answers with a JSON object, to which the pid of this worker and the port
 * that the client reached are added.  Takes over the reference to object; NULL
 * (out of memory while it was built) is answered with 500.
 */
void answer_json(struct poold_request *req, int status, json_t *object);

/*
 * Answers with a problem (RFC 9457) that has pid and port too, and names the
 * request's parameter that is to blame, if one is: parameter may be NULL.
 */
void answer_problem(struct poold_request *req, int status, const char *parameter,
    const char *fmt, ...) POOLD_PRINTF(4, 5);

/*
 * Answers a method that is not GET or HEAD, nor the one named also (NULL:
 * none), and returns true; false means: go on.  Allow says which methods there
 * are; OPTIONS, by which balancers find out whether a server is up, gets 204,
 * and every other method 405.
 */
bool answer_method(struct poold_request *req, const char *also);

/* A JSON string of s, whatever bytes it has; at most max bytes of it. */
json_t *answer_string(const char *s, size_t max);

#endif
