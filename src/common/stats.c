/* SPDX-License-Identifier: ISC */
#include "common/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- times ------------------------------------------------------------- */

/* The three parts of a decade, in eighths of its first value. */
enum { EIGHTHS = 8, QUARTERS = 12, HALVES = 10 };

unsigned
stats_bucket(uint64_t ns)
{
	uint64_t first = STATS_DECADE_FIRST;
	unsigned before = 1;

	if (ns < first)
		return 0;
	while (ns >= first * 10) {
		first *= 10;
		before += STATS_IN_DECADE;
		if (before > STATS_DECADES * STATS_IN_DECADE)
			return STATS_BUCKETS - 1;
	}
	if (ns < first * 2)
		return before + (unsigned)((ns - first) / (first / 8));
	before += EIGHTHS;
	if (ns < first * 5)
		return before + (unsigned)((ns - first * 2) / (first / 4));
	before += QUARTERS;
	return before + (unsigned)((ns - first * 5) / (first / 2));
}

uint64_t
stats_bucket_ns(unsigned bucket)
{
	uint64_t first = STATS_DECADE_FIRST;

	if (bucket == 0)
		return 0;
	for (bucket--; bucket >= STATS_IN_DECADE; bucket -= STATS_IN_DECADE)
		first *= 10;
	if (bucket < EIGHTHS)
		return first + bucket * (first / 8);
	bucket -= EIGHTHS;
	if (bucket < QUARTERS)
		return first * 2 + bucket * (first / 4);
	return first * 5 + (bucket - QUARTERS) * (first / 2);
}

void
stats_note(struct stats_times *times, uint64_t ns)
{
	stats_add(&times->buckets[stats_bucket(ns)], 1);
	stats_add(&times->sum_ns, ns);
}

double
stats_quantile(const uint32_t counts[STATS_BUCKETS], double share)
{
	uint64_t all = 0, rank, seen = 0;
	unsigned i;

	for (i = 0; i < STATS_BUCKETS; i++)
		all += counts[i];
	if (all == 0)
		return -1;
	rank = (uint64_t)(share * (double)all + 0.999999);
	for (i = 0; i < STATS_BUCKETS - 1; i++) {
		seen += counts[i];
		if (seen >= rank && counts[i] > 0)
			break;
	}
	if (i == STATS_BUCKETS - 1) /* it has no end */
		return (double)stats_bucket_ns(i) / 1e9;
	return (double)(stats_bucket_ns(i) + stats_bucket_ns(i + 1)) / 2e9;
}

/* --- memory ------------------------------------------------------------ */

int
stats_create(void)
{
	struct stats *stats;
	int fd = memfd_create("poold-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	if (ftruncate(fd, sizeof(*stats)) == -1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1) {
		close(fd);
		return -1;
	}
	stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stats == MAP_FAILED) {
		close(fd);
		return -1;
	}
	stats->magic = STATS_MAGIC;
	stats->version = STATS_VERSION;
	stats->size = sizeof(*stats);
	munmap(stats, sizeof(*stats));
	return fd;
}

struct stats *
stats_map(int fd)
{
	struct stats *stats;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	/* of another size, or one that could shrink under our hands */
	if (fstat(fd, &st) == -1 || (uint64_t)st.st_size != sizeof(*stats) ||
	    seals == -1 || !(seals & F_SEAL_SHRINK))
		return NULL;
	stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stats == MAP_FAILED)
		return NULL;
	if (stats->magic == STATS_MAGIC && stats->version == STATS_VERSION &&
	    stats->size == sizeof(*stats))
		return stats;
	munmap(stats, sizeof(*stats));
	return NULL;
}

void
stats_unmap(struct stats *stats)
{
	if (stats != NULL)
		munmap(stats, sizeof(*stats));
}

/* --- names ------------------------------------------------------------- */

static const struct {
	unsigned status;
	const char *name;
} refusals[STATS_REFUSALS] = {
	[STATS_QUEUE_FULL] = { 503, "queue_full" },
	[STATS_QUEUE_TIMEOUT] = { 503, "queue_timeout" },
	[STATS_BREAKER_OPEN] = { 503, "breaker_open" },
	[STATS_DRAINED] = { 503, "drained" },
	[STATS_NOT_TAKEN] = { 503, "not_taken" },
	[STATS_REMOVED] = { 503, "removed" },
	[STATS_NO_MEMORY] = { 503, "no_memory" },
	[STATS_WORKER_DIED] = { 502, "worker_died" },
	[STATS_WORKER_LATE] = { 504, "request_timeout" },
	[STATS_BODY_CUT] = { 400, "body_cut" },
	[STATS_BODY_LATE] = { 408, "body_timeout" },
	[STATS_BODY_LARGE] = { 413, "body_too_large" },
};

unsigned
stats_refusal_status(enum stats_refusal refusal)
{
	return refusals[refusal].status;
}

const char *
stats_refusal_name(enum stats_refusal refusal)
{
	return refusals[refusal].name;
}

static const uint16_t statuses[STATS_STATUSES] = {
	[STATS_204] = 204,
	[STATS_400] = 400,
	[STATS_404] = 404,
	[STATS_408] = 408,
	[STATS_413] = 413,
	[STATS_414] = 414,
	[STATS_431] = 431,
	[STATS_501] = 501,
	[STATS_503] = 503,
	[STATS_505] = 505,
};

unsigned
stats_status_code(enum stats_status status)
{
	return statuses[status];
}

enum stats_status
stats_status_of(unsigned code)
{
	for (unsigned i = 0; i < STATS_OTHER; i++)
		if (statuses[i] == code)
			return (enum stats_status)i;
	return STATS_OTHER;
}
