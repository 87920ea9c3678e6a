/* SPDX-License-Identifier: ISC */
/*
 * The access logs: where one line for each request goes, and how it looks.
 *
 * Rules say so for each listener, and for services that have their own opinion.
 * They come from the supervisor before each COMMIT and are valid with it.  What
 * they lead to, the destinations, are descriptors that the supervisor opens.
 */
#ifndef ROUTER_ACCESS_LOG_H
#define ROUTER_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/roles.h"
#include "common/sink.h"
#include "router/access_line.h"

struct connection;
struct lease_done;
struct listener;
struct request;
struct router;
struct service;

struct access_dest {
	TAILQ_ENTRY(access_dest) entry;
	uint32_t id;
	bool wanted; /* some rule leads to it */
	struct sink sink;
};
TAILQ_HEAD(access_dests, access_dest);

struct access_rule {
	uint32_t listener;	      /* id; 0: of a service */
	char service[ROLE_NAME_MAX];  /* "": of no service */
	bool inherits;		      /* the destination is the listener's */
	struct access_dest *dest;     /* NULL: none */
	struct access_format *format; /* NULL: the listener's */
};

struct access_rules {
	struct access_rule *list;
	size_t count;
};

struct access_log {
	struct access_dests dests;
	struct access_rules rules;
	struct access_rules staged; /* until the next COMMIT */
	struct access_clock clock;
	struct access_dest *spans; /* where lines about recorded requests go, or NULL */
	struct access_format *span_format; /* if spans ever was set */
	uint64_t dropped;		   /* lines for destinations that are no more */
};

void access_log_init(struct access_log *log);
void access_log_close(struct access_log *log);
/* Writes what waits, as far as that is possible at once.  Returns whether
 * something still does. */
bool access_log_flush(struct access_log *log);

/* Lines that could not be written, since the router began. */
uint64_t access_log_dropped(const struct access_log *log);

/* A destination, or a new descriptor for one that is known, which is the log's. */
void access_log_add_dest(struct access_log *log, uint32_t id, int fd);
/* A rule to come: the message, len bytes. */
void access_log_add_rule(struct access_log *log, const struct role_access_rule *role,
    size_t len);
/* Requests that are recorded are told to this destination; 0: to none. */
void access_log_export(struct access_log *log, uint32_t dest);
/* The rules that came since the last time are valid; destinations that none of
 * them names are closed. */
void access_log_commit(struct router *router);
/* Finds the rule of a listener or service that is new. */
void access_log_assign_listener(const struct access_log *log, struct listener *listener);
void access_log_assign_service(const struct access_log *log, struct service *service);

/* A request that a worker answered.  keep: its connection goes on. */
void access_log_done(const struct request *request, const struct lease_done *done,
    pid_t sender, bool keep);
/* One whose response was cut off. */
void access_log_cut(const struct request *request);

/* The request as far as it is known, for access_log_answer.  times belongs to
 * the caller. */
void access_log_describe(struct access_entry *entry, struct access_times *times,
    const struct request *request);
/*
 * The router answers by itself.  Of entry, what is known of the request is
 * filled in; service is NULL when none was found.
 */
void access_log_answer(const struct connection *connection, const struct service *service,
    struct access_entry *entry);

#endif
