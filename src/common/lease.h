/* SPDX-License-Identifier: ISC */
/*
 * The lease contract: everything that router, supervisor and workers agree on.
 *
 * A lease is the right of one worker to answer the next request of one client
 * connection.  The router reads the head of the request without consuming it,
 * picks a free lease slot, and sends a LEASE message with the client's
 * descriptor into the queue of the service.  An idle worker receives it, reads
 * head and body from the descriptor, writes the response to it, closes it, and
 * sends DONE.  poold-lease(7) is this file in prose.
 *
 * All numbers are in the machine's byte order: the two ends share a machine.
 * Everything that a worker writes, be it a message or a word of the
 * scoreboard, is a hint to the other roles: it is checked against bounds
 * before use, and never an index or a length to trust.
 */
#ifndef COMMON_LEASE_H
#define COMMON_LEASE_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LEASE_PROTOCOL 1 /* POOLD_PROTOCOL in a worker's environment */

/* The descriptors that a leased worker is started with (POOLD_FDS). */
enum lease_fd {
	LEASE_FD_QUEUE = 3,	 /* SEQPACKET, shared: LEASE and KICK in */
	LEASE_FD_CONTROL = 4,	 /* SEQPACKET, own: READY out; GO, STOP, CHECK in */
	LEASE_FD_SCOREBOARD = 5, /* memfd, sealed in size: map it */
	LEASE_FD_DONE = 6,	 /* SEQPACKET, shared: DONE out */
	LEASE_FD_REST = 7,	 /* memfd, own; see struct lease_done; or none */
};

enum lease_type {
	LEASE_LEASE = 1,  /* queue, router to worker, one descriptor */
	LEASE_KICK = 2,	  /* queue, router to worker: wakes one; ignore it */
	LEASE_DONE = 3,	  /* done, worker to router; control for a CHECK */
	LEASE_READY = 4,  /* control, worker to supervisor */
	LEASE_GO = 5,	  /* control, supervisor to worker: take leases */
	LEASE_STOP = 6,	  /* control: leave the queue, serve what was taken, exit 0 */
	LEASE_CHECK = 7,  /* control: a LEASE for this very worker (health check) */
	LEASE_FORK = 8,	  /* a template's channel, supervisor to template */
	LEASE_FORKED = 9, /* template to supervisor */
};

/* Limits of the contract. */
#define LEASE_WORKERS_MAX 1280	      /* worker slots of a generation */
#define LEASE_SLOTS_MAX	  65536	      /* lease slots of a generation */
#define LEASE_FIELDS_MAX  100	      /* header fields of a request */
#define LEASE_HEAD_MAX	  (32 * 1024) /* bytes of a head */
#define LEASE_PATH_MAX	  (8 * 1024)  /* bytes of a canonical path */

/* A part of the head: bytes [off, off + len) counted from the head's first. */
struct lease_span {
	uint16_t off;
	uint16_t len;
};

/* One header field; the value is without the white space around it. */
struct lease_field {
	struct lease_span name;
	struct lease_span value;
};

enum lease_family {
	LEASE_FAMILY_NONE = 0, /* unknown */
	LEASE_FAMILY_INET = 4,
	LEASE_FAMILY_INET6 = 6,
	LEASE_FAMILY_UNIX = 1,
};

struct lease_addr {
	uint16_t family;  /* enum lease_family */
	uint16_t port;	  /* 0 on unix sockets */
	uint8_t addr[16]; /* network order; INET uses the first four */
};

enum lease_flag {
	LEASE_KEEP = 1 << 0,	      /* the connection may be kept after the response */
	LEASE_REPLAY = 1 << 1,	      /* the head is in the message, not in the socket */
	LEASE_TLS = 1 << 2,	      /* the client speaks TLS (kept for later) */
	LEASE_EXPECT = 1 << 3,	      /* 100-continue: send it before reading the body */
	LEASE_HTTP10 = 1 << 4,	      /* the request is HTTP/1.0: do not answer chunked */
	LEASE_SAMPLED = 1 << 5,	      /* the request's trace is recorded */
	LEASE_SERVER_TIMING = 1 << 6, /* tell the client with Server-Timing */
};

#define LEASE_BODY_CHUNKED UINT64_MAX /* body_len of a chunked request */

/*
 * LEASE and CHECK.  Behind the first header_len bytes follow, without gaps:
 * fields[field_count], the canonical path (path_len bytes, no NUL), and with
 * LEASE_REPLAY the head itself (head_len bytes).  Offsets of spans count from
 * the first byte of the head.
 */
