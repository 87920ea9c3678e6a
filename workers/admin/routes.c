/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/answer.h"
#include "common/exposition.h"
#include "admin.h"

#define WAIT_MS	   5000 /* for the supervisor */
#define DETAIL_MAX 512

/* --- answers ----------------------------------------------------------- */

void
admin_answer(struct poold_request *req, int status, json_t *object)
{
	page_protect(req, NULL);
	(void)poold_set_header(req, "Cache-Control", "no-store");
	answer_json(req, status, object);
	poold_finish(req);
}

void
admin_problem(struct poold_request *req, int status, const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	page_protect(req, NULL);
	(void)poold_set_header(req, "Cache-Control", "no-store");
	if (status == 401)
		(void)poold_set_header(req, "WWW-Authenticate", "Bearer");
	answer_problem(req, status, NULL, "%s", detail);
	poold_finish(req);
}

bool
admin_may_look(struct admin *admin, struct poold_request *req)
{
	if (!admin->is_private || guard_who(&admin->guard, req) == GUARD_ADMIN)
		return true;
	admin_problem(req, 401, "this dashboard wants a token");
	return false;
}

/* --- what there is ----------------------------------------------------- */

/* The page's own references are relative: it must be a folder's. */
static void
answer_redirect(struct admin *admin, struct poold_request *req)
{
	char location[1024];

	(void)admin;
	snprintf(location, sizeof(location), "%s/", poold_route(req));
	page_protect(req, NULL);
	(void)poold_set_header(req, "Location", location);
	(void)poold_respond(req, 308, NULL, NULL, 0);
	poold_finish(req);
}

static void
answer_page(struct admin *admin, struct poold_request *req)
{
	page_answer(&admin->page, req);
	poold_finish(req);
}

/* For the page: what it may do, and who it is. */
static void
answer_session(struct admin *admin, struct poold_request *req)
{
	enum guard_verdict who = guard_who(&admin->guard, req);

	admin_answer(req, 200,
	    json_pack("{s:b, s:b, s:b, s:s}", "change", admin->may_change, "private",
		admin->is_private, "admin", who == GUARD_ADMIN, "service",
		admin->service));
}

static void
answer_live(struct admin *admin, struct poold_request *req)
{
	(void)admin;
	admin_answer(req, 200, json_pack("{s:b}", "live", 1));
}

/* What is known may be as old as a second. */
static void
wait_for_round(struct admin *admin, struct poold_request *req, enum visit_kind kind)
{
	struct visit *visit = visit_begin(admin, req, kind, WAIT_MS);
	uint64_t now_ms = watch_now_ms();

	if (visit == NULL)
		return;
	if (watch_is_fresh(&admin->watch, now_ms))
		visit_answer(visit);
	else
		watch_ask(&admin->watch, now_ms);
}

static void
answer_status(struct admin *admin, struct poold_request *req)
{
	if (admin_may_look(admin, req))
		wait_for_round(admin, req, VISIT_STATUS);
}

static void
answer_ready(struct admin *admin, struct poold_request *req)
{
	wait_for_round(admin, req, VISIT_READY);
}

/* For whoever asked for the families alone. */
static void
on_metrics(void *arg, const char *text, size_t len, bool last)
{
	struct visit *visit = arg;
	struct poold_request *req = visit->req;
	json_error_t error;
	json_t *reply = text != NULL ? json_loadb(text, len, 0, &error) : NULL;
	const json_t *families = json_object_get(reply, "families");
	char *page = families != NULL ? exposition_text(families, &len) : NULL;

	(void)last;
	visit->req = NULL;
	visit_end(visit);
	if (req != NULL && page != NULL) {
		page_protect(req, NULL);
		(void)poold_set_header(req, "Cache-Control", "no-store");
		(void)poold_respond(req, 200, EXPOSITION_TYPE, page, len);
		poold_finish(req);
	} else if (req != NULL) {
		admin_problem(req, 503, "the supervisor does not answer");
	}
	free(page);
	json_decref(reply);
}

static void
answer_metrics(struct admin *admin, struct poold_request *req)
{
	struct visit *visit;

	if (!admin_may_look(admin, req) ||
	    (visit = visit_begin(admin, req, VISIT_METRICS, WAIT_MS)) == NULL)
		return;
	if (line_ask(&admin->line, json_pack("{s:s}", "command", "metrics"), false,
		on_metrics, visit))
		return;
	visit->req = NULL;
	visit_end(visit);
	admin_problem(req, 503, "the supervisor does not answer");
}

static void
answer_events(struct admin *admin, struct poold_request *req)
{
	if (admin_may_look(admin, req))
		visit_stream(admin, req);
}

static const struct route {
	const char *path;
	void (*answer)(struct admin *admin, struct poold_request *req);
} routes[] = {
	{ "", answer_redirect },
	{ "/", answer_page },
	{ "/events", answer_events },
	{ "/livez", answer_live },
	{ "/metrics", answer_metrics },
	{ "/readyz", answer_ready },
	{ "/session", answer_session },
	{ "/status.json", answer_status },
};

static bool
is_method(const struct poold_request *req, const char *name)
{
	return strcmp(poold_method(req), name) == 0;
}

void
admin_take(struct admin *admin, struct poold_request *req)
{
	const char *path = poold_path_info(req);

	(void)poold_nonblocking(req);
	if (is_method(req, "POST")) {
		action_take(admin, req, path);
		return;
	}
	if (answer_method(req, "POST")) {
		poold_finish(req);
		return;
	}
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(path, routes[i].path) == 0) {
			routes[i].answer(admin, req);
			return;
		}
	admin_problem(req, 404, "there is no such page");
}
