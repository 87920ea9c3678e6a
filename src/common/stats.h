/* SPDX-License-Identifier: ISC */
/*
 * The figures of the router: memory that the supervisor makes, the router alone
 * writes, and the supervisor reads at any time.  Words of one writer, no locks.
 *
 * They outlive routers: the next one gets the same memory and counts on.  They
 * outlive the supervisor's program too, as long as a new version knows the
 * layout; else they begin anew.  To change anything in a struct below is to
 * change STATS_VERSION.
 *
 * A service has a place by its index, which is given again when the service is
 * gone.  The number beside it (serial, never given twice) says whose it is: the
 * router clears a place whose serial is another's and writes its own, and
 * what does not bear the serial that is looked for is not believed.
 *
 * The router talks to the world: to the supervisor what stands here is numbers,
 * never an index or a length.
 */
#ifndef COMMON_STATS_H
#define COMMON_STATS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STATS_MAGIC 0x73746174u /* "stat" */
#ifdef RECORD_TEST_NEXT		/* another version, as the tests build it */
#define STATS_VERSION 2
#else
#define STATS_VERSION 1
#endif
#define STATS_SERVICES	1024 /* places; a service without one is not counted */
#define STATS_LISTENERS 256
#define STATS_NO_PLACE	UINT32_MAX

/*
 * Buckets of times.  Each power of ten of nanoseconds from 10 us to 1000 s has
 * 8 of an eighth of it up to twice as much, 12 of a quarter up to five times,
 * 10 of a half up to the next one: none is wider than an eighth of where it
 * begins, so its middle is never wrong by more than a sixteenth, and 1, 2.5
 * and 5 of each decade are bounds.  One more below, one more above.
 */
#define STATS_DECADE_FIRST 10000ULL /* ns */
#define STATS_DECADES	   8
#define STATS_IN_DECADE	   30
#define STATS_BUCKETS	   (STATS_DECADES * STATS_IN_DECADE + 2)

struct stats_times {
	_Atomic uint64_t buckets[STATS_BUCKETS];
	_Atomic uint64_t sum_ns;
};

/* Answers by status: 0 for none, 1 for 1xx, ... */
#define STATS_CLASSES 6

/* Why the router answered a request of a service itself. */
enum stats_refusal {
	STATS_QUEUE_FULL,    /* 503 */
	STATS_QUEUE_TIMEOUT, /* 503: it waited for queue_timeout */
	STATS_BREAKER_OPEN,  /* 503 */
	STATS_DRAINED,	     /* 503 */
	STATS_NOT_TAKEN,     /* 503: workers refused it, twice */
	STATS_REMOVED,	     /* 503: the service is gone */
	STATS_NO_MEMORY,     /* 503 */
	STATS_WORKER_DIED,   /* 502 */
	STATS_WORKER_LATE,   /* 504: its worker was killed for request_timeout */
	STATS_BODY_CUT,	     /* 400 */
	STATS_BODY_LATE,     /* 408 */
	STATS_BODY_LARGE,    /* 413 */
	STATS_REFUSALS,
};

struct stats_service {
	alignas(64) _Atomic uint64_t serial; /* 0: nobody's */
	/* gauges */
	_Atomic uint64_t queued;    /* requests in the FIFO */
	_Atomic uint64_t in_flight; /* leases */
	/* counters */
	_Atomic uint64_t classes[STATS_CLASSES]; /* answers of workers */
	_Atomic uint64_t refused[STATS_REFUSALS];
	_Atomic uint64_t cut;	   /* responses that a worker's death broke off */
	_Atomic uint64_t retried;  /* leased again: nothing was read or written */
	_Atomic uint64_t replayed; /* leased again with the head in the message */
	_Atomic uint64_t bytes;	   /* of responses, as workers say */
	_Atomic uint64_t breaker_opened;
	/* from the whole head to DONE, and to the worker that took it */
	struct stats_times duration;
	struct stats_times queue;
};

struct stats_listener {
	alignas(64) _Atomic uint64_t serial; /* the listener's id; 0: nobody's */
	_Atomic uint64_t accepted;
};

enum stats_connections {
	STATS_CONN_IDLE,
	STATS_CONN_READING,
	STATS_CONN_BODY,
	STATS_CONN_QUEUED,
	STATS_CONN_LEASED,
	STATS_CONN_SENDING,
	STATS_CONN_CLOSING,
	STATS_CONN_DETACHED, /* a worker's for good */
	STATS_CONNS,
};

enum stats_counter {
	STATS_ACCEPTED,
	STATS_TURNED_AWAY, /* over max_connections_per_address */
	STATS_EVICTED,	   /* idle ones closed for new ones */
	STATS_LEASES,
	STATS_KICKS,
	STATS_FORGED,
	STATS_SLOW_CLIENTS,
	STATS_SLOW_REQUESTS,
	STATS_TIMEOUTS,
	STATS_RESTS,
	STATS_OUT_OF_STEP,
	STATS_WAKEUPS,
	STATS_LOG_DROPPED,
	STATS_ACCESS_DROPPED,
	STATS_COUNTERS,
};

/* Refusals of requests that no service was found for. */
enum stats_status {
	STATS_204, /* OPTIONS * */
	STATS_400,
	STATS_404,
	STATS_408,
	STATS_413,
	STATS_414,
	STATS_431,
	STATS_501,
	STATS_503,
	STATS_505,
	STATS_OTHER,
	STATS_STATUSES,
};

struct stats {
	/* written by the supervisor before any router begins, then constant */
	uint32_t magic;
	uint32_t version;
	uint64_t size; /* of the whole, bytes */
	/* written by the router */
	alignas(64) _Atomic uint64_t connections[STATS_CONNS]; /* gauges */
	_Atomic uint64_t counters[STATS_COUNTERS];
	_Atomic uint64_t refused[STATS_STATUSES];
	struct stats_listener listeners[STATS_LISTENERS];
	struct stats_service services[STATS_SERVICES];
};

/* --- for the router: one writer, so no locked instruction is needed */

static inline void
stats_set(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline uint64_t
stats_get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void
stats_add(_Atomic uint64_t *word, uint64_t n)
{
	stats_set(word, stats_get(word) + n);
}

/* The bucket of a time. */
unsigned stats_bucket(uint64_t ns);
/* Where a bucket begins; STATS_BUCKETS: where the last one would end. */
uint64_t stats_bucket_ns(unsigned bucket);
void stats_note(struct stats_times *times, uint64_t ns);

/* --- memory */

/* Makes the memory, sealed in size.  Returns its descriptor, or -1 with errno. */
int stats_create(void);
/* Maps it.  NULL: it is none, or of another layout. */
struct stats *stats_map(int fd);
void stats_unmap(struct stats *stats); /* NULL is fine */

/* --- for who reads */

/* The time that share (0 to 1) of the counted ones are not above, as the
 * middle of its bucket, in seconds; below 0: none was counted. */
double stats_quantile(const uint32_t counts[STATS_BUCKETS], double share);

/* The status that goes with a refusal, and its name for people. */
unsigned stats_refusal_status(enum stats_refusal refusal);
const char *stats_refusal_name(enum stats_refusal refusal);
/* As above: 0 for STATS_OTHER; STATS_OTHER for a status that has no place. */
unsigned stats_status_code(enum stats_status status);
enum stats_status stats_status_of(unsigned code);

#endif
