/* SPDX-License-Identifier: ISC */
/*
 * What the files of libpoold share.
 *
 * With poold_serve a process serves one request at a time, so there is one
 * struct poold_request with all its buffers, used over and over: a request
 * costs no allocation.  With poold_worker_next there are several (worker.c), and
 * some spare ones are kept.  Where requests come from differs (leased.c and
 * leased_many.c, accept.c); in between everything is the same.
 */
#ifndef LIBPOOLD_INTERNAL_H
#define LIBPOOLD_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "common/http.h"
#include "common/lease.h"
#include "common/phases.h"
#include "common/trace.h"
#include "common/util.h"
#include "libpoold/poold.h"
#include "libpoold/rest.h"

#define HEAD_TIMEOUT_MS		10000  /* for a whole head */
#define KEEPALIVE_TIMEOUT_MS	60000  /* between two requests */
#define LINGER_TIMEOUT_MS	2000   /* RFC 9112 section 9.6 */
#define BODY_TIMEOUT_MS		30000  /* without progress */
#define WRITE_TIMEOUT_MS	60000  /* without progress, own connections */
#define LEASED_WRITE_TIMEOUT_MS 600000 /* the router ends slow clients sooner */
#define DRAIN_TIMEOUT_MS	20     /* for the rest of an unread body */

#define RESPONSE_HEAD_MAX  (16 * 1024)
#define RESPONSE_FIXED_MAX 512 /* of it, what the library itself writes */
#define LOG_LINE_MAX	   4096
#define FORM_MAX	   (64 * 1024)
#define DRAIN_MAX	   (64 * 1024)	/* unread input that is read away */
#define BUFFER_KEEP_MAX	   (128 * 1024) /* larger ones are freed after use */

/* The input buffer starts with up to INPUT_READ bytes of what a client sent:
 * a head, then perhaps body and pipelined requests.  A head that begins in its
 * first third leaves a third behind it for reading chunked bodies. */
#define INPUT_READ (2 * HTTP_HEAD_MAX)
#define INPUT_SIZE (3 * HTTP_HEAD_MAX)

struct input {
	char *buf;  /* INPUT_SIZE bytes */
	size_t pos; /* first byte that nobody used yet */
	size_t len; /* behind the last byte read */
};

/* Decoded name and value pairs: "name\0value\0name\0value\0". */
struct pairs {
	char *text;
	size_t len, size;
	bool parsed;
};

struct body {
	uint64_t total;	  /* bytes, when not chunked */
	uint64_t left;	  /* of them, not yet read */
	uint64_t allowed; /* bytes of a chunked body that may still come */
	bool chunked;
	bool expect; /* the client waits for 100 Continue */
	int error;   /* errno of the failure after which nothing is read */
	struct http_chunked decoder;
	size_t refill_pos; /* where input that follows the head may be read to */
	char *whole;	   /* poold_body */
	size_t whole_len, whole_size;
	bool have_whole;
};

enum response_state {
	RESPONSE_NONE,
	RESPONSE_BEGUN,	 /* poold_start */
	RESPONSE_DONE,	 /* complete */
	RESPONSE_BROKEN, /* cannot be completed: cut the connection */
};

enum response_own { /* fields that the handler gave itself */
	RESPONSE_OWN_TYPE = 1 << 0,
	RESPONSE_OWN_ID = 1 << 1,
};

struct response {
	enum response_state state;
	int status;
	bool sized; /* its length was declared */
	bool chunked;
	bool bodyless;	   /* HEAD, 204, 304 */
	bool head_pending; /* composed, not yet sent */
	uint64_t left;	   /* of the declared length */
	uint64_t bytes;	   /* sent, head included */
	uint64_t interim;  /* sent before it: 100 Continue */
	unsigned own;	   /* enum response_own */
	size_t head_len, fields_len;
	char head[RESPONSE_FIXED_MAX]; /* status line, the library's fields */
	char fields[RESPONSE_HEAD_MAX - RESPONSE_FIXED_MAX]; /* the handler's */
};

/* Who the client is; texts are made when asked for. */
struct peer {
	struct lease_addr client, local;
	bool local_known;
	char client_text[UTIL_ADDR_SIZE], local_text[UTIL_ADDR_SIZE];
};

