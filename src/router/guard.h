/* SPDX-License-Identifier: ISC */
/*
 * A service's circuit breaker at work: tells the machine in breaker.c what
 * happens, keeps its time, refuses what waits when it opens, and tells the
 * supervisor.
 */
#ifndef ROUTER_GUARD_H
#define ROUTER_GUARD_H

#include <stdbool.h>

#include "common/roles.h"
#include "router/breaker.h"

struct generation;
struct request;
struct service;

void guard_init(struct service *service);
/* The breaker's state was that of another router. */
void guard_activate(struct service *service);
/* At the router's end. */
void guard_stop(struct service *service);

/* Nobody gets through; what was let through and comes back is refused too. */
bool guard_is_open(const struct service *service);
/* One more request would not get through: open, or enough are being tried. */
bool guard_refuses(const struct service *service);
/* Lets the request through, or not. */
bool guard_admit(struct request *request);
/* How the request ended.  Only the first call for it counts. */
void guard_end(struct request *request, enum breaker_outcome outcome);
/* The same for a response with this status, 0: there was none. */
void guard_end_status(struct request *request, unsigned status);

/* Another generation serves. */
void guard_reset(struct service *service);
/* A worker of the generation is ready. */
void guard_ready(struct generation *generation);
/* Workers of the generation do no good. */
void guard_trouble(struct generation *generation, const struct role_trouble *role);

#endif
