/* SPDX-License-Identifier: ISC */
/*
 * What supervisor and router say to each other, one struct a message.
 *
 * The supervisor tells tables: listeners, generations, routes, then COMMIT,
 * which makes the routes sent since the last COMMIT the valid ones at once.  A
 * new router is told everything anew.  Generations and listeners have ids that
 * the supervisor never uses twice in its life.
 */
#ifndef COMMON_ROLES_H
#define COMMON_ROLES_H

#include <stdint.h>

#include "common/lease.h"

#define ROLE_FD_CHANNEL 3    /* the router's end of the channel */
#define ROLE_NAME_MAX	64   /* bytes of a name, NUL included */
#define ROLE_TEXT_MAX	8192 /* bytes of a route's host or prefix */

enum role_type {
	/* supervisor to router */
	ROLE_START = 1,	      /* role_start */
	ROLE_LISTENER,	      /* role_listener; fd: the listening socket; without it
			  * new settings for one that is known */
	ROLE_UNLISTEN,	      /* role_id: stop accepting, close it */
	ROLE_GENERATION,      /* role_generation; fds: queue, done, scoreboard */
	ROLE_ROUTE,	      /* role_route */
	ROLE_COMMIT,	      /* role_id: the tables' version */
	ROLE_READY,	      /* role_worker: it takes leases */
	ROLE_LEAVING,	      /* role_worker: it was told to stop */
	ROLE_GONE,	      /* role_worker: it was reaped */
	ROLE_RETIRE,	      /* role_id: send nothing more to this generation */
	ROLE_SHARE,	      /* role_id: it takes what its successor has no room for */
	ROLE_UNSHARE,	      /* role_id: not any more */
	ROLE_FORGET,	      /* role_id: its last worker was reaped */
	ROLE_LOGS,	      /* role_id: enum log_level, from now on */
	ROLE_LIMITS,	      /* role_limits */
	ROLE_TROUBLE,	      /* role_trouble: workers die or fail to start, again */
	ROLE_DRAIN,	      /* role_id 0: stop accepting, finish, say DRAINED */
	ROLE_TAKE,	      /* role_id 0; fd: to the router that serves so far (see
			  * HANDOVER); what follows is read when it has ended */
	ROLE_ASK,	      /* role_ask; LOAD of all services, then ANSWER */
	ROLE_DRAINED_SERVICE, /* role_drained: whether it takes new requests */
	ROLE_ACCESS_DEST,     /* role_id; fd: where access logs may go, or where one
			       * that is known goes from now on */
	ROLE_ACCESS_RULE,     /* role_access_rule: valid with the next COMMIT */
	ROLE_TRACE,	      /* role_trace */
	ROLE_STATS, /* role_id 0; fd: common/stats.h, to be written from now on */
	/* router to supervisor */
	ROLE_COMMITTED, /* role_id: the version now valid */
	ROLE_GONE_SEEN, /* role_worker: its leases are settled */
	ROLE_RETIRED,	/* role_id: nothing more will be sent to it */
	ROLE_KILL,	/* role_kill */
	ROLE_STUCK,	/* role_stuck: past its time */
	ROLE_BREAKER,	/* role_breaker: it is in another state */
	ROLE_OUTLIER,	/* role_outlier: it answers with 5xx again and again */
	ROLE_DRAINED,	/* role_id 0 */
	ROLE_LOAD,	/* role_load */
	ROLE_SLOW,	/* role_stuck: past slow_threshold; once a lease */
	ROLE_TAKEN,	/* role_id: so many connections of the old router */
	ROLE_ANSWER,	/* role_answer */
	ROLE_REQUEST,	/* role_request: before an ANSWER that is about a service */
	/*
	 * Supervisor to the router of another version, and so never to change:
	 * role_id 0; fd: one end of a pair whose other end a new router has.
	 * What they say to each other is in router/handover.h.
	 */
	ROLE_HANDOVER = 1000,
};