struct lease_msg {
	uint16_t type;	      /* LEASE_LEASE or LEASE_CHECK */
	uint16_t header_len;  /* of this struct; later versions append to it */
	uint32_t flags;	      /* enum lease_flag */
	uint64_t serial;      /* router epoch : counter, LEASE_SERIAL */
	uint64_t sequence;    /* position in this queue, from 1 */
	uint64_t body_len;    /* bytes after the head, or LEASE_BODY_CHUNKED */
	uint64_t accepted_ns; /* CLOCK_MONOTONIC: when the request's head was whole */
	uint64_t leased_ns;   /* CLOCK_MONOTONIC: when this was sent */
	uint8_t request_id[16];
	struct lease_addr client;
	struct lease_addr local;
	uint32_t slot;	   /* the lease slot in the scoreboard */
	uint32_t head_len; /* bytes of the head, leading empty lines included */
	struct lease_span method;
	struct lease_span target; /* as the client sent it */
	struct lease_span query;  /* behind the '?', which is not part of it */
	struct lease_span host;	  /* authority: of the target, or of Host */
	uint16_t path_len;	  /* canonical path */
	uint16_t prefix_len;	  /* of it, the length of the matched route */
	uint16_t field_count;
	uint16_t reserved;
	uint64_t body_max; /* bytes; a chunked body must not be longer */
	/* a message of an earlier poold ends here: LEASE_MSG_HAS */
	uint64_t queued_ns; /* CLOCK_MONOTONIC: when only a worker was missing */
	uint8_t span_id[8]; /* poold's span: the parent of what the worker calls */
};

/* Whether the message goes that far: header_len was checked to be no less. */
#define LEASE_MSG_MIN 144
#define LEASE_MSG_HAS(msg, member) \
	((msg)->header_len >= offsetof(struct lease_msg, member) + sizeof((msg)->member))

enum lease_done_flag {
	LEASE_DONE_KEEP = 1 << 0,     /* request read to its end, response complete */
	LEASE_DONE_CLOSE = 1 << 1,    /* the response is over; close the connection */
	LEASE_DONE_REFUSED = 1 << 2,  /* nothing was read or written: lease it again */
	LEASE_DONE_DETACHED = 1 << 3, /* the worker keeps the connection for good */
};

/*
 * DONE.  Behind it may follow, when the lease had span_id, what the worker says
 * about its own time: LEASE_PHASES_MAX phases at most, each a name (a token of
 * RFC 9110 section 5.6.2), '=' and decimal microseconds, with ',' between them.
 * It is for logs and traces only: what is not understood there is dropped.
 */
#define LEASE_PHASES_MAX     8
#define LEASE_PHASE_NAME_MAX 32						      /* bytes */
#define LEASE_PHASES_SIZE    (LEASE_PHASES_MAX * (LEASE_PHASE_NAME_MAX + 12)) /* bytes */

struct lease_done {
	uint16_t type;	     /* LEASE_DONE */
	uint16_t status;     /* of the response, 0 when there was none */
	uint32_t flags;	     /* enum lease_done_flag; one of the four */
	uint64_t serial;     /* as in the lease */
	uint32_t slot;	     /* as in the lease */
	uint32_t service_us; /* from taking the lease to this; 0: not told */
	uint64_t bytes;	     /* of the response, head included; for logs only */
	uint64_t rest_off;   /* where in fd 7 the rest of the response lies */
	uint64_t rest_len;   /* 0: it was all written to the client */
};

/* READY, GO, STOP and KICK. */
struct lease_signal {
	uint16_t type;
	uint16_t reserved;
	uint32_t pid; /* READY: the worker's own; else 0 */
};

/*
 * Templates.  A process that is started with POOLD_TEMPLATE=1 is no worker: it
 * says READY (struct lease_signal) on LEASE_FD_CONTROL when it has loaded what
 * its workers share, then forks one for each FORK.  LEASE_FD_FIRST and the
 * numbers behind it are open on /dev/null, so that nothing else gets them.
 */
#define LEASE_TEMPLATE 1 /* POOLD_TEMPLATE in its environment */
#define LEASE_FD_FIRST LEASE_FD_QUEUE
#define LEASE_FD_COUNT 6    /* those of enum lease_fd and POOLD_CONTROL_FD */
#define LEASE_FORK_MAX 4096 /* bytes of a FORK */

