/* SPDX-License-Identifier: ISC */
/*
 * A client's connection.
 *
 *	READING  waits for a head, or for the rest of one
 *	BODY     its head is whole; waits for a small body (the body gate)
 *	WAITING  its request waits in a service's FIFO
 *	LEASED   a worker has it
 *	SENDING  the worker is done; the router sends the rest of its response
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
#include "router/reply.h"
#include "router/rest.h"

struct access_entry;
struct listener;
struct request;
struct router;
struct service;

enum connection_state {
	CONNECTION_READING,
	CONNECTION_BODY,
	CONNECTION_WAITING,
	CONNECTION_LEASED,
	CONNECTION_SENDING,
	CONNECTION_LINGER,
};

struct connection {
	TAILQ_ENTRY(connection) entry;
	TAILQ_ENTRY(connection) idle_entry; /* when is_idle */
	struct router *router;
	struct listener *listener;
	struct request *request; /* BODY, WAITING, LEASED */
	struct loop_io io;
	struct loop_timer timer;
	uint64_t deadline_ns;	       /* the timer may fire earlier; 0: none */
	uint64_t wait_until_ns;	       /* WAITING */
	uint64_t head_deadline_ns;     /* of the incomplete head */
	uint64_t consumed;	       /* bytes read from it when its requests so far are
			       * answered; valid when tracked */
	struct address_count *address; /* may be NULL */
	uint32_t holder;	       /* the last lease's generation; see was_leased */
	uint32_t requests;	       /* read from it so far */
	uint32_t peeked;	       /* bytes of the incomplete head seen so far */
	uint32_t discarded;	       /* LINGER: bytes */
	uint8_t state;		       /* enum connection_state */
	uint8_t peeks;		       /* of the incomplete head */
	bool is_unix;		       /* edge-triggered; no TCP_INFO */
	bool tracked;		       /* consumed is known */
	bool lowat_set;		       /* SO_RCVLOWAT is not 1 */
	bool was_leased;	       /* a worker had it */
	bool ended;		       /* shut down for client_timeout */
	bool is_idle;		       /* READING, and nothing of a head is there */
	bool proxy_pending;	       /* a PROXY header is to come first */
	bool rest_keep;		       /* after the rest: as connection_resume */
	struct lease_addr client;
	struct lease_addr local;
	struct rest rest;	    /* SENDING */
	uint64_t client_timeout_ns; /* SENDING */
};

/* A connection that was accepted: it owns fd.  NULL when there is no memory
 * (fd is closed). */
struct connection *connection_new(struct router *router, struct listener *listener,
    int fd, const struct lease_addr *client);

/* While the router takes over: a connection of another router, whose members are
 * those of saved; it owns fd, and does nothing until connection_activate.  NULL
 * when there is no memory. */
struct connection *connection_taken(struct router *router, struct listener *listener,
    int fd, const struct connection *saved);
void connection_activate(struct connection *connection);

/* The request waits or is leased: no reading until connection_resume.
 * deadline_ns 0: none. */
void connection_wait(struct connection *connection, struct request *request,
    uint64_t deadline_ns);
void connection_leased(struct connection *connection);

/*
 * Before a lease to this generation: what an earlier holder's worker left of
 * TCP_CORK would hold the answer back for 200 ms.  Within a generation a
 * service harms but itself, which spares a system call for each request.
 */
void connection_change_hands(struct connection *connection, uint32_t generation);

/* The worker left the rest of its response to us; then as connection_resume.
 * client_timeout_ns: how long the client may take nothing. */
void connection_send_rest(struct connection *connection, struct rest_file *file,
    uint64_t off, uint64_t len, bool keep, uint64_t client_timeout_ns);
/*
 * The request is answered.  The connection reads the next one if keep; else it
 * is closed, in stages, so that the client gets all of the answer.
 */
void connection_resume(struct connection *connection, bool keep);
/* Answers with an error of our own (problem+json), then closes in stages. */
void connection_refuse(struct connection *connection, unsigned status,
    const char *detail);
/* Before the router writes, or lets a connection live on, after a worker that
 * may have left the socket corked. */
void connection_uncork(struct connection *connection);
/* Closes at once, with a reset: the response is incomplete, or the client is
 * not worth waiting for. */
void connection_cut(struct connection *connection);
/* Lets go of the connection without shutting it down: somebody else has it. */
void connection_release(struct connection *connection);
/* The router drains: an idle connection is closed. */
void connection_drain(struct connection *connection);
/* Closes the connection that has been idle for longest, to make room.  Returns
 * false when none is idle. */
bool connection_evict(struct router *router);

/* Goes to another state. */
void connection_enter(struct connection *connection, enum connection_state state);

/* For connection_take.c: what all have in common, and the events that a
 * connection waits for. */
void connection_init(struct connection *connection, struct router *router,
    struct listener *listener, int fd);
#define CONNECTION_TCP_READ (EPOLLIN | EPOLLRDHUP | EPOLLONESHOT)
/* No events but errors: a waiting client that resets is heard of. */
#define CONNECTION_TCP_WATCH EPOLLONESHOT
/* SO_RCVLOWAT does not gate epoll on unix sockets: report arrivals only. */
#define CONNECTION_UNIX_READ (EPOLLIN | EPOLLRDHUP | EPOLLET)

/* For head.c and body.c: */

/* Closes at once, without a word. */
void connection_close(struct connection *connection);
/* Lets events through: readable (level-triggered by EPOLLONESHOT; edge-
 * triggered on unix sockets). */
void connection_await_input(struct connection *connection);
/* Whether max_connections_per_address allows it; if not, close it. */
bool connection_is_welcome(struct connection *connection);
/* Takes so many peeked bytes out of the socket.  Returns false when they are not
 * there. */
bool connection_consume(struct connection *connection, uint32_t len);
/* The connection's timer does what the state says at deadline_ns; 0: never. */
void connection_set_deadline(struct connection *connection, uint64_t deadline_ns);
/* SO_RCVLOWAT: readable means so many bytes. */
void connection_set_lowat(struct connection *connection, uint64_t bytes);
/*
 * An answer of the router's own.  keep_head_len: consume so many bytes and go on;
 * 0: close.  entry has what is known of the request, its ids at least, for the
 * access log; service is NULL when none was found.
 */
void connection_answer(struct connection *connection, struct reply reply,
    uint32_t keep_head_len, const struct service *service, struct access_entry *entry);

#endif
