/* SPDX-License-Identifier: ISC */
#include "exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "reply.h"

#define EXIT_WAIT_MS 1000 /* between the end of the output and the program's */

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- stderr ------------------------------------------------------------------ */

/* Logs n bytes of err and removes them, and the end of their line. */
static void
err_log(struct exchange *x, size_t n, size_t line_end)
{
	x->err_total += n;
	if (x->err_total <= ERR_MAX)
		poold_log(x->req, "%.*s", (int)n, x->err);
	else if (x->err_total - n <= ERR_MAX)
		poold_log(x->req, "%s: it says more than is logged", x->script->name);
	memmove(x->err, x->err + n + line_end, x->err_len - n - line_end);
	x->err_len -= n + line_end;
}

static void
err_read(struct exchange *x)
{
	char *end;
	ssize_t n;

	n = read(x->process.err, x->err + x->err_len, ERR_SIZE - x->err_len);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		x->err_len += (size_t)n;
	} else {
		close(x->process.err);
		x->process.err = -1;
	}
	while ((end = memchr(x->err, '\n', x->err_len)) != NULL)
		err_log(x, (size_t)(end - x->err), 1);
	if (x->err_len == ERR_SIZE || (n <= 0 && x->err_len > 0))
		err_log(x, x->err_len, 0);
}

/* What lies in the pipe when the program has ended. */
static void
err_flush(struct exchange *x)
{
	int left = 0;

	if (x->process.err == -1 || ioctl(x->process.err, FIONREAD, &left) == -1)
		return;
	for (int rounds = left / 256 + 1; left > 0 && rounds > 0; rounds--) {
		err_read(x);
		if (x->process.err == -1 || ioctl(x->process.err, FIONREAD, &left) == -1)
			break;
	}
	if (x->err_len > 0)
		err_log(x, x->err_len, 0);
}

/* --- the body of the request --------------------------------------------------- */

static void
in_close(struct exchange *x)
{
	if (x->process.in != -1)
		close(x->process.in);
	x->process.in = -1;
}

/* The body breaks off: nobody is there to be answered, or only with an error. */
static void
in_failed(struct exchange *x, int error)
{
	reply_body_failed(x->req, error);
	x->failed = true;
	x->state = EXCHANGE_OVER;
}

static void
in_read(struct exchange *x)
{
	ssize_t n = poold_read(x->req, x->in, IN_SIZE);

	x->in_pos = 0;
	x->in_len = n > 0 ? (size_t)n : 0;
	if (n == 0)
		in_close(x);
	else if (n == -1)
		in_failed(x, errno);
}

static void
in_write(struct exchange *x)
{
	ssize_t n;

	n = write(x->process.in, x->in + x->in_pos, x->in_len - x->in_pos);
	if (n > 0)
		x->in_pos += (size_t)n;
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		in_close(x); /* it wants no more */
}

static bool
in_is_empty(const struct exchange *x)
{
	return x->in_pos == x->in_len;
}

/* --- the response --------------------------------------------------------------- */

static void
malformed(struct exchange *x, const char *why)
{
	reply_bad_output(x->req, x->script, why);
	x->failed = true;
	x->state = EXCHANGE_OVER;
}

static void
client_left(struct exchange *x)
{
	if (x->state != EXCHANGE_STREAM)
		reply_client_left(x->req);
	x->failed = true;
	x->state = EXCHANGE_OVER;
}

static void
body_send(struct exchange *x, const char *buf, size_t len)
{
	if (x->to_send >= 0 && (int64_t)len > x->to_send) {
		poold_log(x->req, "%s: it wrote more than its Content-Length",
		    x->script->name);
		len = (size_t)x->to_send;
		x->state = EXCHANGE_OVER;
	}
	if (x->to_send >= 0)
		x->to_send -= (int64_t)len;
	if (len > 0 && poold_write(x->req, buf, len) == -1)
		client_left(x);
}

/* A path of this service is no matter of the client. */
static bool
is_local(const struct output_head *head)
{
	return head->location != NULL && head->location[0] == '/' &&
	    head->location[1] != '/' && head->status == 0;
}

