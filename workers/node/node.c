/* SPDX-License-Identifier: ISC */
/*
 * poold-node: has an application for Node.js answer requests.
 *
 * Node is a process of its own, which loads poold-node.js before the application.
 * Leased requests are given to it by leased.c; with "mode = inherit" it accepts for
 * itself, and listening.c looks after it.
 */
#include "node.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

void
node_take(struct node *node, const struct frame_result *frame, const char *data,
    size_t len)
{
	if (frame->type == RESULT_LISTENS)
		node->listens = true;
	else if (frame->type == RESULT_WORDS)
		snprintf(node->words, sizeof(node->words), "%.*s", (int)len, data);
}

int
node_start_failed(struct node *node)
{
	const char *app = node->command.app;
	char how[64];

	child_end_text(&node->application.child, how, sizeof(how));
	if (strncmp(node->words, app, strlen(app)) == 0)
		poold_status("%s", node->words);
	else if (node->words[0] != '\0')
		poold_status("%s: %s", app, node->words);
	else
		poold_status("%s: node %s without having called listen()", app, how);
	poold_log(NULL, "%s: node %s before it listened", app, how);
	return EX_UNAVAILABLE;
}

int
node_start(struct node *node)
{
	struct application *app = &node->application;
	int error;

	app->argv = node->command.argv;
	if ((error = application_start(app)) != 0) {
		warnc(error, "cannot run %s", app->argv[0]);
		poold_status("cannot run %s: %s", app->argv[0], strerror(error));
		return EX_UNAVAILABLE;
	}
	node->results.fd = app->results_fd;
	return EX_OK;
}

int
main(int argc, char **argv)
{
	struct node node = { 0 };
	int status;

	application_init(&node.application);
	status = command_read(&node.command, argc, argv);
	if (status == EX_OK)
		status = getenv("POOLD_PROTOCOL") != NULL ?
		    node_serve_leased(&node, argc, argv) :
		    node_serve_listening(&node);
	application_close(&node.application);
	results_free(&node.results);
	command_free(&node.command);
	return status;
}
