/* SPDX-License-Identifier: ISC */
#include "exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../gateway/reply.h"

#define EXIT_WAIT_MS 1000 /* between the end of the output and the program's */

/* --- stderr ------------------------------------------------------------------ */

static void
err_read(struct exchange *x)
{
	char buf[ERRORS_LINE_MAX];
	ssize_t n = read(x->process.err, buf, sizeof(buf));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		errors_put(&x->errors, buf, (size_t)n);
		return;
	}
	errors_end(&x->errors);
	close(x->process.err);
	x->process.err = -1;
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
	errors_end(&x->errors);
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
	x->relay.state = RELAY_OVER;
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

/* --- the output ------------------------------------------------------------------- */

static void
out_read(struct exchange *x)
{
	size_t size = OUT_SIZE;
	ssize_t n;

	if (x->rest >= 0 && (int64_t)size > x->rest)
		size = (size_t)x->rest;
	n = size > 0 ? read(x->process.out, x->out, size) : 0;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		x->out_ended = true;
		return;
	}
	if (x->rest >= 0)
		x->rest -= n;
	relay_put(&x->relay, x->out, (size_t)n);
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

	if (poll(fds, ON_COUNT,
		readable || x->rest >= 0 ? 0 : relay_timeout_ms(&x->relay)) == -1)
		return; /* EINTR */
	if (fds[ON_ERR].revents != 0)
		err_read(x);
	if (fds[ON_END].revents != 0)
		program_ended(x);
	if (fds[ON_OUT].revents != 0 || x->rest >= 0)
		out_read(x);
	if (!x->out_ended)
		relay_tick(&x->relay);
	if (!relay_wants(&x->relay))
		return;
	if (readable || (wants_body && (fds[ON_CLIENT].revents & POLLIN) != 0))
		in_read(x);
	else if (!wants_body && fds[ON_IN].revents != 0)
		in_write(x);
	else if ((fds[ON_CLIENT].revents & (POLLERR | POLLHUP)) != 0)
		relay_client_left(&x->relay);
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
	in_close(x);
	(void)process_wait(&x->process, EXIT_WAIT_MS);
	err_flush(x);
	relay_finish(&x->relay, ended_well(x) ? NULL : "it was killed");
}

static void
reset(struct exchange *x, struct poold_request *req, const struct script *script)
{
	x->req = req;
	x->script = script;
	relay_begin(&x->relay, req, script->name);
	x->relay.raw = script->raw;
	x->relay.local = true;
	x->out_ended = false;
	x->in_pos = x->in_len = 0;
	errors_begin(&x->errors, req, script->name);
	x->rest = -1;
}

enum exchange_result
exchange_run(struct exchange *x, struct poold_request *req, const struct script *script,
    char **envp, int body)
{
	int error;

	reset(x, req, script);
	error = process_start(&x->process, script, envp, body);
	if (error != 0) {
		reply_not_started(req, script->name, script->file, error);
		return EXCHANGE_DONE;
	}
	while (!x->out_ended && relay_wants(&x->relay))
		step(x);
	if (relay_wants(&x->relay))
		complete(x);
	err_flush(x);
	process_finish(&x->process);
	return x->relay.state == RELAY_REDIRECT ? EXCHANGE_REDIRECT : EXCHANGE_DONE;
}
