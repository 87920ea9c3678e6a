/* SPDX-License-Identifier: ISC */
/*
 * The control socket: who may connect is decided by its mode and owner, who may
 * change anything by SO_PEERCRED.  See poolctl(1) for the protocol,
 * control_client.h for those who are connected.
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/loop.h"

struct config;
struct control_client;
struct json_t;
struct service;
struct supervisor;
TAILQ_HEAD(control_clients, control_client);

/* One bound socket. */
struct control_socket {
	struct loop_io io; /* fd -1: none */
	char *path;
	dev_t dev; /* of the file, to remove no other one */
	ino_t ino;
	gid_t group; /* its members may change; (gid_t)-1: none */
	bool all;    /* anybody may look */
};

/* Reloads, and restarts of a service. */
struct control_reloads {
	uint64_t done;
	uint64_t failed;
	uint64_t began_ns;
	uint64_t last_ns;      /* how long the last one took */
	uint64_t last_done_ms; /* since the epoch: the last that succeeded; 0: none */
};

struct control {
	struct supervisor *supervisor;
	struct control_socket socket;
	struct control_socket fresh; /* of a reload that is under way */
	bool has_fresh;		     /* fresh (or nothing) follows at the commit */
	struct control_clients clients;
	unsigned client_count;
	uint64_t free_ns;	       /* who may only look waits until then */
	uint64_t lines_free_ns;	       /* the same for workers' lines */
	uint32_t query;		       /* the last question to the router */
	struct loop_timer query_timer; /* set: it is not answered */
	bool answered;		       /* it was; connections is known */
	uint32_t connections;	       /* of clients, as the router says */
	struct json_t *errors;	       /* of the configuration, in this reload */
	struct control_reloads reloads;
	char *failure; /* why the last reload failed; NULL: it did not */
};

void control_init(struct supervisor *supervisor);
/* Opens the socket of the first configuration.  Returns NULL, or why it cannot
 * be done (the caller frees it). */
char *control_open(struct supervisor *supervisor, const struct config *config);
/* After an upgrade: goes on with the socket that the state named, or opens one
 * if an older version had none. */
void control_adopt(struct supervisor *supervisor);
/* Removes the socket, drops the clients. */
void control_close(struct supervisor *supervisor);

/* A reload in three steps: opens what another configuration wants (NULL, or why
 * not); then goes over to it, or gives it up. */
char *control_prepare(struct supervisor *supervisor, const struct config *config);
void control_commit(struct supervisor *supervisor);
void control_abandon(struct supervisor *supervisor);

/* From reload.c, for those who wait: a reload begins; an error of the
 * configuration; its end (failure NULL: it is done). */
void control_reloading(struct supervisor *supervisor);
void control_reload_error(struct supervisor *supervisor, const char *text);
void control_reloaded(struct supervisor *supervisor, const char *failure);
/* poold stops: no reload will end any more. */
void control_stopping(struct supervisor *supervisor);

/* Asks the router for its queues, and what the workers of a service do (NULL: of
 * none); control_answered follows, at the latest
 * when it took too long. */
void control_ask(struct control *control, const struct service *service);
void control_answered(struct control *control, uint32_t query, uint32_t connections);

#endif
