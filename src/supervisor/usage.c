/* SPDX-License-Identifier: ISC */
#include "supervisor/usage.h"

#include <string.h>
#include <sys/resource.h>

#include "common/util.h"
#include "supervisor/load.h"

#define ROUND_NS     (12 * MS_NS)
#define FRESH_NS     (1000 * MS_NS)
#define FRESH_MAX_NS (60000 * MS_NS)

void
usage_begin(struct usage_clock *clock)
{
	uint64_t now_ns = util_now_ns();

	/* those that come first are not to take the time of the others for
	 * ever: then all are looked at less often */
	if (clock->skipped == 0 || clock->fresh_ns == 0)
		clock->fresh_ns = FRESH_NS;
	else if (clock->fresh_ns < FRESH_MAX_NS)
		clock->fresh_ns *= 2;
	clock->skipped = 0;
	clock->now_ns = now_ns;
	clock->until_ns = now_ns + ROUND_NS;
}

const struct usage *
usage_look(struct usage_clock *clock, struct usage *usage, pid_t pid)
{
	uint64_t now_ns, cpu_us;

	if (usage->pid != pid)
		*usage = (struct usage){ .pid = pid };
	if (pid == 0 ||
	    (usage->looked_ns != 0 && clock->now_ns < usage->looked_ns + clock->fresh_ns))
		return usage;
	now_ns = util_now_ns();
	if (now_ns > clock->until_ns) {
		clock->skipped++;
		return usage;
	}
	usage->looked_ns = now_ns;
	usage->memory = load_rss(pid);
	cpu_us = load_cpu_us(pid);
	if (cpu_us > usage->cpu_us) /* 0: it could not be read */
		usage->cpu_us = cpu_us;
	return usage;
}

uint64_t
usage_end(struct usage *usage, uint64_t cpu_us)
{
	if (usage->cpu_us > cpu_us)
		cpu_us = usage->cpu_us;
	memset(usage, 0, sizeof(*usage));
	return cpu_us;
}

uint64_t
usage_us(const struct rusage *used)
{
	return (uint64_t)(used->ru_utime.tv_sec + used->ru_stime.tv_sec) * 1000000 +
	    (uint64_t)(used->ru_utime.tv_usec + used->ru_stime.tv_usec);
}
