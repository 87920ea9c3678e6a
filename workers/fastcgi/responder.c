/* SPDX-License-Identifier: ISC */
#include "responder.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../gateway/reply.h"

#define STDIN_MAX    (RECORD_HEADER + RECORD_CONTENT_MAX + RECORD_HEADER)
#define ABORT_MS     200 /* for the application to end an aborted request */
#define DEATH_MS     200 /* between the end of its connection and its own */
#define OUT_KEEP_MAX (512 * 1024)

/* --- to the application ------------------------------------------------------ */

static bool
out_reserve(struct responder *r, size_t size)
{
	char *out;

	if (size <= r->out_size)
		return true;
	if ((out = realloc(r->out, size)) == NULL)
		return false;
	r->out = out;
	r->out_size = size;
	return true;
}

/* Splits the params that lie at the end of the buffer, behind a gap for the
 * headers, into records: moves them to the front. */
static void
params_split(struct responder *r, size_t from, size_t len)
{
	size_t part;

	for (; len > 0; from += part, len -= part) {
		part = len < RECORD_CONTENT_MAX ? len : RECORD_CONTENT_MAX;
		memmove(r->out + r->out_len + RECORD_HEADER, r->out + from, part);
		record_header(r->out + r->out_len, RECORD_PARAMS, RECORD_ID, part);
		r->out_len += RECORD_HEADER + part;
	}
	record_header(r->out + r->out_len, RECORD_PARAMS, RECORD_ID, 0);
	r->out_len += RECORD_HEADER;
}

/* BEGIN_REQUEST and PARAMS. */
static bool
begin_put(struct responder *r)
{
	const struct variables *v = &r->variables;
	size_t len = 0, gap;
	char *p;

	for (size_t i = 0; i < v->count; i++)
		len += record_pair_size(v->list[i].name_len, v->list[i].value_len);
	/* a header for each record, and room for the first of STDIN */
	gap = (len / RECORD_CONTENT_MAX + 1) * RECORD_HEADER;
	if (v->failed ||
	    !out_reserve(r, RECORD_BEGIN_SIZE + gap + len + RECORD_HEADER + STDIN_MAX))
		return false;
	record_begin(r->out);
	r->out_len = RECORD_BEGIN_SIZE;
	p = r->out + r->out_len + gap;
	for (size_t i = 0; i < v->count; i++) {
		const char *name = v->text + v->list[i].off;

		p = record_pair(p, name, v->list[i].name_len,
		    name + v->list[i].name_len + 1, v->list[i].value_len);
	}
	params_split(r, r->out_len + gap, len);
	return true;
}

static void
stdin_end(struct responder *r)
{
	record_header(r->out + r->out_len, RECORD_STDIN, RECORD_ID, 0);
	r->out_len += RECORD_HEADER;
	r->in_over = true;
}

/* The body breaks off: nobody is there to be answered, or only with an error. */
static void
body_failed(struct responder *r, int error)
{
	if (relay_is_silent(&r->relay))
		reply_body_failed(r->req, error);
	r->relay.state = RELAY_OVER;
	r->end = RESPONDER_LEFT;
}

/* Appends a part of the body, and the end of STDIN behind the last.  There is
 * room for it. */
static void
stdin_put(struct responder *r)
{
	char *content = r->out + r->out_len + RECORD_HEADER;
	ssize_t n;

	if (r->body_fd != -1)
		n = read(r->body_fd, content, RECORD_CONTENT_MAX);
	else
		n = poold_read(r->req, content, RECORD_CONTENT_MAX);
	if (n == -1) {
		if (errno != EINTR)
			body_failed(r, errno);
		return;
	}
	if (n > 0) {
		record_header(r->out + r->out_len, RECORD_STDIN, RECORD_ID, (size_t)n);
		r->out_len += RECORD_HEADER + (size_t)n;
	}
	r->body_left -= n;
	if (n == 0 || r->body_left <= 0)
		stdin_end(r);
}

static void
lost(struct responder *r, int error)
{
	if (r->end == RESPONDER_OPEN) {
		r->end = RESPONDER_LOST;
		r->error = error;
	}
}

/* Sends what the application takes. */
static void
out_send(struct responder *r)
{
	ssize_t n;

	while (r->out_pos < r->out_len) {
		n = send(r->app.fd, r->out + r->out_pos, r->out_len - r->out_pos,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			/* an answer may lie there all the same */
			if (errno != EAGAIN && !r->delivered)
				lost(r, errno);
			else if (errno != EAGAIN)
				r->out_pos = r->out_len;
			return;
		}
		r->out_pos += (size_t)n;
		r->delivered = true;
	}
}

static bool
out_is_empty(const struct responder *r)
{
	return r->out_pos == r->out_len;
}

/* The next part of the body, once all before it was sent. */
static void
out_refill(struct responder *r)
{
	r->out_pos = r->out_len = 0;
	r->out_first = false;
	stdin_put(r);
	out_send(r);
}

