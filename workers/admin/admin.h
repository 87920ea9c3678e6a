/* SPDX-License-Identifier: ISC */
/*
 * The dashboard.  One process, one thread, any number of requests: those that
 * wait for the supervisor, and streams of server-sent events, are visits.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include <poold.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "guard.h"
#include "line.h"
#include "page.h"
#include "watch.h"

#define ADMIN_STREAMS_MAX 256 /* unless told otherwise */
#define ADMIN_DENIED_MAX  16  /* wrong tokens that wait for their answer */

enum visit_kind {
	VISIT_STATUS, /* waits for a round */
	VISIT_READY,
	VISIT_METRICS, /* for the supervisor's reply to its own request */
	VISIT_ACTION,  /* the same */
	VISIT_DENIED,  /* for its time */
	VISIT_STREAM,
	VISIT_KINDS,
};

struct admin;

struct visit {
	TAILQ_ENTRY(visit) entry;
	struct admin *admin;
	enum visit_kind kind;
	struct poold_request *req; /* NULL: the client left */
	uint64_t due_ms;	   /* when it is ended */
	/* VISIT_STREAM */
	bool greeted;
	uint64_t round;	   /* that it was sent */
	uint64_t event_id; /* the same */
	uint64_t slow_round;
};
TAILQ_HEAD(visits, visit);

struct admin {
	struct guard guard;
	struct page page;
	struct line line;
	struct watch watch;
	struct poold_worker *worker;
	struct visits visits;
	unsigned counts[VISIT_KINDS]; /* of visits */
	unsigned streams_max;
	bool may_change; /* by the service's key control, and by the options */
	bool is_private; /* nothing is shown without the token */
	const char *service;
};

/* --- routes.c */

/* Answers a request, or begins a visit. */
void admin_take(struct admin *admin, struct poold_request *req);
/* Answers with JSON that nobody keeps, and is done with the request. */
void admin_answer(struct poold_request *req, int status, json_t *object);
/* The same with a problem (RFC 9457). */
void admin_problem(struct poold_request *req, int status, const char *fmt, ...)
    POOLD_PRINTF(3, 4);
/* Whether who asks may see what there is; else it was answered. */
bool admin_may_look(struct admin *admin, struct poold_request *req);

/* --- action.c */

/* POST: login, logout, actions/NAME. */
void action_take(struct admin *admin, struct poold_request *req, const char *path);

/* --- visit.c */

/* Begins a visit of a request, which it owns from now on; NULL: it was answered. */
struct visit *visit_begin(struct admin *admin, struct poold_request *req,
    enum visit_kind kind, uint64_t ms);
/* Ends it, and its request. */
void visit_end(struct visit *visit);
/* Gives it what is known, if that is what it waits for; it may be ended then. */
void visit_answer(struct visit *visit);
/* Begins a stream. */
void visit_stream(struct admin *admin, struct poold_request *req);
/* A round is complete. */
void visits_round(void *arg);
/* Ends those whose time has come, and tells how many milliseconds it is until the
 * next one's; -1: none. */
int visits_due(struct admin *admin, uint64_t now_ms);
/* All of them leave: poold wants this worker to stop. */
void visits_leave(struct admin *admin);

#endif
