/* SPDX-License-Identifier: ISC */
/*
 * A process of somebody's own beside the workers of a service: with its user,
 * folder, environment, limits and control group, but with the standard
 * descriptors of the client of the control socket that wants it.  It gets nothing
 * of the lease contract.  It ends when its client goes; reloads and upgrades
 * leave it alone.
 */
#ifndef SUPERVISOR_ONEOFF_H
#define SUPERVISOR_ONEOFF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/loop.h"
#include "supervisor/spawn.h"

#define ONEOFF_MAX 8 /* at a time */

struct control_client;
struct json_t;
struct service;
struct supervisor;

struct oneoff {
	TAILQ_ENTRY(oneoff) entry;
	struct supervisor *supervisor;
	struct control_client *client; /* NULL: gone */
	char *service;
	pid_t pid;
	struct loop_io exit;	/* pidfd */
	struct loop_io failure; /* what went wrong before exec; fd -1: it runs */
	struct spawn_failure spawn_failure; /* step "": none */
	uint64_t began_ns;
	int client_fd; /* in the state that an upgrade leaves; else -1 */
};
TAILQ_HEAD(oneoffs, oneoff);

/* Starts one for a client, whose descriptors it takes; the client is answered. */
void oneoff_start(struct control_client *client, struct service *service,
    const struct json_t *request);
/* What its client says meanwhile: {"signal":15}. */
void oneoff_said(struct control_client *client, const struct json_t *said);
/* Its client has gone: it is killed. */
void oneoff_client_gone(struct control_client *client);

bool oneoff_is_known(const struct supervisor *supervisor, pid_t pid);
/* poold stops: it is asked to end, or killed. */
void oneoff_stop_all(struct supervisor *supervisor, int sig);
void oneoff_free_all(struct supervisor *supervisor);

/* An upgrade: one as the state has it; then, with the loop open, goes on. */
struct oneoff *oneoff_restore(struct supervisor *supervisor);
void oneoff_adopt_all(struct supervisor *supervisor);

#endif