struct role_id {
	uint32_t type;
	uint32_t id;
};

struct role_start {
	uint32_t type;
	uint32_t epoch;	    /* of this router, for its serials */
	uint32_t log_level; /* enum log_level */
	uint32_t taking;    /* nothing is to be done before TAKE has ended */
};

struct role_limits {
	uint32_t type;
	uint32_t connections;
	uint32_t connections_per_address; /* 0: no limit of its own */
};

/* Which requests are recorded as spans. */
struct role_trace {
	uint32_t type;
	uint32_t sample; /* of the traces that begin here, millionths */
	uint32_t export; /* id of the destination of spans; 0: none */
};

#define ROLE_NETWORKS_MAX 32

/* Addresses whose first bits are those of addr; family UNIX: any unix socket. */
struct role_network {
	struct lease_addr addr;
	uint32_t bits;
};

/* What a [listen] section says about connections. */
struct listener_settings {
	uint32_t proxy_protocol; /* connections begin with a PROXY header */
	uint32_t trusted_count;	 /* who may say whose they are */
	struct role_network trusted[ROLE_NETWORKS_MAX];
	uint64_t head_timeout_ns;
	uint64_t keepalive_timeout_ns;
	uint64_t keepalive_requests;
};

struct role_listener {
	uint32_t type;
	uint32_t id;
	uint32_t is_unix;
	uint32_t port;
	uint32_t stats_index; /* its place in stats.h; STATS_NO_PLACE: none */
	struct listener_settings settings;
	char name[ROLE_NAME_MAX];
};

/* When a service is taken to be broken: see router/breaker.h. */
struct breaker_settings {
	uint32_t is_on;
	uint32_t failures; /* percent; 0: their rate does not count */
	uint32_t requests; /* as many at least must be in the window */
	uint32_t status;   /* a response from this one on has failed; 0: none */
	uint32_t trials;
	uint64_t window_ns;
	uint64_t time_ns;
	uint64_t max_time_ns;
};

/* What a [service] section says about requests. */
struct service_settings {
	uint32_t concurrency; /* leases of one worker at a time */
	uint32_t queue_limit;
	uint64_t queue_timeout_ns;
	uint64_t request_timeout_ns; /* 0: none */
	uint64_t slow_threshold_ns;  /* 0: none */
	uint64_t client_timeout_ns;
	uint64_t body_timeout_ns;
	uint64_t body_min_rate; /* bytes a second; 0: any */
	uint64_t body_buffer;	/* bytes; 0: no gate */
	uint64_t max_body;	/* bytes */
	uint32_t retries;
	uint32_t tell_load; /* the number of workers follows the queue: ROLE_LOAD */
	uint32_t on_demand; /* without a worker, a request that waits starts one */
	struct breaker_settings breaker;
	uint32_t outlier_failures; /* 5xx in a row; 0: any */
	uint32_t server_timing;	   /* workers tell clients where the time went */
};

struct role_generation {
	uint32_t type;
	uint32_t id;
	uint32_t stats_index;  /* the service's place in stats.h, or STATS_NO_PLACE, */
	uint32_t stats_serial; /* and what says that it is its own */
	struct service_settings settings;
	struct lease_scoreboard layout; /* what workers may have written over */
	char service[ROLE_NAME_MAX];
};

/* host_len + prefix_len bytes follow. */
struct role_route {
	uint32_t type;
	uint32_t generation;
	uint32_t listener;
	uint16_t host_len; /* 0: any host */
	uint16_t prefix_len;
	uint32_t weight; /* share of the requests; 0: none of them */
	char text[];
};

struct role_worker {
	uint32_t type;
	uint32_t generation;
	uint32_t worker; /* its slot */
	int32_t pid;
	uint32_t timed_out; /* GONE: killed for its time limit */
};

/* No worker of the generation does any good. */
struct role_trouble {
	uint32_t type;
	uint32_t generation;
	uint64_t start_ns; /* CLOCK_MONOTONIC: when one is started next */
	uint64_t since_ns; /* a later answer proves that there is hope */
	uint32_t failures; /* in a row, at most */
};

