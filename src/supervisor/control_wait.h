/* SPDX-License-Identifier: ISC */
/*
 * What clients of the control socket wait for (enum control_wait): when it comes
 * about, all those who wait for it are told.
 */
#ifndef SUPERVISOR_CONTROL_WAIT_H
#define SUPERVISOR_CONTROL_WAIT_H

struct control;
struct json_t;

/* A line for those who follow events; one that does not read is dropped. */
void control_wait_event(struct control *control, const char *line);
/* A reload, or restart of a service, has ended: failure NULL, it is done. */
void control_wait_reloaded(struct control *control, const char *failure);
/* A step of a reload, which it takes over.  A client that does not read loses
 * steps, not the reply. */
void control_wait_step(struct control *control, struct json_t *step);
/* One that goes well has no end here. */
void control_wait_upgrade_failed(struct control *control, const char *why);
/* The router has answered, or will not. */
void control_wait_answered(struct control *control);
/* poold stops: no reload or upgrade will end any more. */
void control_wait_stopping(struct control *control);

#endif
