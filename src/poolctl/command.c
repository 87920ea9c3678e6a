/* SPDX-License-Identifier: ISC */
#include "poolctl/command.h"

#include <err.h>
#include <stdio.h>
#include <sysexits.h>

int
command_failure(const json_t *reply)
{
	const json_t *errors = json_object_get(reply, "errors");

	for (size_t i = 0; i < json_array_size(errors); i++)
		warnx("%s", json_string_value(json_array_get(errors, i)));
	if (!json_is_true(json_object_get(reply, "ok"))) {
		const char *why = json_string_value(json_object_get(reply, "error"));

		warnx("%s", why != NULL ? why : "it failed");
		return 1;
	}
	return 0;
}

json_t *
command_ask(struct client *client, json_t *request)
{
	client_send(client, request);
	return command_hear(client);
}

json_t *
command_hear(struct client *client)
{
	json_t *reply = client_receive(client);

	if (reply == NULL)
		errx(EX_UNAVAILABLE, "poold has closed the connection");
	return reply;
}

int
command_exchange(struct client *client, const struct options *options, json_t *request,
    void (*show)(const json_t *reply))
{
	json_t *reply = command_ask(client, request);
	int status = json_is_true(json_object_get(reply, "ok")) ? 0 : 1;

	if (options->json)
		puts(client->line);
	else if (status != 0)
		command_failure(reply);
	else if (show != NULL)
		show(reply);
	json_decref(reply);
	return status;
}

int
command_follow(struct client *client, const struct options *options, json_t *request,
    void (*show)(const json_t *line), bool *ended)
{
	json_t *json = command_ask(client, request);
	int status = command_failure(json);

	*ended = false;
	json_decref(json);
	while (status == 0 && !*ended && (json = client_receive(client)) != NULL) {
		*ended = json_object_get(json, "end") != NULL;
		if (!*ended && options->json)
			puts(client->line);
		else if (!*ended)
			show(json);
		json_decref(json);
		if (fflush(stdout) == EOF)
			return EX_IOERR;
	}
	return status;
}