/* --- from the application ------------------------------------------------------ */

static void
part_take(struct responder *r, const struct record_part *part)
{
	if (part->id != RECORD_ID)
		return; /* about the connection, or nothing of ours (section 3.3) */
	switch (part->type) {
	case RECORD_STDOUT:
		relay_put(&r->relay, part->data, part->len);
		break;
	case RECORD_STDERR:
		errors_put(&r->errors, part->data, part->len);
		break;
	case RECORD_END_REQUEST:
		if (!part->last)
			break;
		r->end = record_end(&r->reader, &r->app_status, &r->protocol_status) ?
		    RESPONDER_ENDED :
		    RESPONDER_BAD;
		break;
	default: /* a type that we do not know */
		break;
	}
}

static void
in_read(struct responder *r)
{
	struct record_part part;
	const char *buf = r->in;
	ssize_t n = recv(r->app.fd, r->in, sizeof(r->in), MSG_DONTWAIT);
	size_t len = n > 0 ? (size_t)n : 0;
	int found = 0;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lost(r, n == 0 ? 0 : errno);
		return;
	}
	while (r->end == RESPONDER_OPEN &&
	    (found = record_next(&r->reader, &buf, &len, &part)) == 1)
		part_take(r, &part);
	r->surplus = len > r->reader.padding_left;
	r->reader.padding_left -= r->surplus ? 0 : len;
	if (found == -1)
		r->end = RESPONDER_BAD;
	else if (r->end == RESPONDER_OPEN && !relay_wants(&r->relay))
		r->end = RESPONDER_LEFT;
}

/* --- the loop ---------------------------------------------------------------------- */

enum { ON_DEATH, ON_APP, ON_CLIENT, ON_COUNT };

/* The process is gone and the connection still good: it waits to be accepted. */
static void
never_accepted(struct responder *r)
{
	r->delivered = false;
	lost(r, 0);
}

