/* SPDX-License-Identifier: ISC */
/* What the router says.  It serves whoever connects: what it names is looked for,
 * and what does not fit is ignored. */
#include <string.h>

#include "common/log.h"
#include "supervisor/link.h"
#include "supervisor/pool.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"
#include "supervisor/trouble.h"

static void
on_gone_seen(struct link *link, const struct role_worker *role)
{
	struct pool *pool = service_find_pool(&link->supervisor->services,
	    role->generation);

	if (pool != NULL && role->worker < pool->worker_count)
		worker_event(&pool->workers[role->worker], WORKER_ON_SETTLED);
}

static void
on_kill(struct link *link, const struct role_kill *role)
{
	struct worker *worker = service_find_worker(&link->supervisor->services,
	    role->pid);

	/* only a worker of the very generation that the message came from */
	if (worker == NULL || worker->pool->id != role->generation)
		return;
	log_warn("service %s: worker %u (pid %d) broke the lease contract",
	    worker->pool->service->name, worker->slot, (int)role->pid);
	worker->reason = TALLY_CONTRACT;
	worker_event(worker, WORKER_ON_KILL);
}

static void
on_stuck(struct link *link, const struct role_stuck *role, size_t len)
{
	struct worker *worker = service_find_worker(&link->supervisor->services,
	    role->pid);

	if (len != sizeof(*role) + role->line_len || worker == NULL ||
	    worker->pool->id != role->generation || worker->slot != role->worker)
		return;
	if (role->type == ROLE_SLOW)
		stuck_slow(worker, role);
	else
		stuck_report(worker, role);
}

static void
on_load(struct link *link, const struct role_load *role)
{
	struct pool *pool = service_find_pool(&link->supervisor->services,
	    role->generation);

	/* the queue is the service's: of two generations, who serves has it */
	if (pool != NULL &&
	    (pool->service->current == NULL || pool->service->current == pool))
		strength_report(pool, role->queued);
}

static void
on_answer(struct link *link, const struct role_answer *role)
{
	control_answered(&link->supervisor->control, role->id, role->connections);
}

/* What a worker does, in an answer that is under way. */
static void
on_request(struct link *link, const struct role_request *role, size_t len)
{
	struct worker *worker = service_find_worker(&link->supervisor->services,
	    role->pid);
	struct worker_request *request;

	if (worker == NULL || worker->pool->id != role->generation ||
	    worker->slot != role->worker || role->line_len > ROLE_REQUEST_MAX ||
	    len != sizeof(*role) + role->line_len)
		return;
	request = &worker->request;
	if (request->query == role->query)
		return; /* of several the oldest, which comes first */
	request->query = role->query;
	request->serial = role->serial;
	memcpy(request->id, role->request_id, sizeof(request->id));
	memcpy(request->line, role->line, role->line_len);
	request->line[role->line_len] = '\0';
	for (char *p = request->line; *p != '\0'; p++) /* a client may send anything */
		if (*p < ' ' || *p >= 0x7f)
			*p = '?';
}

static void
on_outlier(struct link *link, const struct role_outlier *role)
{
	struct worker *worker = service_find_worker(&link->supervisor->services,
	    role->pid);

	if (worker == NULL || worker->pool->id != role->generation ||
	    worker->state != WORKER_RUNNING)
		return;
	log_warn("service %s: worker %u (pid %d) answered %u requests in a row with 5xx; "
		 "it is recycled",
	    worker->pool->service->name, worker->slot, (int)role->pid, role->failures);
	worker->reason = TALLY_OUTLIER;
	worker_event(worker, WORKER_ON_RECYCLE);
}

static void
on_retired(struct link *link, const struct role_id *role)
{
	struct pool *pool = service_find_pool(&link->supervisor->services, role->id);

	if (pool != NULL)
		pool_event(pool, POOL_ON_RETIRED);
}

void
link_said(void *owner, const void *buf, size_t len)
{
	struct link *link = owner;
	const struct role_id *role = buf;

	if (len < sizeof(*role))
		return;
	if (role->type == ROLE_GONE_SEEN && len == sizeof(struct role_worker))
		on_gone_seen(link, buf);
	else if (role->type == ROLE_KILL && len == sizeof(struct role_kill))
		on_kill(link, buf);
	else if ((role->type == ROLE_STUCK || role->type == ROLE_SLOW) &&
	    len >= sizeof(struct role_stuck))
		on_stuck(link, buf, len);
	else if (role->type == ROLE_LOAD && len == sizeof(struct role_load))
		on_load(link, buf);
	else if (role->type == ROLE_ANSWER && len == sizeof(struct role_answer))
		on_answer(link, buf);
	else if (role->type == ROLE_REQUEST && len >= sizeof(struct role_request))
		on_request(link, buf, len);
	else if (role->type == ROLE_BREAKER && len == sizeof(struct role_breaker))
		trouble_on_breaker(link->supervisor, buf);
	else if (role->type == ROLE_OUTLIER && len == sizeof(struct role_outlier))
		on_outlier(link, buf);
	else if (role->type == ROLE_RETIRED)
		on_retired(link, role);
	else if (role->type == ROLE_DRAINED)
		stop_drained(link->supervisor);
	else if (role->type == ROLE_TAKEN)
		link_old_taken(link, role->id);
}