/* Begins the response with what was collected.  complete: that is all of it. */
static void
response_begin(struct exchange *x, bool complete)
{
	const struct output_head *head = &x->head;
	int64_t body_len = (int64_t)(x->out_len - x->head_len);
	bool is_head = strcmp(poold_method(x->req), "HEAD") == 0;
	int status = head->status;

	if (status == 0)
		status = head->location != NULL ? 302 : 200;
	if (complete && head->length > body_len && !is_head && status != 304) {
		malformed(x, "it wrote less than its Content-Length");
		return;
	}
	reply_fields(x->req, head);
	x->to_send = head->length;
	if (complete && head->length == -1 && !is_head)
		x->to_send = body_len;
	if (poold_start(x->req, status, head->type, x->to_send) == -1) {
		malformed(x, strerror(errno));
		return;
	}
	x->state = EXCHANGE_STREAM;
	body_send(x, x->out + x->head_len, (size_t)body_len);
	x->out_len = 0;
}

static void
head_read(struct exchange *x)
{
	const char *why;
	ssize_t len = output_parse(x->out, x->out_len, &x->head, &why);

	if (len == -1) {
		malformed(x, why);
	} else if (len > 0 && is_local(&x->head)) {
		snprintf(x->location, sizeof(x->location), "%s", x->head.location);
		x->result = EXCHANGE_REDIRECT;
		x->state = EXCHANGE_OVER;
	} else if (len > 0) {
		x->head_len = (size_t)len;
		x->held_until = now_ms() + REPLY_HELD_MS;
		x->state = EXCHANGE_HELD;
	}
}

/* The output of an nph- program is the response. */
static void
raw_head_read(struct exchange *x)
{
	int status = output_raw_status(x->out, x->out_len);

	if (status == -1) {
		malformed(x, "its name begins with nph-, but it does not write HTTP");
	} else if (status > 0 && poold_start_raw(x->req, status) == 0) {
		x->state = EXCHANGE_STREAM;
		body_send(x, x->out, x->out_len);
		x->out_len = 0;
	}
}

/* --- the output ------------------------------------------------------------------- */

/* Reads once.  False: there is nothing, and *ended says whether for ever. */
static bool
out_fill(struct exchange *x)
{
	/* a head has to fit into its limit; the NUL is for the parser */
	size_t size = x->state == EXCHANGE_HEAD ? OUTPUT_HEAD_MAX : OUT_SIZE;
	ssize_t n;

	size -= x->out_len;
	if (x->rest >= 0 && (int64_t)size > x->rest)
		size = (size_t)x->rest;
	n = size > 0 ? read(x->process.out, x->out + x->out_len, size) : 0;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		x->out_ended = true;
		return false;
	}
	x->out_len += (size_t)n;
	x->out[x->out_len] = '\0';
	if (x->rest >= 0)
		x->rest -= n;
	return true;
}

static void
out_read(struct exchange *x)
{
	if (!out_fill(x))
		return;
	if (x->state == EXCHANGE_HEAD && x->script->raw)
		raw_head_read(x);
	else if (x->state == EXCHANGE_HEAD)
		head_read(x);
	if (x->state == EXCHANGE_STREAM) {
		body_send(x, x->out, x->out_len);
		x->out_len = 0;
	} else if (x->state == EXCHANGE_HELD && x->out_len == OUT_SIZE) {
		response_begin(x, false);
	}
}

/* Others may hold its output open; what it wrote itself lies in the pipe. */
static void
program_ended(struct exchange *x)
{
	int left = 0;

	if (x->rest == -1 && ioctl(x->process.out, FIONREAD, &left) == 0)
		x->rest = left;
}

/* --- the loop ------------------------------------------------------------------------ */

enum { ON_OUT, ON_ERR, ON_END, ON_IN, ON_CLIENT, ON_COUNT };

static int
timeout_of(const struct exchange *x)
{
	int64_t left = x->held_until - now_ms();

	if (x->state != EXCHANGE_HELD)
		return -1;
	return left > 0 ? (int)left : 0;
}

