/* SPDX-License-Identifier: ISC */
/* The requests that Node has, by the numbers that it knows them by. */
#ifndef NODE_LEASES_H
#define NODE_LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <poold.h>

/* Numbers begin here; below are those of others in the same epoll set. */
#define LEASES_FIRST_ID 16

struct lease {
	TAILQ_ENTRY(lease) entry; /* of fresh */
	uint64_t id;		  /* 0: this one is free */
	struct poold_request *req;
	uint64_t taken_ns;
	bool is_fresh, is_detached;
	bool is_whole; /* it came to Node as a frame, without its socket */
};

struct leases {
	int epoll; /* clients of requests that take long are watched there */
	struct lease **slots;
	size_t size;
	size_t held; /* that are not detached */
	uint64_t round;
	TAILQ_HEAD(lease_list, lease)
	fresh; /* by when they were taken */
};

void leases_init(struct leases *leases, int epoll);
void leases_free(struct leases *leases);

/* Gives a request a number; NULL: no memory. */
struct lease *lease_add(struct leases *leases, struct poold_request *req);
/* NULL: there is none of this number. */
struct lease *lease_find(const struct leases *leases, uint64_t id);
/* It is nobody's lease any more, but goes on. */
void lease_detach(struct leases *leases, struct lease *lease, int status);
/* Node has made a response, which is sent; then it is over. */
void lease_respond(struct leases *leases, struct lease *lease, int status,
    const void *data, size_t len, bool keep);
/* It is over: Node has sent the response, or there is none. */
void lease_end(struct leases *leases, struct lease *lease, int status, uint64_t bytes,
    bool keep);
/* All that are left: they are cut. */
void leases_end(struct leases *leases);

/*
 * Has the clients of those watched that take longer than most, for whether they
 * leave: Node reads no further than its request, so it would not see that.  The
 * number of one comes from the epoll set, once.  Returns when to call again, in
 * ms; -1: no matter.
 */
int leases_watch(struct leases *leases);

#endif
