/* SPDX-License-Identifier: ISC */
/*
 * What supervisor and logger say to each other, one struct a message.
 *
 * Lines come to the logger through pipes, its sources: one for each process
 * that writes, and one for each other log.  The supervisor makes the pipes,
 * keeps a duplicate of each end that is read until the logger says ENDED, and
 * so a logger that dies loses nothing that was still in a pipe, and nobody
 * gets SIGPIPE.  It also opens the destinations, since it may be privileged.
 * A new logger is told everything anew.
 */
#ifndef COMMON_LOGGER_H
#define COMMON_LOGGER_H

#include <stdint.h>

#include "common/lease.h"

#define LOGGER_FD_CHANNEL 3 /* the logger's end of the channel */
#define LOGGER_NAME_MAX	  64
#define LOGGER_PATH_MAX	  4096
#define LOGGER_PIECE_MAX  8192 /* bytes of a line; longer ones are split */

enum logger_type {
	/* supervisor to logger */
	LOGGER_SETTINGS = 1, /* logger_settings */
	LOGGER_DEST,	     /* logger_dest; fd unless it is syslog; of an id that
			      * is known: write there from now on */
	LOGGER_UNDEST,	     /* logger_id: nothing more will go there */
	LOGGER_REOPENED,     /* logger_id: say so, where the lines now go */
	LOGGER_BOARD,	     /* logger_board; fd: a scoreboard */
	LOGGER_UNBOARD,	     /* logger_id */
	LOGGER_SOURCE,	     /* logger_source; fd: the end of a pipe to read */
	LOGGER_PING,	     /* logger_id: answer with STATS */
	LOGGER_FOLLOW,	     /* logger_follow; fd: a client that asked for logs */
	LOGGER_STOP,	     /* logger_id: write what is there, and exit */
	/* logger to supervisor */
	LOGGER_ENDED, /* logger_id: nobody can write to the source any more */
	LOGGER_STATS, /* logger_stats */
	/*
	 * Supervisor to the logger of another version and its answers, and so
	 * never to change.  RETIRE, logger_id 0: read nothing more, tell what was
	 * read of lines without an end, write all others, and exit.
	 */
	LOGGER_RETIRE = 1000,
	LOGGER_PARTIAL = 1001, /* logger_partial */
};

struct logger_id {
	uint32_t type;
	uint32_t id;
};

enum logger_level {
	LOGGER_ERROR,
	LOGGER_WARN,
	LOGGER_INFO,
	LOGGER_DEBUG,
	LOGGER_LEVELS,
};

enum logger_format {
	LOGGER_TEXT,
	LOGGER_JSON,
};

struct logger_settings {
	uint32_t type;
	uint32_t format; /* enum logger_format; of all but LOGGER_RAW sources */
	uint32_t level;	 /* enum logger_level; of lines that have one */
	uint32_t log;	 /* the destination of sources that name none */
};

struct logger_dest {
	uint32_t type;
	uint32_t id;
	uint32_t syslog;	    /* name is the path of its socket */
	uint32_t spans;		    /* lines become OTLP/JSON, for a file, or for the
				     * collector that is the name: common/endpoint.h */
	char name[LOGGER_PATH_MAX]; /* for messages about it */
};

/* What of the scoreboard is true whatever workers write into it. */
struct logger_board {
	uint32_t type;
	uint32_t id; /* of the generation */
	struct lease_scoreboard layout;
};

enum logger_kind {
	LOGGER_OWN,    /* of supervisor or router: common/log.h made the lines */
	LOGGER_WORKER, /* whatever a program writes to its stdout and stderr */
	LOGGER_RAW,    /* an access log or the like: goes out as it is */
};

struct logger_source {
	uint32_t type;
	uint32_t id;
	uint32_t kind;	/* enum logger_kind */
	uint32_t dest;	/* 0: where the log goes */
	uint32_t board; /* LOGGER_WORKER: its generation's; 0: none */
	uint32_t slot;	/* there */
	int32_t pid;
	uint32_t carry_len;	    /* bytes of a line that was begun follow */
	char name[LOGGER_NAME_MAX]; /* service, or role */
	char carry[];
};

struct logger_follow {
	uint32_t type;
	uint32_t follow;	       /* go on with what comes */
	char service[LOGGER_NAME_MAX]; /* "": all */
};

struct logger_stats {
	uint32_t type;
	uint32_t reserved;
	uint64_t lines;	  /* since this logger began */
	uint64_t dropped; /* of them, not written */
};

struct logger_partial {
	uint32_t type;
	uint32_t id; /* of the source */
	uint32_t len;
	char text[];
};

#endif
