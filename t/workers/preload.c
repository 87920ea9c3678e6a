/* SPDX-License-Identifier: ISC */
/*
 * A worker for t/preload.t that takes half a second to load 16 MiB, and is then
 * forked.  GET tells of the process in JSON; ?exit=N ends it.
 *
 * --do WHAT makes its template misbehave, when it can and the file --if exists:
 * exit or hang before READY; exit, hang or lie when it is to fork; thread.
 */
#include <errno.h>
#include <getopt.h>
#include <poold.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/lease.h"

#define LOADED (16 << 20)

static char *loaded;
static int loads, child_calls;
static const char *what = "", *only_if;

static void
nap(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&time, &time) == -1 && errno == EINTR)
		;
}

static bool
does(const char *deed)
{
	return strcmp(what, deed) == 0 && (only_if == NULL || access(only_if, F_OK) == 0);
}

static void *
sleeper(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

static void
load(void)
{
	pthread_t thread;

	if (does("exit-early")) {
		poold_status("cannot load: %s", "as asked");
		exit(3);
	}
	while (does("hang-early"))
		nap(100);
	if (does("thread"))
		pthread_create(&thread, NULL, sleeper, NULL);
	nap(500);
	loaded = malloc(LOADED);
	if (loaded == NULL)
		exit(1);
	memset(loaded, 'x', LOADED);
	loads++;
}

static void
before_fork(void *arg)
{
	(void)arg;
	if (does("exit-late"))
		_exit(4);
	while (does("hang-late"))
		nap(100);
}

static void
after_fork(void *arg)
{
	(void)arg;
	child_calls++;
}

/* A template by hand that names a process that is none of its children. */
static int
lie(void)
{
	struct lease_signal ready = { .type = LEASE_READY };
	struct lease_fork fork_msg;
	struct lease_forked forked = { .type = LEASE_FORKED };
	const char *pid = getenv("LIE_PID");

	if (send(LEASE_FD_CONTROL, &ready, sizeof(ready), 0) == -1)
		return 1;
	while (recv(LEASE_FD_CONTROL, &fork_msg, sizeof(fork_msg), 0) > 0) {
		forked.serial = fork_msg.serial;
		forked.pid = pid != NULL ? (uint32_t)atoi(pid) : (uint32_t)getpid();
		if (send(LEASE_FD_CONTROL, &forked, sizeof(forked), 0) == -1)
			return 1;
	}
	return 0;
}

static void
answer(struct poold_request *req, void *arg)
{
	const char *status = poold_param(req, "exit"), *slot = getenv("POOLD_SLOT");
	char body[512];
	int len;

	(void)arg;
	if (status != NULL)
		_exit(atoi(status));
	len = snprintf(body, sizeof(body),
	    "{\"pid\":%d,\"ppid\":%d,\"sid\":%d,\"slot\":%s,\"loads\":%d,\"child_calls\":%d,"
	    "\"byte\":\"%c\",\"template\":%s}\n",
	    (int)getpid(), (int)getppid(), (int)getsid(0), slot != NULL ? slot : "null",
	    loads, child_calls, loaded[LOADED - 1],
	    getenv("POOLD_TEMPLATE") != NULL ? "true" : "false");
	poold_respond(req, 200, "application/json", body, (size_t)len);
}

int
main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "do", required_argument, NULL, 'd' },
		{ "if", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	struct poold_fork hooks = { .before = before_fork, .child = after_fork };
	int c, status;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (c == 'd')
			what = optarg;
		else if (c == 'i')
			only_if = optarg;
		else
			return 64;
	load();
	if (does("lie") && getenv("POOLD_TEMPLATE") != NULL)
		return lie();
	if (!poold_preload(&hooks, &status))
		return status;
	return poold_serve(argc, argv, answer, NULL);
}
