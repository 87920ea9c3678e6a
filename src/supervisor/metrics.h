/* SPDX-License-Identifier: ISC */
/*
 * What poold tells monitoring systems: families of metrics, each with its
 * samples.  docs/metrics.md describes them, and a test compares the two.
 */
#ifndef SUPERVISOR_METRICS_H
#define SUPERVISOR_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct json_t;
struct supervisor;

/* One family: where its samples come from. */
struct metric {
	const char *name;
	const char *type; /* counter, gauge, histogram */
	const char *help;
	void (*collect)(const struct metric *metric, struct supervisor *supervisor,
	    struct json_t *samples);
	size_t arg; /* for collect: which word of common/stats.h */
};

/* A new reference to the list of families. */
struct json_t *metrics_families(struct supervisor *supervisor);

/* For metrics_service.c, metrics_poold.c: */

extern const struct metric metrics_of_services[];
extern const size_t metrics_of_services_count;
extern const struct metric metrics_of_poold[];
extern const size_t metrics_of_poold_count;

/* Appends a sample; labels and value are taken over.  labels NULL: none. */
void metrics_add(struct json_t *samples, struct json_t *labels, struct json_t *value);
/* Integers that others wrote, who may write anything. */
struct json_t *metrics_count(uint64_t count);

#endif
