/* SPDX-License-Identifier: ISC */
/*
 * libpoold: write a worker for poold in C.
 *
 *	static void hello(struct poold_request *req, void *arg)
 *	{
 *		poold_respond(req, 200, "text/plain", "hello\n", 6);
 *	}
 *	int main(int argc, char **argv)
 *	{
 *		return poold_serve(argc, argv, hello, NULL);
 *	}
 *
 * See libpoold(3).
 */
#ifndef POOLD_H
#define POOLD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define POOLD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define POOLD_PRINTF(fmt, args)
#endif

/* One request and its response.  Valid until the handler returns, or until
 * poold_finish where poold_worker_next gave it. */
struct poold_request;

/*
 * Answers one request.  Called for one request at a time.  A handler that
 * returns without having begun a response causes a 500; one that returns in
 * the middle of a response with a declared length cuts the connection.
 */
typedef void (*poold_handler)(struct poold_request *req, void *arg);

/*
 * Serves requests with handler until told to stop, then returns 0.
 *
 * Started by poold (POOLD_PROTOCOL in the environment) it answers leased
 * requests; with LISTEN_FDS it accepts from the inherited listening sockets;
 * otherwise argv[argc - 1] says where to listen: PORT (on 127.0.0.1),
 * ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH.  Programs with options of their
 * own parse them first (getopt moves them to the front of argv).
 * argv[0] and argv are used for the process title.
 *
 * Returns an exit status of sysexits(3) when it could not serve: 64 (no or bad
 * address), 69 (cannot listen), 71 (system call failed), 76 (environment not
 * understood); the reason was given to the log function.
 */
int poold_serve(int argc, char **argv, poold_handler handler, void *arg);

/*
 * For a program that takes its time before it can serve, or a lot of memory that
 * all workers could share: comes after whatever they have in common and before
 * poold_serve or poold_worker_open, which come only when it returns true.
 *
 * With the service's preload = yes this process is then a template.  It never
 * serves: the function returns true in each worker, which is forked from it, and
 * false when its time is over.  *status is then what to exit with.  Without, it
 * returns true at once.
 *
 * A process with more than one thread cannot be a template (EX_CONFIG).  hooks are
 * called around each fork; NULL, or of them any, for none: before and parent in
 * the template, child in the worker, whose descriptors and environment are those
 * of a worker by then.  What pthread_atfork(3) has registered is not called.
 */
struct poold_fork {
	void (*before)(void *arg);
	void (*parent)(void *arg);
	void (*child)(void *arg);
	void *arg;
};
bool poold_preload(const struct poold_fork *hooks, int *status);

/* Makes poold_serve return after the current request.  Async-signal-safe. */
void poold_stop(void);

/*
 * The request.  Strings are NUL-terminated, owned by the request, and never
 * NULL where not said otherwise.
 */
const char *poold_method(const struct poold_request *req);
const char *poold_target(const struct poold_request *req);    /* as sent */
const char *poold_path(const struct poold_request *req);      /* canonical */
const char *poold_route(const struct poold_request *req);     /* matched prefix */
const char *poold_path_info(const struct poold_request *req); /* path after it */
const char *poold_query(const struct poold_request *req);     /* raw; "" if none */
const char *poold_host(const struct poold_request *req);      /* authority; "" */
int poold_http_minor(const struct poold_request *req);	      /* 0 or 1 */
/* The first query parameter of this name, decoded; NULL when there is none.
 * A parameter without "=" has the value "". */
const char *poold_param(struct poold_request *req, const char *name);
/* The first field of a form body (application/x-www-form-urlencoded), decoded;
 * NULL when there is none, or the body is no form, or is over 64 KiB. */
const char *poold_form(struct poold_request *req, const char *name);
/* The value of the first header field of this name (any case), or NULL. */
const char *poold_header(struct poold_request *req, const char *name);
/* Field number index, from 0, in the order of the request; false past the
 * last one. */
bool poold_header_at(struct poold_request *req, size_t index, const char **name,
    const char **value);

const char *poold_client_address(const struct poold_request *req);
int poold_client_port(const struct poold_request *req); /* 0 on unix */
const char *poold_local_address(const struct poold_request *req);
int poold_local_port(const struct poold_request *req);	       /* 0 on unix */
const char *poold_request_id(const struct poold_request *req); /* 32 hex */
/* The value of a traceparent field for a request that the handler sends to
 * another server on behalf of this one (W3C Trace Context). */
const char *poold_traceparent(struct poold_request *req);
/* Microseconds between the arrival of the head and the start of handler. */
uint64_t poold_queue_us(const struct poold_request *req);

/*
 * The body.  Length in bytes; 0 when there is none, -1 when it is chunked.
 */
int64_t poold_body_length(const struct poold_request *req);
/*
 * Reads the whole body, at most max bytes; *len is its length.  The buffer
 * belongs to the request and has a NUL behind its end.  NULL with errno:
 * EMSGSIZE larger than max (nothing more can be read), EBADMSG broken chunked
 * coding, ECONNRESET the client left or stalled, ENOMEM.  A later call gives
 * the same buffer.
 */
