/* SPDX-License-Identifier: ISC */
/* poolctl reload and restart: what happens, as it happens. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "poolctl/command.h"

struct progress {
	bool terminal;
	bool open; /* a line without its end, to be written over */
};

static const char *
text_of(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL ? value : "?";
}

static long long
number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void
end_line(struct progress *progress)
{
	if (progress->open)
		printf("\n");
	progress->open = false;
}

/* "starting search 3/4": one line on a terminal, whose numbers change; else only
 * those that are complete. */
static void
show_ready(struct progress *progress, const json_t *step)
{
	long long ready = number_of(step, "workers_ready");
	long long target = number_of(step, "workers_target");

	if (!progress->terminal && ready < target)
		return;
	printf("%s%s: %lld/%lld workers ready (generation %lld)",
	    progress->terminal ? "\r\033[K" : "", text_of(step, "service"), ready, target,
	    number_of(step, "generation"));
	progress->open = true;
	if (ready >= target)
		end_line(progress);
}

static void
show_step(struct progress *progress, const json_t *step)
{
	const char *name = text_of(step, "step");

	if (strcmp(name, "ready") == 0) {
		show_ready(progress, step);
		fflush(stdout);
		return;
	}
	end_line(progress);
	if (strcmp(name, "waiting") == 0)
		printf("waiting for a reload that is under way\n");
	else if (strcmp(name, "checked") == 0)
		printf("checked: %lld services, %lld listeners\n",
		    number_of(step, "service_count"), number_of(step, "listener_count"));
	else if (strcmp(name, "bound") == 0)
		printf("bound %s\n", text_of(step, "address"));
	else if (strcmp(name, "starting") == 0)
		printf("starting %s, generation %lld, %lld workers\n",
		    text_of(step, "service"), number_of(step, "generation"),
		    number_of(step, "workers_target"));
	else if (strcmp(name, "switched") == 0)
		printf("switched\n");
	else if (strcmp(name, "retired") == 0)
		printf("retired %s, generation %lld\n", text_of(step, "service"),
		    number_of(step, "generation"));
	fflush(stdout);
}

int
reload_run(struct client *client, json_t *request)
{
	struct progress progress = { .terminal = isatty(STDOUT_FILENO) };
	json_t *reply;
	int status;

	json_object_set_new(request, "steps", json_true());
	reply = command_ask(client, request);
	while (json_object_get(reply, "step") != NULL) {
		show_step(&progress, reply);
		json_decref(reply);
		reply = command_hear(client);
	}
	end_line(&progress);
	status = command_failure(reply);
	if (status == 0)
		printf("done in %.3f s\n",
		    json_number_value(json_object_get(reply, "seconds")));
	json_decref(reply);
	return status;
}
