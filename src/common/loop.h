/* SPDX-License-Identifier: ISC */
/*
 * The event loop: descriptors by epoll(7), timers in a red-black tree.  One
 * thread, level-triggered unless the caller asks for more.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/tree.h>

/* A descriptor of interest.  Embedded in its owner. */
struct loop_io {
	int fd; /* -1: none; the owner closes it, after loop_io_remove */
	void (*fn)(void *owner, uint32_t events);
	void *owner;
};

/* A timer.  Embedded in its owner; all zero is "not set". */
struct loop_timer {
	RB_ENTRY(loop_timer) entry;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: not set */
	void (*fn)(void *owner);
	void *owner;
};
RB_HEAD(loop_timers, loop_timer);

#define LOOP_BATCH 64 /* events taken from the kernel at once */

struct loop {
	int epoll_fd;
	struct loop_timers timers;
	uint64_t now_ns; /* when the last wait ended */
	bool stopped;
	uint64_t wakeups; /* waits that ended, for tests and titles */
	/* called before every wait; may be NULL */
	void (*before_wait)(void *owner);
	void *before_wait_owner;
	/* the batch in work, so that a removed io is not called any more */
	struct epoll_event batch[LOOP_BATCH];
	int batch_len;
	int batch_at;
};

/* Returns 0, or -1 with errno.  Destroying closes nothing of the owners'. */
int loop_init(struct loop *loop);
void loop_destroy(struct loop *loop);
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Adds, changes and removes a descriptor; events as in epoll_ctl(2).  Return 0,
 * or -1 with errno.  Removing one that is not there is fine. */
int loop_io_add(struct loop *loop, struct loop_io *io, uint32_t events);
int loop_io_change(struct loop *loop, struct loop_io *io, uint32_t events);
void loop_io_remove(struct loop *loop, struct loop_io *io);
/* Removes a descriptor and closes it; one that is not there is fine, too. */
void loop_io_close(struct loop *loop, struct loop_io *io);

/* Sets or moves a timer.  It is called once, no earlier than deadline_ns. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t deadline_ns);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);
static inline bool
loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->deadline_ns != 0;
}

#endif