/*
 * FORK.  Behind the first header_len bytes follow env_len bytes of environment:
 * "NAME=VALUE", each with a NUL.  Its first descriptor becomes the worker's
 * standard output and error, the others LEASE_FD_FIRST and so on.
 */
struct lease_fork {
	uint16_t type;	     /* LEASE_FORK */
	uint16_t header_len; /* of this struct; later versions append to it */
	uint32_t serial;
	uint32_t death_signal; /* that it gets should the supervisor die */
	uint32_t env_len;
};

struct lease_forked {
	uint16_t type;	 /* LEASE_FORKED */
	uint16_t error;	 /* errno; 0: it was forked */
	uint32_t serial; /* as in FORK */
	uint32_t pid;	 /* of the worker */
	uint32_t reserved;
};

/* clang-format off */
/* serial = epoch of the router (16 bits) : counter (48 bits) */
#define LEASE_SERIAL(epoch, counter)                                           \
	((uint64_t)(epoch) << 48 | ((uint64_t)(counter) & 0xffffffffffffULL))
#define LEASE_EPOCH(serial) ((uint16_t)((serial) >> 48))
/* clang-format on */

/*
 * The scoreboard.  One writer for each word, no locks: a worker may be killed
 * at any instruction.
 */
enum lease_worker_state {
	LEASE_WORKER_NONE = 0, /* not started, or not yet ready */
	LEASE_WORKER_IDLE,     /* waits in its epoll set */
	LEASE_WORKER_TAKING,   /* set before recvmsg on the queue */
	LEASE_WORKER_BUSY,     /* lease_slot and serial say with what */
};

/* lease_slot of a worker that may have several requests at once, whose serial is
 * 0 then: the lease slots tell which.  Such a worker answers a CHECK meanwhile. */
#define LEASE_SLOT_SEVERAL UINT32_MAX

enum lease_control {
	LEASE_CONTROL_NONE = 0,
	LEASE_CONTROL_LOOK, /* read the control descriptor before the next lease */
};

struct lease_worker {
	/* written by the worker */
	alignas(64) _Atomic uint32_t state; /* enum lease_worker_state */
	_Atomic uint32_t lease_slot;
	_Atomic uint64_t serial;
	_Atomic uint64_t started_ns; /* of the current request */
	_Atomic uint64_t requests;   /* answered */
	_Atomic uint64_t bytes;	     /* of responses */
	_Atomic uint64_t errors;     /* responses of 500 and above */
	/* written by the supervisor */
	alignas(64) _Atomic uint32_t control; /* enum lease_control */
	_Atomic uint32_t pid;		      /* 0: nobody */
	/* written by the router: bytes of fd 7, in whole pages of 4096, that it
	 * is done with; of leases of its own epoch only */
	_Atomic uint64_t rest_freed;
};

enum lease_slot_state {
	LEASE_SLOT_FREE = 0,
	LEASE_SLOT_FILLED, /* set before the message is sent */
	LEASE_SLOT_SENT,
};

/* clang-format off */
/* owner = serial's low 52 bits : worker slot + 1 (12 bits) */
#define LEASE_OWNER(serial, worker)                                            \
	((uint64_t)(serial) << 12 | (uint64_t)((worker) + 1))
#define LEASE_OWNER_WORKER(owner) ((uint32_t)((owner) & 0xfff) - 1)
#define LEASE_OWNER_IS(owner, serial)                                          \
	(((owner) & 0xfff) != 0 && (owner) >> 12 == ((uint64_t)(serial) << 12) >> 12)
/* answer = bytes of the whole response, interim ones included (48 bits) :
 * keep (1 bit) : over (1 bit) : 4 zero bits : status (10 bits) */
#define LEASE_ANSWER(bytes, keep, status)                                      \
	((uint64_t)(bytes) << 16 | (uint64_t)(keep) << 15 | (uint64_t)(status))
#define LEASE_ANSWER_OVER	    (1u << 14) /* set before DONE is sent */
#define LEASE_ANSWER_BYTES(answer)  ((answer) >> 16)
#define LEASE_ANSWER_KEEP(answer)   (((answer) >> 15 & 1) != 0)
#define LEASE_ANSWER_STATUS(answer) ((unsigned)((answer) & 0x3ff))
/* clang-format on */

