/* SPDX-License-Identifier: ISC */
/*
 * Those who asked for the log on the control socket (poolctl(1), logs).  Each
 * has a place in the recent lines and a small buffer, and gets what it takes:
 * one that is slow misses lines, which it is told, and costs nobody anything.
 */
#ifndef LOGGER_FOLLOW_H
#define LOGGER_FOLLOW_H

#include <stdbool.h>
#include <sys/queue.h>

#include "common/logger.h"
#include "common/loop.h"

#define FOLLOW_MAX 32 /* clients */

struct logger;
struct follow;
TAILQ_HEAD(follows, follow);

/* Serves a client on its connection, which it closes at the end. */
void follow_new(struct logger *logger, const struct logger_follow *msg, int fd);
/* Lines may have come. */
void follow_all(struct logger *logger);
void follow_close_all(struct logger *logger);

#endif
