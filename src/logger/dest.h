/* SPDX-License-Identifier: ISC */
/*
 * A destination: a descriptor, or the socket of a syslog daemon, that lines go
 * to.  It may block for as long as it likes, a disk as well as a pipe that
 * nobody reads: each has a thread of its own that does nothing but write, and a
 * bounded queue.  When that is full, or the destination gives an error, whole
 * lines are dropped and counted.
 */
#ifndef LOGGER_DEST_H
#define LOGGER_DEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define DEST_QUEUE_MAX (1 << 20) /* bytes that wait; twice that is in memory */

enum dest_kind {
	DEST_FILE,
	DEST_SYSLOG,
	DEST_SPANS, /* lines of ACCESS_SPAN_FORMAT, which become OTLP/JSON */
};

struct dest_queue {
	char *text; /* NULL: nothing was ever in it */
	size_t len;
	size_t size;
};

struct dest {
	TAILQ_ENTRY(dest) entry;
	uint32_t id;
	char *name; /* of a file; the path of syslog's socket */
	enum dest_kind kind;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake; /* there is something to do */
	pthread_cond_t rest; /* nothing is left to do */
	/* under the mutex */
	struct dest_queue in;
	bool busy; /* the thread has taken lines, and is not done */
	bool closing;
	bool hurry;	  /* nothing is collected any more */
	bool let_go;	  /* the thread frees it */
	int next_fd;	  /* write there from now on; -1: as before */
	uint64_t dropped; /* lines */
	int error;	  /* of the last write; 0: it went well */
	_Atomic uint64_t *total;
	/* the thread's */
	int fd; /* syslog: -1 when it is not connected */
	struct dest_queue out;
	bool torn; /* what was written last does not end a line */
	uint64_t connected_ns;
	/* the reader's */
	bool touched;  /* since dest_wake */
	uint64_t told; /* of dropped: somebody was told */
	uint64_t told_ns;
};
TAILQ_HEAD(dests, dest);

/* A destination with its thread.  fd becomes its own, -1 where it
 * connects by itself; what
 * is dropped is added to *total too.  NULL with errno, and fd is closed. */
struct dest *dest_new(uint32_t id, const char *name, enum dest_kind kind, int fd,
    _Atomic uint64_t *total);
/* Writes to another descriptor, which becomes its own, as soon as the write that
 * is under way is done. */
void dest_replace(struct dest *dest, int fd);
/* Adds lines, each with its end.  Never blocks. */
void dest_add(struct dest *dest, const char *text, size_t len);
/* Whether so many bytes would be taken and not dropped. */
bool dest_has_room(struct dest *dest, size_t len);
/* Lets the thread see what was added. */
void dest_wake(struct dest *dest);
/* Lines dropped so far; *error: why the last write failed, 0 when it did not. */
uint64_t dest_dropped(struct dest *dest, int *error);
/* Waits until all is written, or the deadline (CLOCK_MONOTONIC) has come; returns
 * whether it is. */
bool dest_finish(struct dest *dest, uint64_t deadline_ns);
/* Ends the thread when it has written all, and frees the destination: waits for
 * that; or does not. */
void dest_free(struct dest *dest);
void dest_let_go(struct dest *dest);

/* Lines in text: ends of lines. */
uint64_t dest_count_lines(const char *text, size_t len);

/* In dest_syslog.c: sends each line as a datagram.  Returns how many were not
 * sent, with the reason in *error. */
uint64_t dest_syslog_send(struct dest *dest, int *error);
uint64_t dest_spans_send(struct dest *dest, int *error);
/* Writes all; *done bytes were written when it fails with an errno. */
int dest_write(struct dest *dest, const char *text, size_t len, size_t *done);

#endif
