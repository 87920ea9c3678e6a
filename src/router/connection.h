/* SPDX-License-Identifier: ISC */
/*
 * A client's connection.
 *
 *	READING  waits for a head, or for the rest of one
 *	WAITING  its request waits in a service's FIFO
 *	LEASED   a worker has it
 *	LINGER   our side is shut down; what still comes in is discarded
 *
 * The bytes of a head stay in the kernel (MSG_PEEK) until the worker that
 * answers reads them.
 */
#ifndef ROUTER_CONNECTION_H
#define ROUTER_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/lease.h"
#include "common/loop.h"

struct listener;
struct request;
struct router;

enum connection_state {
	CONNECTION_READING,
	CONNECTION_WAITING,
	CONNECTION_LEASED,
	CONNECTION_LINGER,
};

struct connection {
	TAILQ_ENTRY(connection) entry;
	struct router *router;
	struct listener *listener;
	struct request *request; /* WAITING, LEASED */
	struct loop_io io;
	struct loop_timer timer;
	uint64_t deadline_ns; /* the timer may fire earlier; 0: none */
	uint64_t head_deadline_ns; /* of the incomplete head */
	uint64_t consumed;    /* bytes read from it when its requests so far are
			       * answered; valid when tracked */
	uint32_t peeked;      /* bytes of the incomplete head seen so far */
	uint32_t discarded;   /* LINGER: bytes */
	uint8_t state;	      /* enum connection_state */
	uint8_t peeks;	      /* of the incomplete head */
	bool is_unix;	      /* edge-triggered; no TCP_INFO */
	bool tracked;	      /* consumed is known */
	bool lowat_set;	      /* SO_RCVLOWAT is not 1 */
	struct lease_addr client;
	struct lease_addr local;
};

/* A connection that was accepted: it owns fd.  NULL when there is no memory
 * (fd is closed). */
struct connection *connection_new(struct router *router,
    struct listener *listener, int fd, const struct lease_addr *client);

/* The request waits or is leased: no reading until connection_resume.
 * deadline_ns 0: none. */
void connection_wait(struct connection *connection, struct request *request,
    uint64_t deadline_ns);
void connection_leased(struct connection *connection);

/*
 * The request is answered.  The connection reads the next one if keep; else it
 * is closed, in stages, so that the client gets all of the answer.
 */
void connection_resume(struct connection *connection, bool keep);
/* Answers with an error of our own (problem+json), then closes in stages. */
void connection_refuse(struct connection *connection, unsigned status,
    const char *detail);
/* Closes at once, with a reset: the response is incomplete, or the client is
 * not worth waiting for. */
void connection_cut(struct connection *connection);
/* Lets go of the connection without shutting it down: somebody else has it. */
void connection_release(struct connection *connection);
/* The router drains: an idle connection is closed. */
void connection_drain(struct connection *connection);

#endif