enum role_breaker_state {
	ROLE_BREAKER_CLOSED,
	ROLE_BREAKER_OPEN,
	ROLE_BREAKER_HALF_OPEN,
	ROLE_BREAKER_STATES,
};

enum role_breaker_why {
	ROLE_BREAKER_RATE,   /* OPEN: failed of requests */
	ROLE_BREAKER_TRIAL,  /* OPEN: a trial failed */
	ROLE_BREAKER_DOWN,   /* OPEN: no worker is ready, and starting some fails */
	ROLE_BREAKER_TIME,   /* HALF_OPEN: it was open for its time */
	ROLE_BREAKER_READY,  /* HALF_OPEN: a worker is ready */
	ROLE_BREAKER_PASSED, /* CLOSED: trials ended well */
	ROLE_BREAKER_FRESH,  /* CLOSED: another generation serves */
	ROLE_BREAKER_WHYS,
};

struct role_breaker {
	uint32_t type;
	uint32_t state; /* enum role_breaker_state */
	uint32_t why;	/* enum role_breaker_why */
	uint32_t failed;
	uint32_t requests;
	uint32_t failures; /* DOWN: of one worker in a row */
	uint32_t trials;
	uint64_t time_ns; /* OPEN: for so long; DOWN: until a start */
	char service[ROLE_NAME_MAX];
};

enum role_kill_why {
	ROLE_KILL_FORGED, /* it sent a DONE for a lease that does not exist */
};

struct role_kill {
	uint32_t type;
	uint32_t generation;
	int32_t pid;
	uint32_t why;
};

/* outlier_failures responses in a row of a worker were 5xx. */
struct role_outlier {
	uint32_t type;
	uint32_t generation;
	int32_t pid;
	uint32_t failures;
};

/* A worker holds a lease past request_timeout (or is the one that must have
 * taken it): it is stopped, looked at again, and killed if it still has it. */
struct role_stuck {
	uint32_t type;
	uint32_t generation;
	uint32_t worker;
	int32_t pid;
	uint32_t slot;
	uint32_t line_len; /* of the request line that follows */
	uint64_t serial;
	uint64_t taken_ns; /* when the worker took it, CLOCK_MONOTONIC */
	char line[];
};
#define ROLE_LINE_MAX 512

/* New requests of a service get 503; those that wait are served. */
struct role_drained {
	uint32_t type;
	uint32_t drained;
	char service[ROLE_NAME_MAX];
};

/* The supervisor wants to know what is so now. */
struct role_ask {
	uint32_t type;
	uint32_t id;		     /* a number, for the ANSWER */
	char service[ROLE_NAME_MAX]; /* whose requests are told too; "": none */
};

/* What a worker does; the head stays with the router until it is asked for. */
struct role_request {
	uint32_t type;
	uint32_t query; /* id of the ASK */
	uint32_t generation;
	uint32_t worker;
	int32_t pid;
	uint32_t line_len; /* of method, a space, path without the query */
	uint64_t serial;
	uint8_t request_id[16];
	char line[];
};
#define ROLE_REQUEST_MAX 128

struct role_answer {
	uint32_t type;
	uint32_t id; /* of the ASK */
	uint32_t connections;
};

/* The queue of a service, told while something waits in it, and once when
 * nothing does any more. */
struct role_load {
	uint32_t type;
	uint32_t generation; /* that serves */
	uint32_t queued;
};

/* What of the requests of a listener or service is logged. */
#define ROLE_ACCESS_INHERIT UINT32_MAX /* service: as its listeners' */
struct role_access_rule {
	uint32_t type;
	uint32_t listener;   /* id; 0: of the service */
	uint32_t dest;	     /* id; 0: none */
	uint32_t format_len; /* bytes that follow; 0: service: as its listeners' */
	char service[ROLE_NAME_MAX];
	char format[];
};

#endif
