/* SPDX-License-Identifier: ISC */
/*
 * A worker that prints what it is told to.  Parameters of the query:
 *
 *	text	bytes to write, decoded; no end of line is added
 *	fd	where to: 1 (default) or 2
 *	n	how often
 *	log	a text for poold_log
 *	before	milliseconds to sleep before that
 *	after	... and after it
 *	child	"ms": a process that goes on, holds all descriptors for as many
 *		milliseconds, writes "child" with an end of line, and ends
 *
 * The answer is {"pid":PID,"id":"REQUEST ID"}.
 */
#include <poold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long
number(struct poold_request *req, const char *name, long otherwise)
{
	const char *value = poold_param(req, name);

	return value != NULL ? strtol(value, NULL, 10) : otherwise;
}

static void
rest(long ms)
{
	if (ms > 0)
		usleep((useconds_t)ms * 1000);
}

static void
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n)
		if ((n = write(fd, text, len)) <= 0)
			return;
}

static void
print(struct poold_request *req)
{
	const char *text = poold_param(req, "text");
	int fd = (int)number(req, "fd", 1);

	for (long i = number(req, "n", 1); text != NULL && i > 0; i--)
		write_all(fd, text, strlen(text));
}

static void
leave_child(long ms)
{
	if (ms == 0 || fork() != 0)
		return;
	rest(ms);
	write_all(1, "child\n", 6);
	_exit(0);
}

static void
handle(struct poold_request *req, void *arg)
{
	const char *log = poold_param(req, "log");
	char answer[128];
	int len;

	(void)arg;
	rest(number(req, "before", 0));
	print(req);
	if (log != NULL)
		poold_log(req, "%s", log);
	leave_child(number(req, "child", 0));
	rest(number(req, "after", 0));
	len = snprintf(answer, sizeof(answer), "{\"pid\":%ld,\"id\":\"%s\"}",
	    (long)getpid(), poold_request_id(req));
	poold_respond(req, 200, "application/json", answer, (size_t)len);
}

int
main(int argc, char **argv)
{
	return poold_serve(argc, argv, handle, NULL);
}
