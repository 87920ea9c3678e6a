/* SPDX-License-Identifier: ISC */
/*
 * What happened, for those who follow along: one JSON object an event.  The
 * last EVENT_KEPT are kept for who comes later, also through upgrades.  Each has
 * an id, from 1: as many as there were.
 */
#ifndef SUPERVISOR_EVENT_H
#define SUPERVISOR_EVENT_H

#include <stddef.h>

#define EVENT_KEPT 128

struct json_t;
struct supervisor;

struct events {
	char *kept[EVENT_KEPT]; /* lines with their end; a ring */
	size_t count;		/* ever */
};

/*
 * Tells of an event.  service may be NULL; fields are further members, in the
 * words of json_pack(3) without the braces ("s:i", "pid", pid), or NULL.
 */
void event_tell(struct supervisor *supervisor, const char *name, const char *service,
    const char *fields, ...);
void events_free(struct events *events);

/* Now, in UTC, as in the log.  New reference. */
struct json_t *event_time(void);

#endif