static void
step(struct responder *r)
{
	bool wants_body = !r->in_over && out_is_empty(r);
	bool ready = wants_body && (r->body_fd != -1 || poold_readable(r->req));
	/* in this order: a process that ends has hung up before */
	struct pollfd fds[ON_COUNT] = {
		[ON_DEATH] = { .fd = r->app.child.pidfd, .events = POLLIN },
		[ON_APP] = { .fd = r->app.fd,
		    .events = (short)(POLLIN | (out_is_empty(r) ? 0 : POLLOUT)) },
		[ON_CLIENT] = { .fd = poold_client_fd(r->req),
		    .events = wants_body ? POLLIN : 0 },
	};

	if (poll(fds, ON_COUNT, ready ? 0 : relay_timeout_ms(&r->relay)) == -1)
		return; /* EINTR */
	if ((fds[ON_APP].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		in_read(r);
	else if (fds[ON_DEATH].revents != 0)
		never_accepted(r);
	if (r->end != RESPONDER_OPEN)
		return;
	relay_tick(&r->relay);
	if ((fds[ON_APP].revents & POLLOUT) != 0)
		out_send(r);
	if (ready || (wants_body && (fds[ON_CLIENT].revents & POLLIN) != 0)) {
		out_refill(r);
	} else if ((fds[ON_CLIENT].revents & (POLLERR | POLLHUP)) != 0) {
		relay_client_left(&r->relay);
		r->end = RESPONDER_LEFT;
	}
}

/* Sends the request on the connection, and takes what comes. */
static void
exchange(struct responder *r)
{
	r->end = RESPONDER_OPEN;
	r->delivered = false;
	r->out_pos = 0;
	r->surplus = false;
	if (!r->app.used)
		memset(&r->reader, 0, sizeof(r->reader));
	relay_begin(&r->relay, r->req, r->name);
	out_send(r);
	while (r->end == RESPONDER_OPEN)
		step(r);
}

/* --- the end ------------------------------------------------------------------------- */

static bool
is_stopping(void)
{
	return poold_stopping();
}

/*
 * Nobody waits for the rest.  An application that heeds ABORT_REQUEST ends the
 * request, and the connection stays.  Others notice when they write and nobody is
 * there; until then they are busy, and so are we: request_timeout goes on.
 */
static void
abandon(struct responder *r)
{
	int64_t until = relay_now_ms() + ABORT_MS, left;
	char abort_record[RECORD_HEADER];
	struct pollfd pfd = { .fd = r->app.fd, .events = POLLIN };
	bool in_step = out_is_empty(r) && r->in_over;

	record_header(abort_record, RECORD_ABORT_REQUEST, RECORD_ID, 0);
	if (in_step &&
	    send(r->app.fd, abort_record, sizeof(abort_record),
		MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(abort_record)) {
		r->end = RESPONDER_OPEN;
		while ((r->end == RESPONDER_OPEN || r->end == RESPONDER_LEFT) &&
		    (left = until - relay_now_ms()) > 0) {
			r->end = RESPONDER_OPEN;
			if (poll(&pfd, 1, (int)left) == 1)
				in_read(r);
		}
		if (r->end == RESPONDER_ENDED)
			return;
	}
	application_disconnect(&r->app);
	(void)application_wait_free(&r->app, is_stopping);
}

/* The application ended the request; it may not have wanted all of the body. */
static void
finish_ended(struct responder *r)
{
	switch (r->protocol_status) {
	case RECORD_COMPLETE:
		if (r->app_status != 0)
			poold_log(r->req, "%s: exit status %u", r->name, r->app_status);
		relay_finish(&r->relay, NULL);
		break;
	case RECORD_OVERLOADED:
		if (relay_is_silent(&r->relay)) {
			(void)poold_set_header(r->req, "Retry-After", "1");
			(void)poold_problem(r->req, 503, "the application is too busy");
		}
		break;
	default:
		relay_finish(&r->relay, "it refused the request");
	}
	if (!r->in_over || !out_is_empty(r) || r->surplus)
		application_disconnect(&r->app);
	else
		r->app.used = true;
}

/* Whether the request can be made again, as poold would, had it been the worker
 * that died. */
static bool
may_retry(const struct responder *r)
{
	const char *method = poold_method(r->req);
	bool safe = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
	    strcmp(method, "OPTIONS") == 0;

	if (!relay_is_silent(&r->relay) || !r->out_first)
		return false;
	if (!r->delivered)
		return true; /* it was gone before we came */
	if (safe && poold_body_length(r->req) == 0)
		return true;
	/* It left between two requests, of its own will, and did not read ours: a
	 * socket that is closed with something unread says so. */
	return r->app.used && r->error == ECONNRESET && r->relay.len == 0 &&
	    r->app.child.pid == -1 && !child_failed(&r->app.child);
}

/* True: once more. */
static bool
finish_lost(struct responder *r, bool again)
{
	char why[64] = "it closed the connection", how[48];
	bool used = r->app.used, ended = application_has_ended(&r->app, DEATH_MS);

	r->app.used = used; /* the connection was, whatever became of it */
	again = again && may_retry(r);
	application_disconnect(&r->app);
	if (ended) {
		child_end_text(&r->app.child, how, sizeof(how));
		snprintf(why, sizeof(why), "it %s", how);
	}
	if (again)
		return true;
	errors_end(&r->errors);
	relay_finish(&r->relay, why);
	return false;
}

/* One that does not start is the supervisor's trouble: we end, and a new worker is
 * started, later each time. */
static int
start_if_dead(struct responder *r)
{
	int error = 0;

	if (application_has_ended(&r->app, 0) &&
	    (error = application_start(&r->app)) != 0)
		poold_stop();
	return error;
}

static int
connect_anew(struct responder *r)
{
	int error = start_if_dead(r);

	return error != 0 ? error : application_connect(&r->app);
}

static void
attempts(struct responder *r)
{
	bool again = true;
	int error;

	do {
		if (!application_is_connected(&r->app) &&
		    (error = connect_anew(r)) != 0) {
			reply_not_started(r->req, r->name, r->app.argv[0], error);
			return;
		}
		exchange(r);
		if (r->end != RESPONDER_LOST)
			break;
	} while (finish_lost(r, again) && !(again = false));
	if (r->end == RESPONDER_ENDED) {
		errors_end(&r->errors);
		finish_ended(r);
	} else if (r->end == RESPONDER_BAD) {
		relay_finish(&r->relay, "what it sends is not FastCGI");
		application_stop(&r->app);
	} else if (r->end == RESPONDER_LEFT) {
		abandon(r);
		errors_end(&r->errors);
	}
	if (r->end != RESPONDER_ENDED)
		(void)start_if_dead(r);
}

void
responder_run(struct responder *responder, struct poold_request *req,
    const struct call *call, int body_fd)
{
	struct responder *r = responder;

	r->req = req;
	r->name = call->script_name[0] != '\0' ? call->script_name : "/";
	r->body_fd = body_fd;
	r->body_left = call->body_length > 0 ? call->body_length : 0;
	r->out_first = true;
	r->in_over = false;
	errors_begin(&r->errors, req, r->name);
	relay_begin(&r->relay, req, r->name);
	variables_clear(&r->variables);
	variables_add_request(&r->variables, req, call);
	if (!begin_put(r)) {
		reply_not_started(req, r->name, r->app.argv[0], ENOMEM);
		return;
	}
	if (r->body_left == 0)
		stdin_end(r);
	else if (body_fd != -1 || poold_readable(req))
		stdin_put(r);
	if (r->relay.state != RELAY_OVER)
		attempts(r);
	if (r->out_size > OUT_KEEP_MAX) {
		free(r->out);
		r->out = NULL;
		r->out_size = 0;
	}
}

void
responder_free(struct responder *responder)
{
	variables_free(&responder->variables);
	free(responder->out);
	responder->out = NULL;
}