/* Where the time of a request goes. */
struct timing {
	bool shown;	   /* the client is told: Server-Timing */
	bool open;	   /* a phase is under way: */
	uint64_t began_ns; /* when it began */
	char name[LEASE_PHASE_NAME_MAX + 1];
	struct phases phases; /* that have ended */
};

/* What the client of a non-blocking request has not taken yet. */
struct out {
	char *buf;
	size_t pos, len, size; /* [pos, len) waits */
	int file;	       /* behind it: a part of this; -1: none */
	off_t file_off;
	uint64_t file_left;
};

/* The lease of a request. */
struct lease_held {
	uint16_t type; /* LEASE_LEASE or LEASE_CHECK */
	uint32_t slot;
	uint64_t serial;
	uint64_t taken_ns;
	_Atomic uint64_t *answer; /* of the lease slot; NULL: there is none */
	bool has_phases;	  /* whoever sent it knows those of DONE */
};

/* The head as it came, for poold_head. */
struct raw {
	char *head;
	size_t len, size;
	size_t unread;	   /* bytes of it in the socket still */
	uint64_t consumed; /* by the kernel's count, when the request ends */
	bool counted;	   /* consumed is known */
	bool lent;	   /* another program reads and writes */
};

struct connection;

struct poold_request {
	int fd;		   /* the client's socket; its owner closes it */
	struct rest *rest; /* leased workers; else NULL */
	bool leased;
	bool detached; /* the connection does not go back */
	/* tells so whoever gave the connection; 0, or -1 with errno.  NULL: nobody */
	int (*on_detach)(struct poold_request *req);
	void *lender; /* for on_detach */
	struct lease_held lease;
	/* of poold_worker_next; worker is NULL in poold_serve */
	struct poold_worker *worker;
	struct connection *connection; /* that the library accepted itself */
	TAILQ_ENTRY(poold_request) link;
	uint64_t deadline_ns; /* while it is finished but for its output */
	bool nonblocking;
	bool upgraded;
	bool peeking; /* raw is filled */
	struct out out;
	struct raw raw;
	void *data;
	bool keep;    /* the connection may serve another request */
	bool is_head; /* the method is HEAD */
	int minor;    /* of HTTP/1.x */
	struct input in;
	char *head; /* in in.buf; spans are offsets from it */
	const char *method, *target, *query, *host;
	const char *path_info; /* within path */
	uint16_t field_count;
	struct lease_field fields[LEASE_FIELDS_MAX];
	char path[LEASE_PATH_MAX + 1];
	char route[LEASE_PATH_MAX + 1];
	char host_text[256]; /* when it cannot be terminated in place */
	char id[33];	     /* trace_id as text */
	uint8_t trace_id[16];
	uint8_t span_id[8]; /* of what poold records of this request */
	bool sampled;
	char traceparent[TRACE_TEXT_SIZE]; /* made when asked for */
	uint64_t arrived_ns;		   /* its head was whole */
	uint64_t queued_ns;		   /* only a worker was missing */
	uint64_t started_ns;		   /* it was taken */
	struct timing timing;
	struct peer *peer;
	struct pairs params, form;
	struct body body;
	struct response response;
	time_t date_second; /* what date_text says */
	char date_text[POOLD_DATE_SIZE];
};

/* A request's parsed head, whoever parsed it. */
struct request_index {
	struct lease_span method, target, query, host;
	const struct lease_field *fields;
	uint16_t field_count;
	uint64_t body_len; /* or LEASE_BODY_CHUNKED */
	uint64_t body_max; /* of a chunked one */
	int minor;
	bool keep, expect;
};

/* request.c */
struct poold_request *request_new(void); /* NULL: no memory */
void request_free(struct poold_request *req);
/* Begins a request on fd whose head is at req->in.buf + req->in.pos, head_len
 * bytes; moves in.pos behind it.  The caller sets path and route (see
 * request_route), id and peer. */
void request_open(struct poold_request *req, int fd, const struct request_index *index,
    size_t head_len);
