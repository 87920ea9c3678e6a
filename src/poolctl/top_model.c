/* SPDX-License-Identifier: ISC */
#include "poolctl/top_model.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

double
top_number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : -1;
}

const char *
top_text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL ? value : "-";
}

/* --- services ---------------------------------------------------------- */

static struct top_service *
find_or_add(struct top_model *model, const char *name)
{
	struct top_service *service;

	TAILQ_FOREACH (service, &model->services, entry)
		if (strcmp(service->name, name) == 0)
			return service;
	service = calloc(1, sizeof(*service));
	if (service == NULL || (service->name = strdup(name)) == NULL)
		err(EX_OSERR, "calloc");
	service->requests = service->errors = service->cpu_seconds = -1;
	service->rate = service->error_rate = service->cpu = -1;
	TAILQ_INSERT_TAIL(&model->services, service, entry);
	return service;
}

static void
service_free(struct top_model *model, struct top_service *service)
{
	TAILQ_REMOVE(&model->services, service, entry);
	free(service->name);
	free(service);
}

/* Of a number that only grows, a second; *last is what it was. */
static double
growth(double *last, double now, double passed)
{
	double before = *last;

	*last = now;
	if (now < 0 || before < 0 || now < before || passed <= 0)
		return -1;
	return (now - before) / passed;
}

static void
add_sample(struct top_service *service, double rate)
{
	service->samples[service->sample_count++ % TOP_SAMPLES] = rate < 0 ? 0 : rate;
}

/* What poold has sampled before we came. */
static void
add_past(struct top_service *service)
{
	const json_t *history = json_object_get(service->json, "history");
	const json_t *rates = json_object_get(history, "rate");

	for (size_t i = 0; i < json_array_size(rates); i++)
		if (json_is_number(json_array_get(rates, i)))
			add_sample(service, json_number_value(json_array_get(rates, i)));
}

static void
take_in(struct top_service *service, const json_t *json, double passed)
{
	double rate = growth(&service->requests, top_number(json, "requests"), passed);
	double ready = top_number(json, "workers_ready");

	service->json = json;
	service->rate = rate >= 0 ? rate : top_number(json, "requests_per_second");
	service->error_rate = growth(&service->errors, top_number(json, "errors"),
	    passed);
	service->cpu = growth(&service->cpu_seconds, top_number(json, "cpu_seconds"),
	    passed);
	service->p50 = top_number(json, "p50_seconds");
	service->p99 = top_number(json, "p99_seconds");
	service->queued = top_number(json, "queued");
	service->busy = top_number(json, "workers_busy");
	service->workers = ready;
	service->memory = top_number(json, "memory_bytes");
	service->restarts = top_number(json, "restarts");
	if (service->sample_count == 0)
		add_past(service);
	add_sample(service, service->rate);
}

static void
forget_gone(struct top_model *model)
{
	struct top_service *service, *next;

	TAILQ_FOREACH_SAFE (service, &model->services, entry, next)
		if (service->json == NULL)
			service_free(model, service);
}

void
top_model_status(struct top_model *model, json_t *reply, double at)
{
	const json_t *services = json_object_get(reply, "services");
	struct top_service *service;
	size_t count = json_array_size(services);

	json_decref(model->before);
	model->before = model->status;
	model->status = reply;
	model->passed = model->before != NULL ? at - model->at : 0;
	model->at = at;
	TAILQ_FOREACH (service, &model->services, entry)
		service->json = NULL;
	for (size_t i = 0; i < count; i++) {
		const json_t *json = json_array_get(services, i);

		take_in(find_or_add(model, top_text(json, "service")), json,
		    model->passed);
	}
	forget_gone(model);
	free(model->order);
	model->order = calloc(count + 1, sizeof(struct top_service *));
	if (model->order == NULL)
		err(EX_OSERR, "calloc");
	model->count = 0;
	TAILQ_FOREACH (service, &model->services, entry)
		model->order[model->count++] = service;
}

