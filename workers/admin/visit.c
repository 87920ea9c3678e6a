/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"

/* A stream that takes nothing for so long is ended: its page connects again. */
#define STUCK_MS 15000
#define WAIT_MS	 5000 /* for the supervisor */

struct visit *
visit_begin(struct admin *admin, struct poold_request *req, enum visit_kind kind,
    uint64_t ms)
{
	struct visit *visit = calloc(1, sizeof(*visit));

	if (visit == NULL) {
		admin_problem(req, 500, "out of memory");
		return NULL;
	}
	visit->admin = admin;
	visit->kind = kind;
	visit->req = req;
	visit->due_ms = watch_now_ms() + ms;
	TAILQ_INSERT_TAIL(&admin->visits, visit, entry);
	admin->counts[kind]++;
	return visit;
}

void
visit_end(struct visit *visit)
{
	struct admin *admin = visit->admin;

	if (visit->req != NULL)
		poold_finish(visit->req);
	TAILQ_REMOVE(&admin->visits, visit, entry);
	admin->counts[visit->kind]--;
	free(visit);
}

/* Its request is answered: nothing is left of it. */
static void
forget(struct visit *visit)
{
	visit->req = NULL;
	visit_end(visit);
}

/* --- streams ----------------------------------------------------------- */

/* What a page that was here before has seen. */
static uint64_t
last_event_id(struct poold_request *req)
{
	const char *field = poold_header(req, "Last-Event-ID");

	return field != NULL ? strtoull(field, NULL, 10) : 0;
}

void
visit_stream(struct admin *admin, struct poold_request *req)
{
	struct visit *visit;

	if (admin->counts[VISIT_STREAM] >= admin->streams_max) {
		(void)poold_set_header(req, "Retry-After", "10");
		admin_problem(req, 503, "%u dashboards are open already",
		    admin->streams_max);
		return;
	}
	page_protect(req, NULL);
	(void)poold_set_header(req, "Cache-Control", "no-store");
	(void)poold_set_header(req, "X-Accel-Buffering", "no"); /* nginx, in front */
	if (poold_start(req, 200, "text/event-stream", -1) == -1 ||
	    poold_detach(req) == -1) {
		poold_finish(req);
		return;
	}
	visit = visit_begin(admin, req, VISIT_STREAM, STUCK_MS);
	if (visit == NULL)
		return;
	visit->event_id = last_event_id(req);
	visit_answer(visit); /* with what is known; it gets more with the next round */
}

static void
put_events(const struct watch *watch, struct visit *visit, FILE *out)
{
	uint64_t first = watch->event_count > WATCH_EVENTS_MAX ?
	    watch->event_count - WATCH_EVENTS_MAX :
	    0;

	if (visit->event_id > watch->last_id)
		visit->event_id = 0; /* of another poold */
	for (uint64_t i = first; i < watch->event_count; i++) {
		const struct watch_event *event = &watch->events[i % WATCH_EVENTS_MAX];

		if (event->text != NULL && event->id > visit->event_id)
			fprintf(out, "event: event\nid: %llu\ndata: %s\n\n",
			    (unsigned long long)event->id, event->text);
	}
}

/* JSON as jansson writes it has no line ends. */
static void
put_round(const struct watch *watch, struct visit *visit, FILE *out)
{
	if (!visit->greeted)
		fprintf(out, "retry: 1000\n\n");
	put_events(watch, visit, out);
	fprintf(out, "event: check\ndata: %s\n\n", watch->check);
	if (watch->slow != NULL &&
	    (!visit->greeted || visit->slow_round != watch->slow_round))
		fprintf(out, "event: slow\ndata: %s\n\n", watch->slow);
	fprintf(out, "event: status\ndata: %s\n\n", watch->status);
}

/* Sends what is new, unless the client is behind: then it gets the next round,
 * and the events of this one with it. */
