/* SPDX-License-Identifier: ISC */
/*
 * The worker that most tests use: it tells what it was asked and who answers.
 * Query parameters make it misbehave:
 *
 *	phase=NAME	what sleep_ms and burn_ms do has this name
 *	sleep_ms=N	answer N ms later, whatever signals come
 *	hang=1		never answer, with all signals blocked
 *	exit=N		exit with status N in place of an answer
 *	crash=before	kill -9 itself in place of an answer
 *	crash=after	kill -9 itself after bytes=N bytes of a response
 *	nothing=1	return without a response
 *	status=N	the status of the response
 *	size=N		a body of N bytes 'x'
 *	stream=N	N pieces of unknown total length, each "piece I\n"
 *	return=body	the body of the request
 *	unread=1	leave the body of the request unread
 *	header=NAME	add the value of that field of the request
 *	log=TEXT	write a line to the log
 *	leak=N		keep N bytes of memory
 *	burn_ms=N	use the processor for N ms
 *
 * With ECHO_TRACE in its environment it says on SIGUSR1 what it is doing, as
 * the runtimes of other languages do.
 */
#include <errno.h>
#include <inttypes.h>
#include <poold.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BODY_MAX (4 * 1024 * 1024)

/* What of the request's body was read. */
struct body {
	uint64_t len;
	uint64_t hash; /* FNV-1a */
	int error;     /* errno, or 0 */
};

static uint64_t served; /* requests that this process has seen */
static char *fdnames;	/* LISTEN_FDNAMES, which the library takes away */

static long
number(struct poold_request *req, const char *name, long otherwise)
{
	const char *value = poold_param(req, name);

	return value == NULL ? otherwise : strtol(value, NULL, 10);
}

static void
sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

static void
hang(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		pause();
}

/* A body of size bytes, of which only the first sent are written. */
static void
respond_bytes(struct poold_request *req, int status, long size, long sent)
{
	char piece[4096];
	size_t len;

	memset(piece, 'x', sizeof(piece));
	if (poold_start(req, status, "text/plain", size) == -1)
		return;
	while (sent > 0) {
		len = sent < (long)sizeof(piece) ? (size_t)sent : sizeof(piece);
		if (poold_write(req, piece, len) == -1)
			return;
		sent -= (long)len;
	}
}

static void
crash(struct poold_request *req, const char *when)
{
	long bytes = number(req, "bytes", 10);

	if (strcmp(when, "after") == 0)
		respond_bytes(req, 200, bytes + 1000000, bytes);
	kill(getpid(), SIGKILL);
}

static void
respond_stream(struct poold_request *req, int status, long pieces)
{
	char piece[32];
	long i;
	int len;

	if (poold_start(req, status, "text/plain", -1) == -1)
		return;
	for (i = 0; i < pieces; i++) {
		len = snprintf(piece, sizeof(piece), "piece %ld\n", i);
		if (poold_write(req, piece, (size_t)len) == -1)
			return;
	}
	poold_end(req);
}

static void
respond_body(struct poold_request *req, int status)
{
	const char *type = poold_header(req, "content-type");
	const void *body;
	size_t len;

	body = poold_body(req, BODY_MAX, &len);
	if (body == NULL)
		poold_problem(req, errno == EMSGSIZE ? 413 : 400, "body: %s",
		    strerror(errno));
	else
		poold_respond(req, status,
		    type != NULL ? type : "application/octet-stream", body, len);
}

