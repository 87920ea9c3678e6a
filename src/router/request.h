/* SPDX-License-Identifier: ISC */
/*
 * A request between the moment its head was read and the moment it is
 * answered: what the LEASE message is made of, and a copy of the head for the
 * access log and for REPLAY.
 */
#ifndef ROUTER_REQUEST_H
#define ROUTER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/http.h"
#include "common/lease.h"
#include "common/phases.h"
#include "common/tcp.h"

struct connection;
struct generation;
struct service;

struct request {
	struct connection *connection; /* NULL: adopted from an earlier router */
	struct service *service;       /* NULL: adopted */
	struct generation *generation; /* that holds the lease; NULL: none does */
	/* in the service's FIFO or in the generation's list of leases */
	TAILQ_ENTRY(request) entry;
	uint64_t leased_ns;	/* the last time; 0: never */
	uint64_t wait_until_ns; /* in the FIFO; 0: not waited yet */
	uint32_t breaker_round; /* that let it pass; 0: none, or it has ended */
	uint32_t retry_after_s; /* of a 503; 0: soon */
	/* while leased, see watch.c: */
	uint64_t reported_ns;	  /* as stuck; 0: was not */
	uint64_t slow_ns;	  /* when to look at slow_threshold; UINT64_MAX: not */
	uint64_t progress_ns;	  /* when the client last did something */
	uint64_t acked;		  /* bytes, then */
	uint64_t received;	  /* bytes, then */
	uint8_t retries;	  /* leased again after its worker died */
	uint8_t refusals;	  /* answered REFUSED */
	bool detached;		  /* a worker has the connection for good */
	bool replayable;	  /* GET, HEAD or OPTIONS without a body */
	bool continued;		  /* its trace is the client's */
	bool counted;		  /* in the connection's consumed bytes */
	bool sampled;		  /* before is valid */
	struct tcp_sample before; /* the last lease */
	struct phases *phases;	  /* of the worker's work; NULL: none were told */
	struct lease_msg msg;
	/* the tail of the message, and where its parts begin */
	size_t path_off;
	size_t head_off;
	size_t tail_len;
	char tail[]; /* fields, canonical path, head */
};
TAILQ_HEAD(requests, request);

/* A request of head, parsed from buf, with its canonical path.  The caller
 * frees it with request_free.  NULL when there is no memory. */
struct request *request_new(const struct http_head *head, const char *buf,
    const char *path, size_t path_len);
/* A lease that an earlier router left in slot. */
struct request *request_adopted(uint32_t slot, uint64_t serial, uint64_t sequence);
void request_free(struct request *request); /* NULL is fine */

/* Keeps a copy of what the worker said; there may be no memory for it. */
void request_keep_phases(struct request *request, const struct phases *phases);

/* The head's bytes and the value of a field ("" when there is none). */
const char *request_head(const struct request *request);
const char *request_field(const struct request *request, const char *name, size_t *len);

#endif
