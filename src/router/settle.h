/* SPDX-License-Identifier: ISC */
/*
 * Leases that something went wrong with: their worker died, nobody claims them,
 * or their worker takes too long.
 */
#ifndef ROUTER_SETTLE_H
#define ROUTER_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/util.h"

struct generation;
struct request;
struct service;

/* A lease that nobody has claimed for so long, while a worker says that it is
 * idle, is told of again (KICK). */
#define SETTLE_UNCLAIMED_NS (5 * MS_NS)

/* A worker was reaped, and all that it said was read: its leases are retried or
 * ended.  Those of which it cannot be told yet are looked at again by
 * settle_check. */
void settle_worker(struct generation *generation, uint32_t worker, bool timed_out);
/* The generation's check_timer. */
void settle_check(void *generation);
/* A worker is past request_timeout with this lease: tells the supervisor. */
void settle_report_stuck(const struct request *request);
/* A worker is past slow_threshold with this lease: tells the supervisor.
 * Returns false when no worker is known to have it. */
bool settle_report_slow(const struct request *request);

/* Tells the supervisor what the workers of a service do, for an answer: as many
 * as are worth it. */
void settle_tell_requests(const struct service *service, uint32_t query);

#endif
