/* SPDX-License-Identifier: ISC */
/*
 * The link to the logger: the process, its channel, and what it has to know.  A
 * logger that dies, or that does not answer, is replaced at once and told
 * everything anew.
 */
#ifndef SUPERVISOR_LOGGER_LINK_H
#define SUPERVISOR_LOGGER_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/loop.h"
#include "supervisor/role_process.h"

struct log_dest;
struct log_source;
struct pool;
struct supervisor;

struct logger_link {
	struct supervisor *supervisor;
	struct role_process process;
	struct loop_timer retire_timer; /* it is killed then */
	struct loop_timer ping_timer;
	uint64_t asked_ns;	 /* by a ping that is not answered; 0: it was */
	uint64_t lines;		 /* of this logger */
	uint64_t dropped;	 /* of them */
	uint64_t dropped_before; /* by those before it */
	bool retiring;		 /* it is that of an earlier version, and is to end */
};

void logger_link_init(struct logger_link *link, struct supervisor *supervisor);
/* Starts a logger and tells it all that is so. */
void logger_link_start(struct logger_link *link);
/* The logger of an earlier version: it ends, and ours begins; without one, at
 * once. */
void logger_link_adopt(struct logger_link *link, pid_t pid, int channel);
/* Has it write what is left, and waits for its end, but not long. */
void logger_link_stop(struct logger_link *link);

/* A destination, or what is behind it now; it is used no more. */
void logger_link_dest(struct logger_link *link, const struct log_dest *dest);
void logger_link_undest(struct logger_link *link, uint32_t id);
/* All destinations have been told anew. */
void logger_link_reopened(struct logger_link *link);
void logger_link_settings(struct logger_link *link);
void logger_link_source(struct logger_link *link, struct log_source *source);
/* Its scoreboard may be read; it is no more. */
void logger_link_add_pool(struct logger_link *link, const struct pool *pool);
void logger_link_remove_pool(struct logger_link *link, const struct pool *pool);

/* Hands a client of the control socket over, which asked for the log of a
 * service (NULL: all).  Its descriptor stays the caller's.  Returns false when
 * no logger runs. */
bool logger_link_follow(struct logger_link *link, const char *service, bool follow,
    int fd);

/* Lines that loggers have dropped. */
uint64_t logger_link_dropped(const struct logger_link *link);

#endif
