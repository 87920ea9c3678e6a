/* SPDX-License-Identifier: ISC */
/* Workers that answer one request after the other with 5xx. */
#ifndef ROUTER_OUTLIER_H
#define ROUTER_OUTLIER_H

#include <sys/types.h>

#include "common/lease.h"

struct generation;
struct request;

/* A request was answered, by the process sender.  After outlier_failures of
 * them with 5xx in a row the supervisor is told, once for each time. */
void outlier_note(struct generation *generation, const struct request *request,
    const struct lease_done *done, pid_t sender);

#endif
