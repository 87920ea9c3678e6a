/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/link.h"
#include "supervisor/spawn.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"
#include "supervisor/upgrade.h"

/* For our router to start, to be told everything, and to take over. */
#define ATTEMPT_NS (10000 * MS_NS)

static void
close_channel(struct link_old *old)
{
	old->serves = false;
	if (old->channel != -1)
		close(old->channel);
	old->channel = -1;
}

static void
on_exit_event(void *owner, uint32_t events)
{
	struct link *link = owner;
	struct link_old *old = &link->old;
	siginfo_t info = { 0 };

	(void)events;
	waitid(P_PIDFD, (id_t)old->exit.fd, &info, WEXITED | WNOHANG);
	loop_io_close(&link->supervisor->loop, &old->exit);
	if (info.si_code != CLD_EXITED || info.si_status != 0)
		log_error("the old router (pid %d) %s %d", (int)old->pid,
		    info.si_code == CLD_EXITED ? "exited with status" :
						 "was killed by signal",
		    info.si_status);
	old->pid = 0;
	/* it may have handed over: ours will say so, or end */
	close_channel(old);
	supervisor_reap_strangers(link->supervisor);
	stop_check(link->supervisor);
}

/* Our router neither took over nor died. */
static void
on_timer(void *owner)
{
	struct link *link = owner;

	log_error("the router (pid %d) did not take over in time",
	    (int)link->process.pid);
	role_process_kill(&link->process);
}

void
link_old_init(struct link *link)
{
	struct link_old *old = &link->old;

	old->channel = -1;
	old->exit = (struct loop_io){ .fd = -1, .fn = on_exit_event, .owner = link };
	old->timer.fn = on_timer;
	old->timer.owner = link;
}

void
link_old_adopt(struct link *link, pid_t pid, int channel)
{
	struct link_old *old = &link->old;

	if (pid == 0 || channel == -1)
		return;
	old->exit.fd = spawn_pidfd(pid);
	if (old->exit.fd == -1) {
		log_error("the old router (pid %d) is gone: %s", (int)pid,
		    strerror(errno));
		close(channel);
		return;
	}
	old->pid = pid;
	old->channel = channel;
	old->serves = true;
	loop_io_add(&link->supervisor->loop, &old->exit, EPOLLIN);
}

void
link_old_hand_over(struct link *link)
{
	struct link_old *old = &link->old;
	struct role_id take = { .type = ROLE_TAKE };
	struct role_id hand = { .type = ROLE_HANDOVER };
	struct iovec iov = { .iov_base = &hand, .iov_len = sizeof(hand) };
	int ends[2];

	loop_timer_set(&link->supervisor->loop, &old->timer, util_now_ns() + ATTEMPT_NS);
	if (msg_pair(ends) == -1) {
		log_error("cannot bring the routers together: %s", strerror(errno));
		return; /* the timer ends the attempt */
	}
	if (msg_sendv(old->channel, &iov, 1, &ends[0], 1, MSG_DONTWAIT) == -1)
		log_error("cannot reach the old router (pid %d): %s", (int)old->pid,
		    strerror(errno));
	link_send(link, &take, sizeof(take), &ends[1], 1);
	close(ends[0]);
	close(ends[1]);
}

void
link_old_taken(struct link *link, uint32_t count)
{
	struct link_old *old = &link->old;

	loop_timer_clear(&link->supervisor->loop, &old->timer);
	log_info("the router (pid %d) took %u connections over after %.1f ms",
	    (int)link->process.pid, count,
	    (double)(util_now_ns() - link->process.started_ns) / 1e6);
	close_channel(old);
	upgrade_check(link->supervisor);
}

bool
link_old_serves_on(struct link *link)
{
	loop_timer_clear(&link->supervisor->loop, &link->old.timer);
	return link->old.serves;
}

void
link_old_stop(struct link *link, bool by_force)
{
	struct link_old *old = &link->old;

	loop_timer_clear(&link->supervisor->loop, &old->timer);
	if (by_force && old->pid != 0)
		syscall(SYS_pidfd_send_signal, old->exit.fd, SIGKILL, NULL, 0);
	close_channel(old);
}
