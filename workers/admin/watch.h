/* SPDX-License-Identifier: ISC */
/*
 * What the supervisor tells: asked for once a second while somebody watches, and
 * else when somebody wants to know, once a second at most, however many they are.
 */
#ifndef ADMIN_WATCH_H
#define ADMIN_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "line.h"

#define WATCH_EVENTS_MAX 256

/* An event as it came: one JSON object. */
struct watch_event {
	uint64_t id;
	char *text;
};

struct watch {
	struct line *line;
	uint64_t asked_ms; /* 0: never */
	unsigned awaited;  /* replies of this round that have not come */
	bool known;	   /* the last round was complete */
	char *status;	   /* the supervisor's replies, as text */
	char *check;
	char *slow;
	uint64_t slow_round;			     /* when slow last changed */
	uint64_t slow_id;			     /* of the last slow request */
	uint64_t round;				     /* how many were complete */
	struct watch_event events[WATCH_EVENTS_MAX]; /* a ring */
	uint64_t event_count;			     /* that are or were in it */
	uint64_t last_id;			     /* of the last event */
	/* A round is complete, or failed: known says which. */
	void (*on_round)(void *arg);
	void *arg;
};

void watch_init(struct watch *watch, struct line *line, void (*on_round)(void *arg),
    void *arg);
void watch_free(struct watch *watch);

/* Asks, unless that is under way or was done within the last second.  Returns
 * milliseconds until there is something new to ask for, 0 when it was asked. */
int watch_ask(struct watch *watch, uint64_t now_ms);
/* Whether what is known is not older than a second. */
bool watch_is_fresh(const struct watch *watch, uint64_t now_ms);

/* Monotonic. */
uint64_t watch_now_ms(void);

/* Whether poold is ready to serve; what is in the way is added to reasons. */
bool watch_is_ready(const struct watch *watch, json_t *reasons);

#endif
