/* SPDX-License-Identifier: ISC */
/*
 * The lease contract spoken by hand, for workers that break it on purpose:
 * libpoold would not let them.  What fails ends the process.
 */
#ifndef T_WORKERS_CONTRACT_H
#define T_WORKERS_CONTRACT_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/msg.h"

struct contract {
	struct lease_scoreboard *board;
	struct lease_scoreboard layout; /* the header as it was at the start */
	size_t board_size;
	struct lease_worker *me;
	uint32_t worker;
	int epoll;
	bool going;
	union {
		struct lease_msg msg;
		char buf[LEASE_MSG_MAX];
	} in;
};

static inline void
contract_watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1)
		exit(71);
}

/* Maps the scoreboard and says READY. */
static inline void
contract_open(struct contract *c)
{
	struct lease_signal ready = { .type = LEASE_READY, .pid = (uint32_t)getpid() };
	const char *slot = getenv("POOLD_SLOT");
	struct stat st;

	memset(c, 0, sizeof(*c));
	if (slot == NULL || fstat(LEASE_FD_SCOREBOARD, &st) == -1)
		exit(76);
	c->board_size = (size_t)st.st_size;
	c->board = mmap(NULL, c->board_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    LEASE_FD_SCOREBOARD, 0);
	if (c->board == MAP_FAILED)
		exit(71);
	memcpy(&c->layout, c->board, sizeof(c->layout));
	/* a hostile neighbour may just have written over it */
	if (c->layout.magic != LEASE_MAGIC || c->layout.worker_off % 64 != 0 ||
	    c->layout.worker_size != sizeof(struct lease_worker) ||
	    c->layout.slot_off % 64 != 0 || c->layout.slot_size < LEASE_SLOT_MIN ||
	    c->layout.size != (uint64_t)st.st_size)
		exit(71);
	c->worker = (uint32_t)atoi(slot);
	c->me = (struct lease_worker *)((char *)c->board + c->layout.worker_off +
	    (size_t)c->worker * c->layout.worker_size);
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	contract_watch(c->epoll, LEASE_FD_CONTROL, EPOLLIN);
	if (msg_send(LEASE_FD_CONTROL, &ready, sizeof(ready), 0) == -1)
		exit(0);
}

static inline void
contract_control(struct contract *c)
{
	struct lease_signal signal = { 0 };
	bool truncated;
	ssize_t n;
	int fd;

	n = msg_recv_fd(LEASE_FD_CONTROL, &signal, sizeof(signal), MSG_DONTWAIT, &fd,
	    &truncated);
	if (fd != -1)
		close(fd);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0 || signal.type == LEASE_STOP)
		exit(0);
	if (signal.type == LEASE_GO && !c->going) {
		c->going = true;
		contract_watch(c->epoll, LEASE_FD_QUEUE, EPOLLIN | EPOLLEXCLUSIVE);
	}
}

/* Waits for a lease: its message is in c->in, its descriptor is returned.  The
 * state is TAKING then; nobody knows yet who has the lease. */
static inline int
contract_take(struct contract *c)
{
	struct epoll_event event;
	bool truncated;
	ssize_t n;
	int fd;

	for (;;) {
		contract_control(c);
		if (c->going) {
			atomic_store(&c->me->state, LEASE_WORKER_TAKING);
			n = msg_recv_fd(LEASE_FD_QUEUE, &c->in, sizeof(c->in),
			    MSG_DONTWAIT, &fd, &truncated);
			if (n == 0)
				exit(0);
			if (n >= LEASE_MSG_MIN && c->in.msg.type == LEASE_LEASE &&
			    fd != -1)
				return fd;
			if (fd != -1)
				close(fd);
			if (n > 0)
				continue; /* KICK */
			atomic_store(&c->me->state, LEASE_WORKER_IDLE);
		}
		epoll_wait(c->epoll, &event, 1, -1);
	}
}

static inline struct lease_slot *
contract_slot(struct contract *c, uint32_t slot)
{
	return (struct lease_slot *)((char *)c->board + c->layout.slot_off +
	    (size_t)slot * c->layout.slot_size);
}

/* Tells the scoreboard that the lease is ours. */
static inline void
contract_own(struct contract *c)
{
	const struct lease_msg *msg = &c->in.msg;
	struct lease_slot *slot = contract_slot(c, msg->slot);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	atomic_store(&slot->taken_ns,
	    (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	atomic_store(&slot->owner, LEASE_OWNER(msg->serial, c->worker));
	atomic_store(&c->me->lease_slot, msg->slot);
	atomic_store(&c->me->serial, msg->serial);
	atomic_store(&c->me->state, LEASE_WORKER_BUSY);
}

/* The canonical path behind the route: "/read/10/x" of "/raw/read/10/x". */
static inline const char *
contract_path(struct contract *c)
{
	static char path[256];
	const struct lease_msg *msg = &c->in.msg;
	const char *whole = c->in.buf + msg->header_len +
	    msg->field_count * sizeof(struct lease_field);
	size_t len = (size_t)(msg->path_len - msg->prefix_len);

	if (len >= sizeof(path))
		len = sizeof(path) - 1;
	memcpy(path, whole + msg->prefix_len, len);
	path[len] = '\0';
	return path;
}

static inline struct lease_done
contract_done(const struct contract *c, uint32_t flags)
{
	return (struct lease_done){ .type = LEASE_DONE,
		.status = 200,
		.flags = flags,
		.serial = c->in.msg.serial,
		.slot = c->in.msg.slot };
}

static inline void
contract_send_done(const struct contract *c, uint32_t flags)
{
	struct lease_done done = contract_done(c, flags);

	msg_send(LEASE_FD_DONE, &done, sizeof(done), 0);
}

/* Reads len bytes and forgets them.  Returns how many there were. */
static inline uint64_t
contract_read(int fd, uint64_t len)
{
	char buf[65536];
	uint64_t left = len;
	ssize_t n = 1;

	while (left > 0 && n > 0) {
		n = recv(fd, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf),
		    MSG_WAITALL);
		if (n > 0)
			left -= (uint64_t)n;
	}
	return len - left;
}

/* What of the request lies in the socket. */
static inline uint64_t
contract_request_len(const struct contract *c)
{
	const struct lease_msg *msg = &c->in.msg;
	uint64_t body_len = msg->body_len == LEASE_BODY_CHUNKED ? 0 : msg->body_len;

	return (msg->flags & LEASE_REPLAY ? 0 : msg->head_len) + body_len;
}

/* A whole response that tells who answers. */
static inline int
contract_response(const struct contract *c, char *buf, size_t size)
{
	char body[256];
	int len = snprintf(body, sizeof(body),
	    "{\"pid\":%ld,\"replay\":%d,\"service\":\"%s\"}\n", (long)getpid(),
	    (c->in.msg.flags & LEASE_REPLAY) != 0, getenv("POOLD_SERVICE"));

	return snprintf(buf, size,
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	    "Content-Length: %d\r\n\r\n%s",
	    len, body);
}

#endif
