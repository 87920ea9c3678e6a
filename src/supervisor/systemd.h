/* SPDX-License-Identifier: ISC */
/*
 * What the supervisor tells the one who started it: the protocol of
 * sd_notify(3), one datagram a message, and sd_watchdog_enabled(3).  Does
 * nothing when there is no NOTIFY_SOCKET.
 */
#ifndef SUPERVISOR_SYSTEMD_H
#define SUPERVISOR_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/loop.h"

struct supervisor;
struct systemd_msg;

#define SYSTEMD_STATUS_MAX 512

struct systemd {
	int fd; /* -1: there is nobody to tell */
	struct sockaddr_un addr;
	socklen_t addr_len;
	STAILQ_HEAD(, systemd_msg)
	waiting; /* the socket was full */
	struct loop_timer retry_timer;
	struct loop_timer ready_timer; /* READY=1 is said no later */
	struct loop_timer watchdog_timer;
	uint64_t watchdog_ns; /* between two WATCHDOG=1 */
	bool started;	      /* everything is bound and started */
	bool ready;	      /* READY=1 was said */
	bool reloading;	      /* RELOADING=1 was said */
	bool stopping;
	bool failed;			 /* the last message, and the log says so */
	char status[SYSTEMD_STATUS_MAX]; /* told last */
	char *note;			 /* what became of the last reload; NULL: none */
};

void systemd_init(struct supervisor *supervisor);
/* Reads the environment; with a watchdog, begins to feed it. */
void systemd_open(struct supervisor *supervisor);
void systemd_close(struct supervisor *supervisor);

/* Everything is bound and started: READY=1 follows as soon as every service has
 * all of its workers ready, or a worker that failed to get ready. */
void systemd_started(struct supervisor *supervisor);
/* A pool has become ready, or one of its workers failed to. */
void systemd_pool_settled(struct supervisor *supervisor);
void systemd_reloading(struct supervisor *supervisor);
/* failure: why the reload failed; NULL when it did not. */
void systemd_reloaded(struct supervisor *supervisor, const char *failure);
void systemd_stopping(struct supervisor *supervisor);
/* Some number has changed. */
void systemd_status(struct supervisor *supervisor);

#endif
