/* SPDX-License-Identifier: ISC */
/* The steps of a reload, told to those who wait for its end and asked for them. */
#ifndef SUPERVISOR_RELOAD_STEPS_H
#define SUPERVISOR_RELOAD_STEPS_H

struct config;
struct pool;
struct supervisor;

/* The configuration has no errors. */
void reload_step_checked(struct supervisor *supervisor, const struct config *config);
/* Listening sockets that were not there before are bound. */
void reload_step_bound(struct supervisor *supervisor);
/* A new generation is started; one of its workers got ready. */
void reload_step_starting(struct pool *pool);
void reload_step_ready(struct pool *pool);
/* What was started serves. */
void reload_step_switched(struct supervisor *supervisor);
/* An old generation is needed no more. */
void reload_step_retired(struct pool *pool);

#endif