static void
step(struct exchange *x)
{
	bool wants_body = x->process.in != -1 && in_is_empty(x);
	struct pollfd fds[ON_COUNT] = {
		[ON_OUT] = { .fd = x->process.out, .events = POLLIN },
		[ON_ERR] = { .fd = x->process.err, .events = POLLIN },
		[ON_END] = { .fd = x->rest == -1 ? x->process.pidfd : -1,
		    .events = POLLIN },
		[ON_IN] = { .fd = wants_body ? -1 : x->process.in, .events = POLLOUT },
		[ON_CLIENT] = { .fd = poold_client_fd(x->req),
		    .events = wants_body ? POLLIN : 0 },
	};
	bool readable = wants_body && poold_readable(x->req);

	if (poll(fds, ON_COUNT, readable || x->rest >= 0 ? 0 : timeout_of(x)) == -1)
		return; /* EINTR */
	if (fds[ON_ERR].revents != 0)
		err_read(x);
	if (fds[ON_END].revents != 0)
		program_ended(x);
	if (fds[ON_OUT].revents != 0 || x->rest >= 0)
		out_read(x);
	if (x->state == EXCHANGE_HELD && !x->out_ended && now_ms() >= x->held_until)
		response_begin(x, false);
	if (x->state == EXCHANGE_OVER)
		return;
	if (readable || (wants_body && (fds[ON_CLIENT].revents & POLLIN) != 0))
		in_read(x);
	else if (!wants_body && fds[ON_IN].revents != 0)
		in_write(x);
	else if ((fds[ON_CLIENT].revents & (POLLERR | POLLHUP)) != 0)
		client_left(x);
}

/* Says how the program ended, when that was no good end. */
static bool
ended_well(struct exchange *x)
{
	int status = x->process.status;

	if (!x->process.ended || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return true;
	if (WIFSIGNALED(status))
		poold_log(x->req, "%s: killed by signal %d", x->script->name,
		    WTERMSIG(status));
	else
		poold_log(x->req, "%s: exit status %d", x->script->name,
		    WEXITSTATUS(status));
	return !WIFSIGNALED(status);
}

/* The output is complete: completes the response, unless the program was killed
 * while it wrote it. */
static void
complete(struct exchange *x)
{
	bool well;

	in_close(x);
	(void)process_wait(&x->process, EXIT_WAIT_MS);
	err_flush(x);
	well = ended_well(x);
	if (x->state == EXCHANGE_HEAD)
		malformed(x, x->out_len == 0 ? "no output" : "the head does not end");
	else if (x->state == EXCHANGE_HELD && !well)
		malformed(x, "it was killed");
	else if (x->state == EXCHANGE_HELD)
		response_begin(x, true);
	if (x->state == EXCHANGE_STREAM && well)
		(void)poold_end(x->req);
}

static void
reset(struct exchange *x, struct poold_request *req, const struct script *script)
{
	x->req = req;
	x->script = script;
	x->state = EXCHANGE_HEAD;
	x->result = EXCHANGE_DONE;
	x->failed = x->out_ended = false;
	x->in_pos = x->in_len = x->out_len = x->head_len = 0;
	x->err_len = x->err_total = 0;
	x->rest = x->to_send = -1;
}

enum exchange_result
exchange_run(struct exchange *x, struct poold_request *req, const struct script *script,
    char **envp, int body)
{
	int error;

	reset(x, req, script);
	error = process_start(&x->process, script, envp, body);
	if (error != 0) {
		reply_not_started(req, script, error);
		return EXCHANGE_DONE;
	}
	while (!x->out_ended && x->state != EXCHANGE_OVER)
		step(x);
	if (x->out_ended && x->state != EXCHANGE_OVER)
		complete(x);
	else if (x->state == EXCHANGE_OVER && !x->failed && x->result == EXCHANGE_DONE)
		(void)poold_end(req); /* more than its Content-Length */
	err_flush(x);
	process_finish(&x->process);
	return x->result;
}
