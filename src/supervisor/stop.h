/* SPDX-License-Identifier: ISC */
/*
 * How poold stops: the router finishes what was accepted, then the workers are told
 * to stop, then the router ends (enum supervisor_phase).
 */
#ifndef SUPERVISOR_STOP_H
#define SUPERVISOR_STOP_H

struct supervisor;

void stop_init(struct supervisor *supervisor);
/* Stops like SIGTERM; asked again, now. */
void stop_ask(struct supervisor *supervisor);
/* Stops like SIGINT, without waiting for requests. */
void stop_now(struct supervisor *supervisor);
/* The router has answered all that was accepted. */
void stop_drained(struct supervisor *supervisor);
/* Some process or pool is gone: a stop may be complete. */
void stop_check(struct supervisor *supervisor);

#endif
