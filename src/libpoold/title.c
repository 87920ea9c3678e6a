/* SPDX-License-Identifier: ISC */
/*
 * The process title: "poold: search worker 2 (idle, 1247 requests)".
 *
 * At most ten changes a second, with a burst of as many, so that slow requests
 * are always shown and fast ones cost nothing; after a burst one more change
 * says that the worker is idle.
 */
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "libpoold/internal.h"

#define CHANGE_NS (100 * MS_NS)
#define BURST	  10

#ifdef __GLIBC__
/*
 * setproctitle takes over the memory of argv and environ, after copying both.
 * Later than this a program may already hold pointers into the old memory
 * (optarg, getenv) that the first title would overwrite.
 */
__attribute__((constructor)) static void
title_take_memory(int argc, char **argv, char **envp)
{
	setproctitle_init(argc, argv, envp);
}
#endif

void
title_open(struct title *title, const char *prefix)
{
	snprintf(title->prefix, sizeof(title->prefix), "%s", prefix);
	title->busy = false;
	title->requests = 0;
	title->credit_ns = 0;
	setproctitle("-%s (idle, 0 requests)", title->prefix);
}

/* Takes one change from the allowance; false: none is left. */
static bool
title_allowed(struct title *title, uint64_t now_ns)
{
	if (title->credit_ns > now_ns + (BURST - 1) * CHANGE_NS)
		return false;
	if (title->credit_ns < now_ns)
		title->credit_ns = now_ns;
	title->credit_ns += CHANGE_NS;
	return true;
}

void
title_busy(struct title *title, const struct poold_request *req, uint64_t requests,
    uint64_t now_ns)
{
	if (!title_allowed(title, now_ns))
		return;
	title->busy = true;
	setproctitle("-%s (busy %.16s %.80s, %llu request%s)", title->prefix, req->method,
	    req->path, (unsigned long long)requests, requests == 1 ? "" : "s");
}

int
title_idle(struct title *title, uint64_t requests, uint64_t now_ns)
{
	uint64_t ready_ns;

	if (!title->busy && title->requests == requests)
		return -1;
	if (!title_allowed(title, now_ns)) {
		ready_ns = title->credit_ns - (BURST - 1) * CHANGE_NS;
		return (int)((ready_ns - now_ns) / MS_NS) + 1;
	}
	title->busy = false;
	title->requests = requests;
	setproctitle("-%s (idle, %llu request%s)", title->prefix,
	    (unsigned long long)requests, requests == 1 ? "" : "s");
	return -1;
}
