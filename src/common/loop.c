/* SPDX-License-Identifier: ISC */
#include "common/loop.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"

static int
timer_compare(const struct loop_timer *a, const struct loop_timer *b)
{
	if (a->deadline_ns != b->deadline_ns)
		return a->deadline_ns < b->deadline_ns ? -1 : 1;
	if (a == b)
		return 0;
	return (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

RB_PROTOTYPE(loop_timers, loop_timer, entry, timer_compare)
RB_GENERATE(loop_timers, loop_timer, entry, timer_compare)

int
loop_init(struct loop *loop)
{
	memset(loop, 0, sizeof(*loop));
	RB_INIT(&loop->timers);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->now_ns = util_now_ns();
	return loop->epoll_fd == -1 ? -1 : 0;
}

void
loop_destroy(struct loop *loop)
{
	close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

static int
control(struct loop *loop, int op, struct loop_io *io, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = io };

	return epoll_ctl(loop->epoll_fd, op, io->fd, &event);
}

int
loop_io_add(struct loop *loop, struct loop_io *io, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, io, events);
}

int
loop_io_change(struct loop *loop, struct loop_io *io, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, io, events);
}

void
loop_io_remove(struct loop *loop, struct loop_io *io)
{
	if (io->fd == -1)
		return;
	control(loop, EPOLL_CTL_DEL, io, 0);
	/* its owner may be freed now: forget what is still to be delivered */
	for (int i = loop->batch_at; i < loop->batch_len; i++)
		if (loop->batch[i].data.ptr == io)
			loop->batch[i].data.ptr = NULL;
}

void
loop_io_close(struct loop *loop, struct loop_io *io)
{
	if (io->fd == -1)
		return;
	loop_io_remove(loop, io);
	close(io->fd);
	io->fd = -1;
}

void
loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t deadline_ns)
{
	loop_timer_clear(loop, timer);
	timer->deadline_ns = deadline_ns > 0 ? deadline_ns : 1;
	RB_INSERT(loop_timers, &loop->timers, timer);
}

void
loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	if (!loop_timer_is_set(timer))
		return;
	RB_REMOVE(loop_timers, &loop->timers, timer);
	timer->deadline_ns = 0;
}

/* Milliseconds until the next timer, rounded up so that it is due then. */
static int
wait_ms(struct loop *loop)
{
	struct loop_timer *first = RB_MIN(loop_timers, &loop->timers);
	uint64_t now_ns, ms;

	if (first == NULL)
		return -1;
	now_ns = util_now_ns();
	if (first->deadline_ns <= now_ns)
		return 0;
	ms = (first->deadline_ns - now_ns + MS_NS - 1) / MS_NS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void
run_timers(struct loop *loop)
{
	struct loop_timer *timer;

	/* A timer set anew by a callback is not due before the next round. */
	while ((timer = RB_MIN(loop_timers, &loop->timers)) != NULL &&
	    timer->deadline_ns <= loop->now_ns && !loop->stopped) {
		loop_timer_clear(loop, timer);
		timer->fn(timer->owner);
	}
}

static void
run_batch(struct loop *loop)
{
	struct loop_io *io;

	for (loop->batch_at = 0; loop->batch_at < loop->batch_len;) {
		struct epoll_event *event = &loop->batch[loop->batch_at++];

		io = event->data.ptr;
		if (io != NULL)
			io->fn(io->owner, event->events);
	}
	loop->batch_at = loop->batch_len = 0;
}

void
loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped) {
		if (loop->before_wait != NULL)
			loop->before_wait(loop->before_wait_owner);
		loop->batch_len = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH,
		    wait_ms(loop));
		if (loop->batch_len < 0)
			loop->batch_len = 0; /* EINTR */
		loop->wakeups++;
		loop->now_ns = util_now_ns();
		run_batch(loop);
		run_timers(loop);
	}
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
