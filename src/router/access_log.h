/* SPDX-License-Identifier: ISC */
/*
 * One line a request, like the combined format, with what poold knows:
 *
 * CLIENT - - [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT" SERVICE PID
 *     queue=SECONDS service=SECONDS id=REQUEST-ID
 */
#ifndef ROUTER_ACCESS_LOG_H
#define ROUTER_ACCESS_LOG_H

#include <stdint.h>
#include <sys/types.h>

struct connection;
struct request;
struct router;

/* A request that a worker answered, or died with (pid 0: none had it). */
void access_log_request(struct router *router, const struct request *request,
    unsigned status, uint64_t bytes, pid_t pid, uint64_t taken_ns);
/* One that the router refused before it became a request; head may be cut. */
void access_log_refusal(struct router *router, const struct connection *connection,
    unsigned status, const char *head, size_t head_len);

#endif
