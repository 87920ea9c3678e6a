/* SPDX-License-Identifier: ISC */
/* What poolctl top shows: the last replies of poold, and samples over time. */
#ifndef POOLCTL_TOP_MODEL_H
#define POOLCTL_TOP_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#define TOP_SAMPLES 120

/* Unknown numbers are negative. */
struct top_service {
	TAILQ_ENTRY(top_service) entry;
	char *name;
	const json_t *json; /* of the model's status; NULL: it is gone */
	double rate;	    /* requests a second */
	double error_rate;  /* responses with 5xx a second */
	double p50, p99;    /* seconds */
	double queued, busy, workers, memory, restarts;
	double cpu;			      /* of one processor: 1 is all of it */
	double samples[TOP_SAMPLES];	      /* of rate; a ring */
	size_t sample_count;		      /* ever */
	double requests, errors, cpu_seconds; /* so far, when it was looked at */
	bool open;			      /* its workers are shown */
};
TAILQ_HEAD(top_services, top_service);

struct top_model {
	json_t *status, *check; /* the last replies; NULL: none yet */
	json_t *before;		/* the status before */
	double at, passed;	/* seconds: when, and since the one before */
	struct top_services services;
	struct top_service **order; /* sorted */
	size_t count;
};

/* What services can be sorted by; descending but for text. */
struct top_sort {
	char key; /* that is pressed */
	const char *name;
	/* NULL: by name, or by state */
	double (*value)(const struct top_service *service);
};
extern const struct top_sort top_sorts[];
extern const size_t top_sort_count;

void top_model_init(struct top_model *model);
/* Takes a reply to status over, which came at (seconds of a clock). */
void top_model_status(struct top_model *model, json_t *reply, double at);
/* ... to check. */
void top_model_check(struct top_model *model, json_t *reply);
void top_model_sort(struct top_model *model, const struct top_sort *sort, bool reverse);
void top_model_free(struct top_model *model);

/* The part of a processor that a worker took between two replies; negative: not
 * known. */
double top_model_cpu(const struct top_model *model, const struct top_service *service,
    const json_t *worker);

/* A number of a JSON object; -1 when there is none. */
double top_number(const json_t *object, const char *key);
/* A text of it, the object's; "-" when there is none. */
const char *top_text(const json_t *object, const char *key);

#endif