/* Splits the canonical path already in req->path behind prefix_len bytes. */
void request_route(struct poold_request *req, size_t path_len, size_t prefix_len);
/* Gives the request its ids: of its trace, continued or begun, and its span. */
void request_identify(struct poold_request *req);
/* Runs handler, then completes the response or cuts the connection.
 * Afterwards req->keep says whether another request may follow. */
void request_handle(struct poold_request *req, poold_handler handler, void *arg);
/* The same in two steps, when nobody calls a handler: the response is complete
 * or broken; then the request is over. */
void request_complete(struct poold_request *req);
void request_close(struct poold_request *req);
/* Reads a head that was left in the socket away.  0, or -1: the client left. */
int request_take_head(struct poold_request *req);

TAILQ_HEAD(request_list, poold_request);

/* release.c: heads that stay in their sockets */
/* Looks at the head, len bytes; -1: the client left. */
int raw_peek(struct poold_request *req, int fd, size_t len);
/* Keeps a copy of what is in req->in; lent: and counts what was read so far; -1: no
 * memory. */
int raw_keep(struct poold_request *req, int fd, const struct lease_msg *msg, bool lent);

/* timing.c */
void timing_reset(struct timing *timing);
/* Ends the phase that is under way, if any. */
void timing_end(struct timing *timing);
/* The value of Server-Timing, at most TIMING_TEXT_SIZE - 1 bytes. */
#define TIMING_TEXT_SIZE 768
void timing_format(const struct poold_request *req, char text[TIMING_TEXT_SIZE]);

/* io.c: on sockets that may or may not be non-blocking. */
/* Waits for events (timeout_ms -1: for ever); -1 with ETIMEDOUT or another
 * errno. */
int io_wait(int fd, short events, int timeout_ms);
/* Reads 1 to size bytes; 0 at end of file; -1 with errno. */
ssize_t io_recv(int fd, void *buf, size_t size, int timeout_ms);
/* Reads exactly size bytes within timeout_ms in all; -1 if that fails. */
int io_recv_exactly(int fd, void *buf, size_t size, int timeout_ms);
/* Sends all of iov (which it changes), adding to *bytes; -1 with errno. */
int io_send(int fd, struct iovec *iov, int count, int flags, int timeout_ms,
    uint64_t *bytes);
/* Sends len bytes of file from offset on; -1 with errno, EIO when the file
 * ends before. */
int io_send_file(int fd, int file, off_t offset, uint64_t len, int timeout_ms,
    uint64_t *bytes);

/* out.c: sends for requests that must not wait, or waits for others. */
/* As io_send, for whatever kind req is; of a non-blocking request all that the
 * client does not take is queued. */
int out_send(struct poold_request *req, struct iovec *iov, int count, int flags,
    uint64_t *bytes);
/* Sends a part of a file behind what is queued, or queues it; of non-blocking
 * requests. */
int out_send_file(struct poold_request *req, int file, off_t offset, uint64_t len,
    uint64_t *bytes);
/* Whether len more bytes may be queued, after trying to send.  -1 with errno:
 * EAGAIN they may not. */
int out_reserve(struct poold_request *req, size_t len);
bool out_is_empty(const struct poold_request *req);
/* Forgets what waits. */
void out_reset(struct out *out);

/* param.c */
/* Decodes application/x-www-form-urlencoded; -1: no memory. */
int pairs_parse(struct pairs *pairs, const char *text, size_t len);
const char *pairs_find(const struct pairs *pairs, const char *name);
/* Forgets the pairs, keeps a small buffer. */
void pairs_reset(struct pairs *pairs);

/* body.c */
void body_open(struct poold_request *req, uint64_t body_len, uint64_t body_max,
    bool expect);
void body_reset(struct body *body);
bool body_over(const struct body *body); /* all of it was read */
/* Whether the connection can serve another request after this body, as far as
 * can be said before body_drain. */
bool body_keeps(const struct poold_request *req);
/* Reads away what the handler left; false: too much, or not there yet. */
bool body_drain(struct poold_request *req);

/* response.c */
void response_reset(struct response *response);
int response_timeout_ms(const struct poold_request *req);

/* date.c */
const char *date_now(struct poold_request *req); /* cached for a second */