static void
send_round(struct visit *visit)
{
	const struct watch *watch = &visit->admin->watch;
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int result;

	if (visit->round == watch->round || (out = open_memstream(&text, &len)) == NULL)
		return;
	put_round(watch, visit, out);
	fclose(out);
	result = text != NULL ? poold_write(visit->req, text, len) : 0;
	free(text);
	if (result == -1 && errno == EAGAIN)
		return;
	if (result == -1) {
		visit_end(visit);
		return;
	}
	visit->greeted = true;
	visit->event_id = watch->last_id;
	visit->slow_round = watch->slow_round;
	visit->round = watch->round;
	(void)poold_flush(visit->req);
}

/* Before a round is looked at: who has taken all of the last one has more time. */
static void
note_progress(struct visit *visit, uint64_t now_ms)
{
	if (poold_flush(visit->req) == 0)
		visit->due_ms = now_ms + STUCK_MS;
}

/* --- those who wait for a round ---------------------------------------- */

static void
answer_status(struct visit *visit)
{
	const struct watch *watch = &visit->admin->watch;

	page_protect(visit->req, NULL);
	(void)poold_set_header(visit->req, "Cache-Control", "no-store");
	(void)poold_respond(visit->req, 200, "application/json", watch->status,
	    strlen(watch->status));
	visit_end(visit);
}

static void
answer_ready(struct visit *visit)
{
	json_t *reasons = json_array();
	bool ready = watch_is_ready(&visit->admin->watch, reasons);

	if (!ready)
		(void)poold_set_header(visit->req, "Retry-After", "1");
	admin_answer(visit->req, ready ? 200 : 503,
	    json_pack("{s:b, s:o}", "ready", ready, "reasons", reasons));
	forget(visit);
}

void
visit_answer(struct visit *visit)
{
	bool known = visit->admin->watch.known;

	if (visit->kind == VISIT_READY)
		answer_ready(visit);
	else if (visit->kind == VISIT_STATUS && known)
		answer_status(visit);
	else if (visit->kind == VISIT_STREAM && known)
		send_round(visit);
}

void
visits_round(void *arg)
{
	struct admin *admin = arg;
	struct visit *visit, *next;

	TAILQ_FOREACH_SAFE (visit, &admin->visits, entry, next)
		visit_answer(visit);
}

/* --- time -------------------------------------------------------------- */

static void
end_late(struct visit *visit)
{
	struct poold_request *req = visit->req;

	switch (visit->kind) {
	case VISIT_DENIED:
		forget(visit);
		admin_problem(req, 401, "the token is wrong");
		break;
	case VISIT_READY:
		answer_ready(visit);
		break;
	case VISIT_STREAM:
		visit_end(visit);
		break;
	case VISIT_METRICS:
	case VISIT_ACTION:
		/* the reply will come, and find nobody */
		visit->req = NULL;
		visit->due_ms = UINT64_MAX;
		if (req != NULL)
			admin_problem(req, 504, "the supervisor does not answer");
		break;
	default:
		forget(visit);
		admin_problem(req, 504, "the supervisor does not answer");
		break;
	}
}

int
visits_due(struct admin *admin, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;
	struct visit *visit, *next;

	TAILQ_FOREACH_SAFE (visit, &admin->visits, entry, next) {
		if (visit->kind == VISIT_STREAM)
			note_progress(visit, now_ms);
		if (visit->due_ms <= now_ms)
			end_late(visit);
		else if (visit->due_ms < next_ms)
			next_ms = visit->due_ms;
	}
	if (next_ms == UINT64_MAX)
		return -1;
	return next_ms - now_ms > WAIT_MS ? WAIT_MS : (int)(next_ms - now_ms);
}

void
visits_leave(struct admin *admin)
{
	struct visit *visit, *next;

	TAILQ_FOREACH_SAFE (visit, &admin->visits, entry, next)
		if (visit->kind == VISIT_STREAM)
			visit_end(visit);
}
