/* SPDX-License-Identifier: ISC */
#include "supervisor/control_wait.h"

#include <jansson.h>
#include <string.h>

#include "common/util.h"
#include "supervisor/control_client.h"
#include "supervisor/control_command.h"
#include "supervisor/json_text.h"

#define EVENTS_MAX (1 << 18) /* bytes of events that wait */

void
control_wait_event(struct control *control, const char *line)
{
	struct control_client *client;
	size_t len = strlen(line);

	TAILQ_FOREACH (client, &control->clients, entry) {
		if (client->wait != CONTROL_WAIT_EVENTS)
			continue;
		if (client->out_len - client->out_at + len > EVENTS_MAX)
			control_client_drop_unread(client);
		else
			control_client_send(client, line, len);
	}
}

void
control_wait_reloaded(struct control *control, const char *failure)
{
	struct control_client *client;
	json_t *reply;

	TAILQ_FOREACH (client, &control->clients, entry) {
		if (client->wait != CONTROL_WAIT_RELOAD || --client->reloads > 0)
			continue;
		reply = json_pack("{s:b, s:f, s:O}", "ok", failure == NULL, "seconds",
		    (double)(util_now_ns() - client->began_ns) / 1e9, "errors",
		    control->errors);
		if (reply != NULL && failure != NULL)
			json_object_set_new(reply, "error", json_text(failure));
		control_client_done(client, reply);
	}
}

void
control_wait_step(struct control *control, json_t *step)
{
	struct control_client *client;

	TAILQ_FOREACH (client, &control->clients, entry)
		if (client->wait == CONTROL_WAIT_RELOAD && client->steps &&
		    client->reloads == 1 &&
		    client->out_len - client->out_at < CONTROL_REQUEST_MAX)
			control_client_reply(client, step);
	json_decref(step);
}

void
control_wait_upgrade_failed(struct control *control, const char *why)
{
	struct control_client *client;

	TAILQ_FOREACH (client, &control->clients, entry)
		if (client->wait == CONTROL_WAIT_UPGRADE)
			control_client_done(client,
			    json_pack("{s:b, s:o}", "ok", 0, "error", json_text(why)));
}

void
control_wait_answered(struct control *control)
{
	struct control_client *client;
	uint64_t since_ns;

	TAILQ_FOREACH (client, &control->clients, entry) {
		if (client->wait != CONTROL_WAIT_ANSWER)
			continue;
		since_ns = util_now_ns();
		control_client_done(client, control_command_answer(client));
		control_client_charge(client, since_ns);
	}
}

void
control_wait_stopping(struct control *control)
{
	struct control_client *client;

	TAILQ_FOREACH (client, &control->clients, entry)
		if (client->wait == CONTROL_WAIT_RELOAD ||
		    client->wait == CONTROL_WAIT_UPGRADE)
			control_client_done(client,
			    json_pack("{s:b, s:s}", "ok", 0, "error", "poold stops"));
}