/* log.c */
/* What lines begin with; it stays as it was set first. */
void log_name_set(const char *name);

/* title.c: the process title, kept current at low cost. */
struct title {
	char prefix[160];
	uint64_t credit_ns; /* paid up to this time; limits the rate */
	bool busy;	    /* what the title says */
	uint64_t requests;  /* what the title says */
};

void title_open(struct title *title, const char *prefix);
void title_busy(struct title *title, const struct poold_request *req, uint64_t requests,
    uint64_t now_ns);
/* To be called before waiting.  Returns how long to wait at most before
 * calling again, in ms; -1: the title is current. */
int title_idle(struct title *title, uint64_t requests, uint64_t now_ns);

/* serve.c */
#define SERVE_SIGNALS 3
struct listeners;

struct serve {
	int argc;
	char **argv;
	const char *name; /* of the program */
	poold_handler handler;
	void *arg;
	int wake_fd;		   /* readable once serve_stopping */
	struct poold_request *req; /* poold_serve's one and only */
	struct title title;
	struct sigaction saved[SERVE_SIGNALS]; /* what the signals were before */
};

bool serve_stopping(void);
/* Prepares all but the source of requests; serve is zero but for argc, argv,
 * handler and arg.  0, or an exit status.  Then always serve_end. */
int serve_begin(struct serve *serve);
void serve_end(struct serve *serve);
bool serve_is_leased(void); /* as the environment says */
/* Inherits or opens the listening sockets; 0, or an exit status. */
int serve_sockets(const struct serve *serve, struct listeners *listeners);

/* leased.c, accept.c: return an exit status */
bool leased_stopping(void); /* the supervisor said STOP */
int leased_serve(struct serve *serve);
int accept_serve(struct serve *serve, struct listeners *listeners);

/* worker.c: several requests at a time */
struct source {
	/* As poold_worker_next, but for what is the same for all sources. */
	struct poold_request *(*next)(void *source);
	/* The request is over but for its output, which the source sends on. */
	void (*linger)(void *source, struct poold_request *req);
	/* It is over: its connection goes, or goes back. */
	void (*finish)(void *source, struct poold_request *req);
	/* Keeps heads; peek: in their sockets.  NULL: it cannot. */
	void (*keep_heads)(void *source, bool peek);
	/* Takes nothing more, but for what it has. */
	void (*stop)(void *source);
	/* Cuts all that is left. */
	void (*close)(void *source);
	int epoll; /* what the program waits for */
	void *object;
};

/* A request with nothing in it; NULL: no memory.  Back again. */
struct poold_request *worker_request_new(struct poold_worker *w);
void worker_request_free(struct poold_worker *w, struct poold_request *req);
size_t worker_room(const struct poold_worker *w); /* for so many more in hand */
/* Lets the program come for poold_worker_next after so long; -1: no matter. */
void worker_wake_after(struct poold_worker *w, int ms);
#define WORKER_TAG_MAX 4096 /* data.u64 of events: up to here descriptors */

/* leased_many.c, accept.c: 0, or an exit status */
int leased_open_many(struct serve *serve, struct poold_worker *w, struct source *source);
int accept_open_many(struct serve *serve, struct poold_worker *w,
    struct listeners *listeners, struct source *source);

/* listen.c */
#define LISTENERS_MAX 16

struct listeners {
	size_t count;
	int fds[LISTENERS_MAX];
	bool shared;	       /* inherited: other processes accept from them too */
	const char *unix_path; /* to remove at the end, or NULL */
	char text[128];	       /* "127.0.0.1:9000" */
};

/* The inherited ones; 0, or an exit status.  count 0: there are none. */
int listen_inherited(struct listeners *listeners);
/* Binds what address says; 0, or an exit status. */
int listen_open(struct listeners *listeners, const char *address);
void listen_close(struct listeners *listeners);

/* notify.c: sd_notify(3) */
/* Reads and clears NOTIFY_SOCKET and WATCHDOG_*. */
void notify_open(void);
void notify_send(const char *state);
/* Sends WATCHDOG=1 when it is time again, if the manager wants it.  Returns how
 * long to wait at most before the next call, in ms; -1: for ever. */
int notify_watchdog(void);

#endif
