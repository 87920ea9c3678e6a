/* SPDX-License-Identifier: ISC */
/*
 * One line of an access log: what is known of a request that is over, written
 * by a compiled format.  Whatever a client or a worker sent, it stays one line,
 * its columns stay where they are, and JSON stays JSON.
 */
#ifndef ROUTER_ACCESS_LINE_H
#define ROUTER_ACCESS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "common/access_format.h"
#include "common/lease.h"
#include "common/phases.h"

#define ACCESS_NO_SLOT UINT32_MAX

/* Where the time of a request went; in nanoseconds. */
struct access_times {
	uint64_t router;  /* its head was whole .. only a worker was missing */
	uint64_t queue;	  /* .. a worker took it */
	uint64_t service; /* .. the worker was done */
};

struct access_entry {
	const struct lease_addr *client, *local;
	const char *listener;
	const char *head; /* what there is of it, also when it is none */
	size_t head_len;
	const struct lease_msg *msg;	  /* ids and flags */
	bool parsed;			  /* msg has the index of the head: */
	const struct lease_field *fields; /* msg->field_count */
	const char *path;		  /* canonical; NULL: it was not looked at */
	const char *service;		  /* NULL: none was found */
	const struct phases *phases;	  /* NULL: none */
	const char *reason;		  /* why the router refused it; or NULL */
	const struct access_times *times; /* NULL: no worker was wanted */
	unsigned status;
	uint64_t bytes;	  /* of the answer */
	pid_t pid;	  /* of the worker; 0: none answered */
	uint32_t slot;	  /* of the worker, or ACCESS_NO_SLOT */
	uint32_t retries; /* leased again */
	uint32_t number;  /* on its connection, from 1 */
	bool by_router;	  /* who answered */
	bool keep;	  /* the connection goes on */
};

/* The time of day as text, which changes once a second. */
struct access_clock {
	time_t shown;	/* what the texts say */
	char local[40]; /* 22/Nov/2026:08:30:00 +0000 */
	char iso[24];	/* 2026-11-22T08:30:00 */
	char zone[8];	/* +00:00 */
	char local_len;
};

/* Writes the line, with its newline, into line[ACCESS_LINE_MAX]; returns its
 * length. */
size_t access_line_write(char *line, const struct access_format *format,
    const struct access_entry *entry, struct access_clock *clock);

#endif