void
top_model_check(struct top_model *model, json_t *reply)
{
	json_decref(model->check);
	model->check = reply;
}

/* --- a worker ---------------------------------------------------------- */

static const json_t *
find_worker(const json_t *status, const char *name, json_int_t pid)
{
	const json_t *services = json_object_get(status, "services"), *workers;

	for (size_t i = 0; i < json_array_size(services); i++) {
		const json_t *service = json_array_get(services, i);

		if (strcmp(top_text(service, "service"), name) != 0)
			continue;
		workers = json_object_get(service, "workers");
		for (size_t w = 0; w < json_array_size(workers); w++) {
			const json_t *worker = json_array_get(workers, w);

			if (json_integer_value(json_object_get(worker, "pid")) == pid)
				return worker;
		}
	}
	return NULL;
}

double
top_model_cpu(const struct top_model *model, const struct top_service *service,
    const json_t *worker)
{
	json_int_t pid = json_integer_value(json_object_get(worker, "pid"));
	double now = top_number(worker, "cpu_seconds"), before;

	if (now < 0 || pid == 0 || model->passed <= 0)
		return -1;
	before = top_number(find_worker(model->before, service->name, pid),
	    "cpu_seconds");
	return before < 0 || now < before ? -1 : (now - before) / model->passed;
}

/* --- order ------------------------------------------------------------- */

#define BY(member)                                             \
	static double by_##member(const struct top_service *s) \
	{                                                      \
		return s->member;                              \
	}
BY(rate)
BY(p99)
BY(error_rate)
BY(memory)
BY(queued)
BY(cpu)
BY(busy)
BY(restarts)

/* How bad a state is. */
static double
by_state(const struct top_service *service)
{
	static const char *const states[] = { "running", "asleep", "stopping", "drained",
		"starting", "degraded", "down", "failing" };
	const char *state = top_text(service->json, "state");

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(state, states[i]) == 0)
			return (double)i;
	return -1;
}

const struct top_sort top_sorts[] = {
	{ 'n', "name", NULL },
	{ 's', "state", by_state },
	{ 'r', "requests a second", by_rate },
	{ 'l', "latency (p99)", by_p99 },
	{ 'e', "errors a second", by_error_rate },
	{ 'u', "queue", by_queued },
	{ 'b', "busy workers", by_busy },
	{ 'c', "CPU", by_cpu },
	{ 'm', "memory", by_memory },
	{ 't', "restarts", by_restarts },
};
const size_t top_sort_count = sizeof(top_sorts) / sizeof(top_sorts[0]);

struct order {
	const struct top_sort *sort;
	bool reverse;
};

static int
compare(const void *a, const void *b, void *with)
{
	const struct top_service *one = *(struct top_service *const *)a;
	const struct top_service *other = *(struct top_service *const *)b;
	const struct order *order = with;
	int result = 0;

	if (order->sort->value != NULL) {
		double x = order->sort->value(one), y = order->sort->value(other);

		result = (x < y) - (x > y);
		if (result == 0)
			return strcmp(one->name, other->name);
	} else
		result = strcmp(one->name, other->name);
	return order->reverse ? -result : result;
}

void
top_model_sort(struct top_model *model, const struct top_sort *sort, bool reverse)
{
	struct order order = { sort, reverse };

	if (model->count > 1)
		qsort_r(model->order, model->count, sizeof(struct top_service *), compare,
		    &order);
}

/* --- begin and end ----------------------------------------------------- */

void
top_model_init(struct top_model *model)
{
	memset(model, 0, sizeof(*model));
	TAILQ_INIT(&model->services);
}

void
top_model_free(struct top_model *model)
{
	struct top_service *service;

	while ((service = TAILQ_FIRST(&model->services)) != NULL)
		service_free(model, service);
	json_decref(model->status);
	json_decref(model->before);
	json_decref(model->check);
	free(model->order);
}
