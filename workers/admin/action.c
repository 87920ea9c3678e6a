/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"

#define BODY_MAX  4096
#define DENIED_MS 1000 /* how long a wrong token waits for its answer */
#define REPLY_MS  10000

/* --- who asks ---------------------------------------------------------- */

/*
 * A wrong token is answered late, and while many wait no other one is looked at:
 * 16 guesses a second are hopeless, and who has a cookie is not in the way of that.
 */
static void
deny(struct admin *admin, struct poold_request *req)
{
	poold_log(req, "a wrong token, from %s", poold_client_address(req));
	visit_begin(admin, req, VISIT_DENIED, DENIED_MS);
}

static bool
may_try(struct admin *admin, struct poold_request *req)
{
	if (admin->counts[VISIT_DENIED] < ADMIN_DENIED_MAX)
		return true;
	(void)poold_set_header(req, "Retry-After", "2");
	admin_problem(req, 429, "there were too many wrong tokens");
	return false;
}

/* The body as a JSON object; NULL when it was answered. */
static json_t *
read_object(struct poold_request *req)
{
	json_error_t error;
	json_t *object;
	const void *body;
	size_t len;

	if (poold_body_length(req) < 0) {
		admin_problem(req, 411, "the body's length must be known");
		return NULL;
	}
	body = poold_body(req, BODY_MAX, &len);
	if (body == NULL) {
		admin_problem(req, errno == EMSGSIZE ? 413 : 400,
		    errno == EMSGSIZE ? "the body is too long" : "the body did not come");
		return NULL;
	}
	object = len > 0 ? json_loadb(body, len, JSON_REJECT_DUPLICATES, &error) :
			   json_object();
	if (json_is_object(object))
		return object;
	json_decref(object);
	admin_problem(req, 400, "the body is no JSON object");
	return NULL;
}

static void
log_in(struct admin *admin, struct poold_request *req)
{
	json_t *body;
	const char *token;

	if (!admin->guard.has_token) {
		admin_problem(req, 403, "there is no token to log in with");
		return;
	}
	if (!may_try(admin, req) || (body = read_object(req)) == NULL)
		return;
	token = json_string_value(json_object_get(body, "token"));
	if (token == NULL || !guard_is_token(&admin->guard, token)) {
		deny(admin, req);
	} else {
		guard_log_in(&admin->guard, req);
		poold_log(req, "login, from %s", poold_client_address(req));
		admin_answer(req, 200, json_pack("{s:b}", "ok", 1));
	}
	json_decref(body);
}

static void
log_out(struct poold_request *req)
{
	guard_log_out(req);
	admin_answer(req, 200, json_pack("{s:b}", "ok", 1));
}

/* --- what is asked ----------------------------------------------------- */

/* The commands, and what they need. */
static const struct action {
	const char *name;
	bool service, workers;
} actions[] = {
	{ "reload", false, false },
	{ "restart", true, false },
	{ "scale", true, true },
	{ "drain", true, false },
	{ "resume", true, false },
};

static const struct action *
find_action(const char *name)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

/* What the supervisor gets: nothing of the body but what the command needs. */
static json_t *
make_request(const struct action *action, const json_t *body)
{
	json_t *request = json_pack("{s:s}", "command", action->name);
	json_t *service = json_object_get(body, "service");
	json_t *workers = json_object_get(body, "workers");

	if (action->service && json_is_string(service))
		json_object_set(request, "service", service);
	if (action->workers)
		json_object_set(request, "workers",
		    workers != NULL ? workers : json_null());
	if (!action->workers)
		json_object_set_new(request, "wait", json_false());
	return request;
}

static void
on_reply(void *arg, const char *text, size_t len, bool last)
{
	struct visit *visit = arg;
	struct poold_request *req = visit->req;
	json_error_t error;
	json_t *reply = text != NULL ? json_loadb(text, len, 0, &error) : NULL;
	const char *why = json_string_value(json_object_get(reply, "error"));

	(void)last;
	visit->req = NULL;
	visit_end(visit);
	if (req != NULL && reply == NULL)
		admin_problem(req, 503, "the supervisor does not answer");
	else if (req != NULL && why != NULL)
		admin_problem(req, 409, "%s", why);
	else if (req != NULL)
		admin_answer(req, 200, json_incref(reply));
	json_decref(reply);
}

static void
act(struct admin *admin, struct poold_request *req, const struct action *action)
{
	json_t *body = read_object(req);
	struct visit *visit;
	const char *service;

	if (body == NULL)
		return;
	service = json_string_value(json_object_get(body, "service"));
	poold_log(req, "%s%s%.64s, asked for from %s", action->name,
	    service != NULL ? " " : "", service != NULL ? service : "",
	    poold_client_address(req));
	visit = visit_begin(admin, req, VISIT_ACTION, REPLY_MS);
	if (visit != NULL &&
	    !line_ask(&admin->line, make_request(action, body), false, on_reply, visit)) {
		visit->req = NULL;
		visit_end(visit);
		admin_problem(req, 503, "the supervisor does not answer");
	}
	json_decref(body);
}

/* Whether who asks may change something; else it was answered. */
static bool
may_act(struct admin *admin, struct poold_request *req)
{
	if (!admin->may_change) {
		admin_problem(req, 403,
		    "nothing can be changed here: that needs control = change and a "
		    "token");
		return false;
	}
	if (!may_try(admin, req))
		return false;
	switch (guard_who(&admin->guard, req)) {
	case GUARD_ADMIN:
		return true;
	case GUARD_WRONG:
		deny(admin, req);
		return false;
	default:
		admin_problem(req, 401, "that wants a token");
		return false;
	}
}

void
action_take(struct admin *admin, struct poold_request *req, const char *path)
{
	static const char prefix[] = "/actions/";
	const struct action *action = NULL;
	const char *why;

	if (strncmp(path, prefix, sizeof(prefix) - 1) == 0)
		action = find_action(path + sizeof(prefix) - 1);
	if (action == NULL && strcmp(path, "/login") != 0 && strcmp(path, "/logout") != 0)
		admin_problem(req, 404, "there is no such action");
	else if (!guard_is_own(req, &why))
		admin_problem(req, 403, "%s", why);
	else if (strcmp(path, "/login") == 0)
		log_in(admin, req);
	else if (strcmp(path, "/logout") == 0)
		log_out(req);
	else if (may_act(admin, req))
		act(admin, req, action);
}