struct lease_slot {
	/* written by the router */
	alignas(64) _Atomic uint32_t state; /* enum lease_slot_state */
	_Atomic uint64_t serial;
	_Atomic uint64_t sequence;
	_Atomic uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
	/* written by the worker that received the lease */
	_Atomic uint64_t owner; /* LEASE_OWNER */
	_Atomic uint64_t taken_ns;
	/* LEASE_ANSWER, before the first byte is written; 0: not known.  When
	 * the worker dies and the kernel counts exactly as many, the client has
	 * its whole answer, and may keep its connection. */
	_Atomic uint64_t answer;
	/* written by the router before it is SENT; see lease_slot_request_id */
	alignas(64) _Atomic uint64_t request_id[2];
};

/* The slots of a scoreboard that an earlier poold made end before request_id. */
#define LEASE_SLOT_MIN 64

#define LEASE_MAGIC 0x706f6f6cu /* "pool" */

enum lease_scoreboard_flag {
	LEASE_BALANCE_HOT = 1 << 0, /* leave the queue in the epoll set when idle */
};

/* Written by the supervisor before the first worker starts, then constant. */
struct lease_scoreboard {
	uint32_t magic;
	uint32_t protocol;
	uint64_t size;	/* of the whole mapping, bytes */
	uint32_t flags; /* enum lease_scoreboard_flag */
	uint32_t generation;
	uint32_t worker_count, worker_off, worker_size;
	uint32_t slot_count, slot_off, slot_size;
	uint64_t rest_max; /* bytes that may lie in a worker's fd 7 */
};

static_assert(sizeof(struct lease_addr) == 20, "lease_addr is wire format");
static_assert(sizeof(struct lease_msg) == 160, "lease_msg is wire format");
static_assert(sizeof(struct lease_done) == 48, "lease_done is wire format");
static_assert(sizeof(struct lease_signal) == 8, "lease_signal is wire format");
static_assert(sizeof(struct lease_fork) == 16, "lease_fork is wire format");
static_assert(sizeof(struct lease_forked) == 16, "lease_forked is wire format");
static_assert(sizeof(struct lease_worker) == 128, "lease_worker is shared");
static_assert(sizeof(struct lease_slot) == 128, "lease_slot is shared");
static_assert(offsetof(struct lease_slot, request_id) == LEASE_SLOT_MIN,
    "lease_slot grows at its end");
static_assert(offsetof(struct lease_msg, queued_ns) == LEASE_MSG_MIN,
    "lease_msg grows at its end");
static_assert(sizeof(struct lease_scoreboard) == 56, "scoreboard is shared");
static_assert(LEASE_WORKERS_MAX < 0xfff, "a worker fits into an owner word");

#define LEASE_MSG_MAX                                                               \
	(sizeof(struct lease_msg) + LEASE_FIELDS_MAX * sizeof(struct lease_field) + \
	    LEASE_PATH_MAX + LEASE_HEAD_MAX)

/* A mapped scoreboard.  Workers can write into all of the mapping, so where its
 * parts lie is known from a copy of the header that no worker ever had. */
struct lease_board {
	char *map; /* NULL: none */
	struct lease_scoreboard layout;
};

static inline struct lease_worker *
lease_worker_at(const struct lease_board *board, uint32_t worker)
{
	return (struct lease_worker *)(board->map + board->layout.worker_off +
	    (uint64_t)worker * board->layout.worker_size);
}

static inline struct lease_slot *
lease_slot_at(const struct lease_board *board, uint32_t slot)
{
	return (struct lease_slot *)(board->map + board->layout.slot_off +
	    (uint64_t)slot * board->layout.slot_size);
}

/* What the slot says about whose request it holds: false when it holds none, or
 * is one of an earlier poold. */
static inline bool
lease_slot_request_id(const struct lease_board *board, uint32_t slot, uint64_t serial,
    uint8_t id[16])
{
	struct lease_slot *s = lease_slot_at(board, slot);
	uint64_t words[2];

	if (board->layout.slot_size < sizeof(*s) ||
	    atomic_load_explicit(&s->serial, memory_order_acquire) != serial ||
	    atomic_load_explicit(&s->state, memory_order_acquire) != LEASE_SLOT_SENT)
		return false;
	words[0] = atomic_load_explicit(&s->request_id[0], memory_order_relaxed);
	words[1] = atomic_load_explicit(&s->request_id[1], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	/* the router may have used it anew meanwhile */
	if (atomic_load_explicit(&s->serial, memory_order_relaxed) != serial)
		return false;
	memcpy(id, words, sizeof(words));
	return true;
}

#endif
