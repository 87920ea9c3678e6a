/* SPDX-License-Identifier: ISC */
/* The requests of the control socket, as poolctl(1) lists them. */
#ifndef SUPERVISOR_CONTROL_COMMAND_H
#define SUPERVISOR_CONTROL_COMMAND_H

struct control_client;
struct json_t;

/* Serves a request: replies, or leaves the client waiting. */
void control_command(struct control_client *client, struct json_t *request);
/* The reply to a request that waited for the router.  New reference. */
struct json_t *control_command_answer(struct control_client *client);

#endif