static struct body
body_read(struct poold_request *req)
{
	struct body body = { .hash = 0xcbf29ce484222325ULL };
	unsigned char buf[16384];
	ssize_t i, n;

	while ((n = poold_read(req, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i++)
			body.hash = (body.hash ^ buf[i]) * 1099511628211ULL;
		body.len += (uint64_t)n;
	}
	if (n == -1)
		body.error = errno;
	return body;
}

static void
json_string(FILE *out, const char *name, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	fprintf(out, ",\"%s\":\"", name);
	for (; s != NULL && *s != '\0'; s++) {
		if (*s < 0x20 || *s >= 0x7f || *s == '"' || *s == '\\')
			fprintf(out, "\\u%04x", *s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void
json_number(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, ",\"%s\":%" PRIu64, name, value);
}

static void
describe_request(struct poold_request *req, FILE *out)
{
	const char *header = poold_param(req, "header");

	json_string(out, "method", poold_method(req));
	json_string(out, "target", poold_target(req));
	json_string(out, "path", poold_path(req));
	json_string(out, "route", poold_route(req));
	json_string(out, "path_info", poold_path_info(req));
	json_string(out, "query", poold_query(req));
	json_string(out, "host", poold_host(req));
	json_number(out, "minor", (uint64_t)poold_http_minor(req));
	json_string(out, "request_id", poold_request_id(req));
	json_string(out, "traceparent", poold_traceparent(req));
	json_string(out, "client", poold_client_address(req));
	json_number(out, "client_port", (uint64_t)poold_client_port(req));
	json_string(out, "local", poold_local_address(req));
	json_number(out, "local_port", (uint64_t)poold_local_port(req));
	json_number(out, "queue_us", poold_queue_us(req));
	if (header != NULL)
		json_string(out, "header", poold_header(req, header));
}

static void
respond_description(struct poold_request *req, int status)
{
	struct body body = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (poold_param(req, "unread") == NULL)
		body = body_read(req);
	if ((out = open_memstream(&text, &len)) == NULL)
		return;
	fprintf(out, "{\"pid\":%ld", (long)getpid());
	json_string(out, "service", getenv("POOLD_SERVICE"));
	json_string(out, "slot", getenv("POOLD_SLOT"));
	json_string(out, "generation", getenv("POOLD_GENERATION"));
	json_string(out, "listen_fdnames", fdnames);
	json_string(out, "greeting", getenv("GREETING"));
	json_number(out, "served", served);
	describe_request(req, out);
	json_number(out, "body_length", body.len);
	fprintf(out, ",\"body_hash\":\"%016" PRIx64 "\"", body.hash);
	json_number(out, "body_errno", (uint64_t)body.error);
	fputs("}\n", out);
	if (fclose(out) == 0)
		poold_respond(req, status, "application/json", text, len);
	free(text);
}

/* Memory that is really there, and never given back. */
static void
leak(uint64_t bytes)
{
	static char *volatile kept; /* the compiler is not to see through it */

	if (bytes > 0 && (kept = malloc(bytes)) != NULL)
		memset(kept, 'x', bytes);
}

static void
burn_ms(uint64_t ms)
{
	clock_t end = clock() + (clock_t)ms * CLOCKS_PER_SEC / 1000;

	while (clock() < end)
		;
}

static void
echo(struct poold_request *req, void *arg)
{
	const char *value;
	int status = (int)number(req, "status", 200);

	(void)arg;
	served++;
	if ((value = poold_param(req, "log")) != NULL)
		poold_log(req, "%s", value);
	if ((value = poold_param(req, "phase")) != NULL && poold_phase(req, value) == -1)
		status = 400;
	sleep_ms(number(req, "sleep_ms", 0));
	leak(number(req, "leak", 0));
	burn_ms(number(req, "burn_ms", 0));
	if (poold_param(req, "hang") != NULL)
		hang();
	if ((value = poold_param(req, "exit")) != NULL)
		_exit(atoi(value));
	if ((value = poold_param(req, "crash")) != NULL)
		crash(req, value);
	if (poold_param(req, "nothing") != NULL)
		return;
	if (poold_param(req, "size") != NULL) {
		respond_bytes(req, status, number(req, "size", 0),
		    number(req, "size", 0));
		poold_end(req);
	} else if (poold_param(req, "stream") != NULL)
		respond_stream(req, status, number(req, "stream", 0));
	else if (poold_param(req, "return") != NULL)
		respond_body(req, status);
	else
		respond_description(req, status);
}

static void
trace(int sig)
{
	static const char text[] = "echo: stack of the handler\n";
	int error = errno;

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1)
		_exit(1);
	errno = error;
}

int
main(int argc, char **argv)
{
	const char *names = getenv("LISTEN_FDNAMES");
	struct sigaction action = { .sa_handler = trace, .sa_flags = SA_RESTART };
	int status;

	if (getenv("ECHO_TRACE") != NULL)
		sigaction(SIGUSR1, &action, NULL);
	fdnames = names != NULL ? strdup(names) : NULL;
	status = poold_serve(argc, argv, echo, NULL);
	free(fdnames);
	return status;
}
