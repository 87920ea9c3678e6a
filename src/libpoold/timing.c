/* SPDX-License-Identifier: ISC */
/* Where the time of a request goes: phases that the handler names, and what the
 * client is told of it (Server-Timing, W3C). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libpoold/internal.h"

void
timing_reset(struct timing *timing)
{
	timing->shown = timing->open = false;
	timing->phases.count = 0;
}

void
timing_end(struct timing *timing)
{
	if (!timing->open)
		return;
	timing->open = false;
	/* there is room: poold_phase looked */
	(void)phases_add(&timing->phases, timing->name,
	    (util_now_ns() - timing->began_ns) / 1000);
}

int
poold_phase(struct poold_request *req, const char *name)
{
	struct timing *timing = &req->timing;

	timing_end(timing);
	if (name == NULL)
		return 0;
	if (!phases_name_valid(name)) {
		errno = EINVAL;
		return -1;
	}
	if (!phases_add(&timing->phases, name, 0)) {
		errno = ENOSPC;
		return -1;
	}
	strlcpy(timing->name, name, sizeof(timing->name));
	timing->began_ns = util_now_ns();
	timing->open = true;
	return 0;
}

/* Appends "name;dur=MS" to text. */
static void
add(char text[TIMING_TEXT_SIZE], size_t *len, const char *name, uint64_t us)
{
	*len += (size_t)snprintf(text + *len, TIMING_TEXT_SIZE - *len,
	    "%s%s;dur=%llu.%03u", *len > 0 ? ", " : "", name,
	    (unsigned long long)(us / 1000), (unsigned)(us % 1000));
}

static uint64_t
us_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
}

void
timing_format(const struct poold_request *req, char text[TIMING_TEXT_SIZE])
{
	const struct phases *phases = &req->timing.phases;
	size_t len = 0;

	add(text, &len, "router", us_between(req->arrived_ns, req->queued_ns));
	add(text, &len, "queue", us_between(req->queued_ns, req->started_ns));
	add(text, &len, "app", us_between(req->started_ns, util_now_ns()));
	for (uint32_t i = 0; i < phases->count; i++)
		add(text, &len, phases->list[i].name, phases->list[i].us);
}
