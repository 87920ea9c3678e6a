/* SPDX-License-Identifier: ISC */
/* Server-sent events: counts, once every ?interval_ms, to ?count (0: for ever). */
#include <poll.h>
#include <poold.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
number(struct poold_request *req, const char *name, int otherwise)
{
	const char *text = poold_param(req, name);

	return text != NULL ? atoi(text) : otherwise;
}

static void
events(struct poold_request *req, void *arg)
{
	int interval_ms = number(req, "interval_ms", 20);
	int count = number(req, "count", 0), len;
	char text[64];

	(void)arg;
	if (poold_start(req, 200, "text/event-stream", -1) == -1 ||
	    poold_detach(req) == -1)
		return;
	for (int i = 1; (count == 0 || i <= count) && !poold_stopping(); i++) {
		len = snprintf(text, sizeof(text), "data: %d %d\n\n", i, (int)getpid());
		if (poold_write(req, text, (size_t)len) == -1)
			return; /* the client left */
		(void)poll(NULL, 0, interval_ms);
	}
	poold_end(req);
}

int
main(int argc, char **argv)
{
	return poold_serve(argc, argv, events, NULL);
}
