/* SPDX-License-Identifier: ISC */
#include "supervisor/stuck.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/util.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

#define LOOK_INTERVAL_NS MS_NS
#define LOOKS_MAX	 100 /* one in the kernel's hands may not stop */

static void
set_timer(struct worker *worker)
{
	loop_timer_set(&worker->pool->supervisor->loop, &worker->stuck.timer,
	    util_now_ns() + LOOK_INTERVAL_NS);
}

/* The first line of /proc/PID/name; "?" when it may not be read. */
static void
read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	if (n <= 0)
		n = (ssize_t)strlcpy(buf, "?", size);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

/* proc(5): the state follows the command's name, which is in parentheses and
 * may hold any. */
static bool
is_stopped(pid_t pid)
{
	char buf[512];
	const char *end;

	read_proc(pid, "stat", buf, sizeof(buf));
	end = strrchr(buf, ')');
	return end != NULL && (end[1] == ' ') && (end[2] == 'T' || end[2] == 't');
}

static bool
has_lease(struct worker *worker)
{
	const struct lease_board *board = &worker->pool->board;
	struct lease_worker *slot = lease_worker_at(board, worker->slot);
	uint32_t state = atomic_load(&slot->state);
	uint64_t owner;

	if (state == LEASE_WORKER_TAKING)
		return true; /* between recvmsg and its word in the slot */
	if (worker->stuck.slot >= board->layout.slot_count)
		return false;
	owner = atomic_load(&lease_slot_at(board, worker->stuck.slot)->owner);
	return state == LEASE_WORKER_BUSY &&
	    atomic_load(&slot->serial) == worker->stuck.serial &&
	    LEASE_OWNER_IS(owner, worker->stuck.serial) &&
	    LEASE_OWNER_WORKER(owner) == worker->slot;
}

static void
log_stuck(struct worker *worker)
{
	const struct stuck *stuck = &worker->stuck;

	log_warn("service %s: worker %u (pid %d) is past request_timeout with "
		 "\"%s\" (wchan %s, syscall %s)",
	    worker->pool->service->name, worker->slot, (int)worker->pid, stuck->line,
	    stuck->wchan, stuck->syscall);
}

static void
on_timer(void *owner)
{
	struct worker *worker = owner;

	if (worker->pid == 0)
		return;
	if (!is_stopped(worker->pid) && ++worker->stuck.looks < LOOKS_MAX) {
		set_timer(worker);
		return;
	}
	if (!has_lease(worker)) {
		worker_signal(worker, SIGCONT);
		return;
	}
	log_stuck(worker);
	worker->timed_out = true;
	worker_event(worker, WORKER_ON_KILL);
}

void
stuck_report(struct worker *worker, uint32_t slot, uint64_t serial, const char *line,
    uint32_t line_len)
{
	struct stuck *stuck = &worker->stuck;

	if (loop_timer_is_set(&stuck->timer))
		return;
	stuck->slot = slot;
	stuck->serial = serial;
	stuck->looks = 0;
	memcpy(stuck->line, line, line_len < ROLE_LINE_MAX ? line_len : ROLE_LINE_MAX);
	stuck->line[line_len < ROLE_LINE_MAX ? line_len : ROLE_LINE_MAX] = '\0';
	read_proc(worker->pid, "wchan", stuck->wchan, sizeof(stuck->wchan));
	read_proc(worker->pid, "syscall", stuck->syscall, sizeof(stuck->syscall));
	worker_signal(worker, SIGSTOP);
	set_timer(worker);
}

void
stuck_clear(struct worker *worker)
{
	loop_timer_clear(&worker->pool->supervisor->loop, &worker->stuck.timer);
}

void
stuck_init(struct stuck *stuck, struct worker *worker)
{
	stuck->timer.fn = on_timer;
	stuck->timer.owner = worker;
}
