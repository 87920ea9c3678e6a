/* SPDX-License-Identifier: ISC */
/*
 * One health check: a request to a worker or to a listening address, and a
 * verdict on what comes back.  Never waits: it is driven by the loop, ends by
 * its own timer, and reads ANSWER_MAX bytes at most.
 */
#ifndef SUPERVISOR_CHECK_H
#define SUPERVISOR_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/lease.h"
#include "common/loop.h"
#include "supervisor/answer.h"
#include "supervisor/config.h"

enum check_verdict {
	CHECK_PASSED,
	CHECK_FAILED,
	CHECK_SKIPPED, /* it says nothing about the worker: try again */
};

enum check_kind {
	CHECK_LEASE, /* CHECK on the control descriptor: poold-lease(7) */
	CHECK_HTTP,  /* a request on a connection */
	CHECK_TCP,   /* a connection that somebody takes */
};

struct check {
	struct loop *loop;
	struct loop_io io; /* our end; fd -1: none is under way */
	struct loop_timer timer;
	enum check_kind kind;
	bool connecting;
	const struct config_service *config; /* of the service */
	struct answer answer;
	/* Called once for each check, perhaps before it was begun.  got says in
	 * a few words what came back, unless it passed. */
	void (*on_end)(void *owner, enum check_verdict verdict, const char *got);
	/* Whether the worker has a good reason not to answer yet. */
	bool (*is_busy)(void *owner);
	void *owner;
};

void check_init(struct check *check, struct loop *loop,
    void (*on_end)(void *owner, enum check_verdict verdict, const char *got),
    bool (*is_busy)(void *owner), void *owner);

/* Begins a check, when none is under way.  config must live until its end. */
void check_lease(struct check *check, const struct config_service *config, int control_fd,
    uint64_t serial);
void check_connect(struct check *check, const struct config_service *config,
    enum check_kind kind, const struct sockaddr_storage *ss, socklen_t len);

/* The worker said DONE for the check under way: nothing more will come. */
void check_done(struct check *check, const struct lease_done *done);

/* Ends it without a verdict, if one is under way. */
void check_cancel(struct check *check);

static inline bool
check_is_running(const struct check *check)
{
	return check->io.fd != -1;
}

/* The request for a health_check path; returns its length, 0 when it does not
 * fit.  Also for whoever validates the path. */
#define CHECK_REQUEST_MAX (HTTP_LINE_MAX + 256)
size_t check_request(const char *path, char buf[CHECK_REQUEST_MAX]);

#endif