const void *poold_body(struct poold_request *req, size_t max, size_t *len);
/* Reads up to size bytes of the body; 0 at its end; -1 with errno as above. */
ssize_t poold_read(struct poold_request *req, void *buf, size_t size);

/* Whether poold_read would give something without waiting for the client. */
bool poold_readable(struct poold_request *req);
/* The client's socket, for poll(2) and nothing else: POLLIN while poold_readable
 * is false says that it may be true now, POLLERR or POLLHUP that the client left. */
int poold_client_fd(const struct poold_request *req);

/*
 * The response.  Functions return 0, or -1 with errno: EPIPE or ECONNRESET
 * (the client left; the handler may stop), EALREADY (a response was begun),
 * EINVAL (a bad name, value or status), EMSGSIZE (header over 16 KiB).
 */

/* Adds a field to the response that has not begun.  Content-Length,
 * Transfer-Encoding, Connection and Date are the library's and refused. */
int poold_set_header(struct poold_request *req, const char *name, const char *value);
/* A whole response.  type may be NULL (no Content-Type). */
int poold_respond(struct poold_request *req, int status, const char *type,
    const void *body, size_t len);
/* application/problem+json (RFC 9457) with type "about:blank", the status's
 * title and a formatted detail. */
int poold_problem(struct poold_request *req, int status, const char *fmt, ...)
    POOLD_PRINTF(3, 4);
/* A whole response from an open file, from its byte offset on, by sendfile.
 * The caller keeps fd. */
int poold_respond_file(struct poold_request *req, int status, const char *type, int fd,
    off_t offset, uint64_t len);
/* A streamed response: start, write as often as needed, end.  length -1:
 * unknown (chunked for HTTP/1.1, until close for 1.0). */
int poold_start(struct poold_request *req, int status, const char *type, int64_t length);
int poold_write(struct poold_request *req, const void *buf, size_t len);
int poold_end(struct poold_request *req);
/* A streamed response whose head the handler writes itself, status line and all.
 * status is for logs.  The connection ends with it. */
int poold_start_raw(struct poold_request *req, int status);

/*
 * Keeping the connection.  A request that was detached is not subject to
 * request_timeout, and its connection ends when the handler returns.  The
 * worker serves nothing else until then.  A handler that goes on for long looks
 * at poold_stopping, and returns soon when it is true.
 */

/* Detaches a streamed response (poold_start with length -1), such as
 * server-sent events: sends its head.  Then poold_write goes on as before. */
int poold_detach(struct poold_request *req);
/* Switches protocols (RFC 9110 section 7.8): sends 101 with Upgrade: protocol
 * and the fields of poold_set_header.  Returns the connection's descriptor,
 * which the library closes when the handler returns; or -1 with errno: EINVAL
 * when the request did not ask for an upgrade, else as for responses.  Bytes
 * that the client sent behind its request are read from the descriptor.  Of a
 * non-blocking request the descriptor is too; poold_write goes on to queue, and
 * whoever writes to the descriptor itself waits for poold_flush first. */
int poold_upgrade(struct poold_request *req, const char *protocol);
/* Whether poold wants this worker to stop.  Cheap. */
bool poold_stopping(void);

/*
 * From now on the handler's time belongs to the phase of this name, until the
 * next call, NULL (no phase), the beginning of the response, or its end.  The
 * times of one name are added up.  Phases appear in Server-Timing, the access
 * log and traces.  -1 with errno: EINVAL (no token, or longer than 32 bytes),
 * ENOSPC (eight others in this request).
 */
int poold_phase(struct poold_request *req, const char *name);

/*
 * Several requests at a time, in a loop of the program's own.  Instead of
 * poold_serve:
 *
 *	w = poold_worker_open(argc, argv, &status);
 *	... wait until poold_worker_fd(w) is readable, or something else is ...
 *	while ((req = poold_worker_next(w)) != NULL)
 *		... answer it now or later, then poold_finish(req) ...
 *	poold_worker_close(w);
 *
 * One worker for a process, one thread.
 */
struct poold_worker;

/* Begins to serve, in the same three ways as poold_serve.  NULL: *status is
 * what poold_serve would have returned. */
struct poold_worker *poold_worker_open(int argc, char **argv, int *status);
/* For poll(2) or epoll(7), POLLIN, level-triggered: readable when
 * poold_worker_next has something to do, which need not be a request.  It stays
 * the same, and the library's. */
int poold_worker_fd(const struct poold_worker *w);
/* The next request; it is the caller's until poold_finish.  There are never more
 * than the concurrency of the service (POOLD_CONCURRENCY), and health checks.
 * Never waits.  NULL with errno: EAGAIN nothing now, ENOMEM, ESHUTDOWN told to
 * stop: no more will come, what the caller has may still be finished. */
