/* SPDX-License-Identifier: ISC */
#include "supervisor/trouble.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

#define BARREN_MAX 3 /* processes of a slot in a row that answered nothing */

/* What the worker says of itself; it can only deceive about itself. */
static bool
has_answered(const struct worker *worker)
{
	const struct lease_board *board = &worker->pool->board;

	return worker->ready_ns != 0 &&
	    atomic_load(&lease_worker_at(board, worker->slot)->requests) > 0;
}

void
trouble_note_failure(struct worker *worker)
{
	if (worker->barren++ == 0)
		worker->barren_since_ns = worker->spawned_ns;
}

void
trouble_note_end(struct worker *worker, bool young)
{
	bool late = worker->ready_ns == 0 && worker->killed_for != NULL;

	if (!pool_is_leased(worker->pool))
		return;
	if (has_answered(worker))
		worker->barren = 0;
	/* that it was not needed is no fault of its own */
	if (worker->asked_to_leave && worker->killed_for == NULL)
		return;
	if (!young)
		worker->barren = 0;
	else if (!has_answered(worker) && !worker->timed_out)
		trouble_note_failure(worker);
	if (late && !worker->asked_to_leave && worker->barren < BARREN_MAX)
		worker->barren = BARREN_MAX; /* that took long enough */
}

/* Nothing good is to be expected of the slot soon: its processes do nothing but
 * die; or, if they do answer before, the next one is so far away that whoever
 * waits now waits in vain. */
static bool
is_hopeless(const struct worker *worker)
{
	uint64_t patience_ns = (uint64_t)worker->pool->config->queue_timeout_ms * MS_NS;

	if (worker_is_going(worker))
		return false;
	/* one that is told to stop may have answered, whatever those before it did */
	return (worker->barren >= BARREN_MAX && !has_answered(worker)) ||
	    (worker->state == WORKER_WAITING &&
		worker->timer.deadline_ns > util_now_ns() + patience_ns);
}

/* When the first of the pool's workers is started, or was just now. */
static uint64_t
next_start_ns(const struct pool *pool)
{
	uint64_t now_ns = util_now_ns(), start_ns = UINT64_MAX;

	for (uint32_t i = 0; i < pool->worker_count; i++) {
		const struct worker *worker = &pool->workers[i];
		uint64_t ns = now_ns;

		if (worker->state == WORKER_EMPTY)
			continue;
		if (worker->state == WORKER_WAITING && loop_timer_is_set(&worker->timer))
			ns = worker->timer.deadline_ns;
		if (ns < start_ns)
			start_ns = ns;
	}
	return start_ns;
}

/*
 * Leases that were sent to workers which died before they received them lie in the
 * queue for the next one.  Where none is to be hoped for, they would lie there for
 * ever, since only a worker takes them out, and their clients would wait: so they
 * are thrown away.  The router keeps its own descriptors, sees that the queue is
 * empty and has the requests again (router/settle.c).  Bounded: a router that goes
 * on sending does not keep us here.
 */
static void
empty_queue(struct pool *pool)
{
	struct lease_signal scratch;
	bool truncated;
	ssize_t n = 1;
	int fd;

	for (uint32_t i = 0; i < LEASE_SLOTS_MAX && n > 0; i++) {
		n = msg_recv_fd(pool->queue[POOL_WORKER_END], &scratch, sizeof(scratch),
		    MSG_DONTWAIT, &fd, &truncated);
		if (fd != -1)
			close(fd);
	}
}

void
trouble_tell(struct pool *pool)
{
	struct role_trouble role = { .type = ROLE_TROUBLE, .generation = pool->id };
	uint64_t since_ns;

	if (!pool_is_leased(pool))
		return;
	for (uint32_t i = 0; i < pool->worker_count; i++) {
		const struct worker *worker = &pool->workers[i];

		if (worker->state == WORKER_EMPTY)
			continue; /* nobody is wanted there */
		if (!is_hopeless(worker))
			return;
		if (worker->failures > role.failures)
			role.failures = worker->failures;
		since_ns = worker->barren >= BARREN_MAX ? worker->barren_since_ns :
							  util_now_ns();
		if (since_ns > role.since_ns)
			role.since_ns = since_ns;
	}
	if (role.failures == 0)
		return;
	empty_queue(pool);
	role.start_ns = next_start_ns(pool);
	pool->in_trouble = true;
	link_send(&pool->supervisor->link, &role, sizeof(role), NULL, 0);
}

/* --- what the breakers do ---------------------------------------------- */

static void
format_why(const struct role_breaker *role, char *text, size_t size)
{
	double seconds = (double)role->time_ns / 1e9;

	switch ((enum role_breaker_why)role->why) {
	case ROLE_BREAKER_RATE:
		snprintf(text, size, "%u of %u requests failed; all get 503 for %.1f s",
		    role->failed, role->requests, seconds);
		break;
	case ROLE_BREAKER_TRIAL:
		snprintf(text, size, "a trial request failed; all get 503 for %.1f s",
		    seconds);
		break;
	case ROLE_BREAKER_DOWN:
		snprintf(text, size,
		    "no worker is ready, and one failed %u times in a row; all "
		    "requests get 503 until one is ready",
		    role->failures);
		break;
	case ROLE_BREAKER_TIME:
		snprintf(text, size, "%u request%s at a time may try", role->trials,
		    role->trials == 1 ? "" : "s");
		break;
	case ROLE_BREAKER_READY:
		snprintf(text, size, "a worker is ready; %u request%s at a time may try",
		    role->trials, role->trials == 1 ? "" : "s");
		break;
	case ROLE_BREAKER_PASSED:
		snprintf(text, size, "%u trial request%s ended well", role->trials,
		    role->trials == 1 ? "" : "s");
		break;
	case ROLE_BREAKER_FRESH:
	case ROLE_BREAKER_WHYS:
		snprintf(text, size, "another generation serves");
		break;
	}
}

void
trouble_on_breaker(struct supervisor *supervisor, const struct role_breaker *role)
{
	static const char *const names[] = { "closed", "open", "half-open" };
	struct role_breaker copy = *role;
	struct service *service;
	char why[160];

	copy.service[sizeof(copy.service) - 1] = '\0';
	service = service_find(&supervisor->services, copy.service);
	if (service == NULL || copy.state >= ROLE_BREAKER_STATES ||
	    copy.why >= ROLE_BREAKER_WHYS)
		return;
	service->breaker = copy.state;
	format_why(&copy, why, sizeof(why));
	if (copy.state == ROLE_BREAKER_OPEN)
		log_warn("service %s: the circuit breaker is open: %s", service->name,
		    why);
	else
		log_info("service %s: the circuit breaker is %s: %s", service->name,
		    names[copy.state], why);
	event_tell(supervisor, "breaker", service->name, "s:s, s:s", "state",
	    names[copy.state], "reason", why);
	supervisor_title_touch(supervisor);
}

void
trouble_forget_breakers(struct supervisor *supervisor)
{
	struct service *service;

	TAILQ_FOREACH (service, &supervisor->services, entry)
		service->breaker = ROLE_BREAKER_CLOSED;
}