struct poold_request *poold_worker_next(struct poold_worker *w);
/* Ends.  Waits some seconds at most for clients to take what they were sent; what
 * was not finished is cut. */
void poold_worker_close(struct poold_worker *w);

/* The request is over, as when a handler returns: its response is completed, or
 * the connection cut.  req is invalid afterwards.  What a non-blocking request has
 * queued is still sent, by poold_worker_next.  A caller that watches
 * poold_client_fd takes it out of its set first: closing does not. */
void poold_finish(struct poold_request *req);
/* A pointer of the caller's; NULL at first. */
void poold_set_data(struct poold_request *req, void *data);
void *poold_data(const struct poold_request *req);

/* From now on nothing waits for the client: poold_read and poold_body give -1 or
 * NULL with EAGAIN; what the client does not take at once is queued.  poold_write
 * takes nothing and gives EAGAIN when more than 256 KiB would be queued, unless
 * nothing is; other functions of the response always queue.  0, or -1 with EINVAL
 * when poold_worker_next did not give the request. */
int poold_nonblocking(struct poold_request *req);
/* Sends what is queued.  0: all of it is with the kernel; -1 with errno: EAGAIN
 * poll poold_client_fd for POLLOUT and call again, else the client left. */
int poold_flush(struct poold_request *req);
/* Bytes that are queued, those of a file included. */
uint64_t poold_queued(const struct poold_request *req);

/*
 * For workers that have another program answer on the client's socket
 * (SCM_RIGHTS).  Only requests that were leased.
 */

/* From now on heads are left in the socket, for the program that gets it, unless
 * a body is read or a response begun. */
void poold_worker_peek(struct poold_worker *w);
/* From now on poold_head gives heads, which are read as always: for workers that do
 * not know yet who is to answer.  poold_lend says that it is another program. */
void poold_worker_heads(struct poold_worker *w);
/* The head as the client sent it, *len bytes.  *in_socket (may be NULL) says
 * whether it can still be read from poold_client_fd; otherwise (a request that
 * comes again since its worker died, or one that was read from) whoever answers
 * must be given it.  NULL with ENOTSUP: neither poold_worker_peek nor
 * poold_worker_heads came before. */
const char *poold_head(const struct poold_request *req, size_t *len, bool *in_socket);
/* Whether the connection may be kept after the response, as far as can be said before
 * it: what answers otherwise says "Connection: close". */
bool poold_may_keep(const struct poold_request *req);
/* After poold_worker_heads: another program gets this request's poold_client_fd now,
 * and reads what is left of the body.  Has to come before poold_may_keep and
 * poold_release. */
void poold_lend(struct poold_request *req);
/* The descriptor of a file and a place in it where the other program may say, with
 * one pwrite(2) of a 64-bit word before the first byte of its response, how long all
 * of it will be: bytes << 16, plus 32768 when the connection may be kept, plus the
 * status.  If it or this process is killed when the client has just as many bytes,
 * the connection is not cut.  -1 with ENOTSUP: there is none. */
int poold_answer_fd(const struct poold_request *req, off_t *offset);
/* Sends a whole response that another program has made, len bytes with its status
 * line and all, instead of poold_respond.  keep: it tells its own length and does not
 * say "Connection: close".  0, or -1 with errno as of the other responses. */
int poold_respond_raw(struct poold_request *req, int status, const void *data, size_t len,
    bool keep);
/* Ends the request: another program has answered with this status and so many
 * bytes (for logs).  keep: request and response are complete, the response told
 * its own length and did not say "Connection: close"; the connection is kept if
 * besides the kernel has counted that the request was read to its end and no
 * further.  Returns whether it is.  Otherwise it is closed, by poold, also where
 * the other program still has it.  req is invalid afterwards. */
bool poold_release(struct poold_request *req, int status, uint64_t bytes, bool keep);
/* The other program keeps the connection for good, as by poold_detach; status is
 * for logs.  poold_release ends it.  0, or -1 with errno. */
int poold_detach_raw(struct poold_request *req, int status);

/* One line to the log (stderr), with the request id when req is not NULL. */
void poold_log(struct poold_request *req, const char *fmt, ...) POOLD_PRINTF(2, 3);
/* Where log lines go instead: fn gets a line without newline.  NULL: stderr. */
void poold_set_log(void (*fn)(const char *line, void *arg), void *arg);

/* Says in a few words how this process is, to poold or another service manager
 * (STATUS= of sd_notify(3)).  A worker that cannot start says why: poold then gives
 * that as the reason, where the start was asked for. */
void poold_status(const char *fmt, ...) POOLD_PRINTF(1, 2);

/* Formats t as an IMF-fixdate (RFC 9110 section 5.6.7), 29 characters. */
#define POOLD_DATE_SIZE 30
void poold_format_date(time_t t, char buf[POOLD_DATE_SIZE]);
/* Parses a date in any of the three formats of RFC 9110; -1 when it is none. */
time_t poold_parse_date(const char *s);

#ifdef __cplusplus
}
#endif

#endif
