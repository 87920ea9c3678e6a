/* SPDX-License-Identifier: ISC */
#include "supervisor/stuck.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/util.h"
#include "supervisor/pool.h"
#include "supervisor/proc.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

#define LOOK_INTERVAL_NS MS_NS
#define TRACE_NS	 (200 * MS_NS) /* to print a stack */
#define LOOKS_MAX	 100	       /* one in the kernel's hands may not stop */

static void
set_timer(struct worker *worker, uint64_t after_ns)
{
	loop_timer_set(&worker->pool->supervisor->loop, &worker->stuck.timer,
	    util_now_ns() + after_ns);
}

static bool
is_stopped(pid_t pid)
{
	char buf[512];
	const char *rest;

	proc_read(pid, "stat", buf, sizeof(buf));
	rest = proc_behind_name(buf);
	return rest != NULL && rest[0] == ' ' && (rest[1] == 'T' || rest[1] == 't');
}

/* Whether what the worker says of itself allows that it has this lease: it names
 * another one when it has finished it, unless it may have several. */
static bool
may_have(struct lease_worker *slot, uint64_t serial)
{
	uint64_t word = atomic_load(&slot->serial);

	return atomic_load(&slot->state) == LEASE_WORKER_BUSY &&
	    (word == serial ||
		(word == 0 && atomic_load(&slot->lease_slot) == LEASE_SLOT_SEVERAL));
}

static bool
has_lease(struct worker *worker)
{
	const struct lease_board *board = &worker->pool->board;
	struct lease_worker *slot = lease_worker_at(board, worker->slot);
	struct lease_slot *lease;
	uint64_t owner;

	if (atomic_load(&slot->state) == LEASE_WORKER_TAKING)
		return true; /* between recvmsg and its word in the slot */
	if (worker->stuck.slot >= board->layout.slot_count)
		return false;
	lease = lease_slot_at(board, worker->stuck.slot);
	owner = atomic_load(&lease->owner);
	return may_have(slot, worker->stuck.serial) &&
	    LEASE_OWNER_IS(owner, worker->stuck.serial) &&
	    LEASE_OWNER_WORKER(owner) == worker->slot &&
	    !(atomic_load(&lease->answer) & LEASE_ANSWER_OVER);
}

/* A signal that a program does not handle would end it. */
static bool
handles(pid_t pid, int sig)
{
	uint64_t caught;

	return proc_status_number(pid, "SigCgt", 16, &caught) &&
	    (caught >> (sig - 1) & 1) != 0;
}

/* Has the runtime of a worker print its stack to standard error, if that is
 * configured and it can.  *trace is what the slow log says of it. */
static bool
send_trace(struct worker *worker, const char **trace)
{
	int sig = worker->pool->config->trace_signal;

	*trace = NULL;
	if (sig == 0)
		return false;
	*trace = "not sent: the worker does not handle it";
	if (!handles(worker->pid, sig))
		return false;
	*trace = "sent";
	worker_signal(worker, sig);
	return true;
}

static void
write_entry(struct worker *worker, const char *what, const struct stuck *stuck)
{
	struct slow_entry entry = { .what = what,
		.service = worker->pool->service->name,
		.worker = worker->slot,
		.pid = worker->pid,
		.taken_ns = stuck->taken_ns,
		.request = stuck->line,
		.trace = stuck->trace,
		.id = stuck->id,
		.look = stuck->look };

	slow_log_write(&worker->pool->supervisor->logs, &entry);
	slow_ring_keep(&worker->pool->supervisor->slow, &entry);
}

static void
log_stuck(struct worker *worker)
{
	const struct stuck *stuck = &worker->stuck;

	log_warn("service %s: worker %u (pid %d) is past request_timeout with "
		 "\"%s\" (wchan %s, syscall %s)",
	    worker->pool->service->name, worker->slot, (int)worker->pid, stuck->line,
	    stuck->look->wchan, stuck->look->syscall);
	write_entry(worker, "killed", stuck);
}

static void
begin_stop(struct worker *worker)
{
	worker_signal(worker, SIGSTOP);
	set_timer(worker, LOOK_INTERVAL_NS);
}

static void
end_trace(struct worker *worker)
{
	worker->stuck.tracing = false;
	if (has_lease(worker))
		begin_stop(worker);
}

static void
end_stop(struct worker *worker)
{
	if (!is_stopped(worker->pid) && ++worker->stuck.looks < LOOKS_MAX) {
		set_timer(worker, LOOK_INTERVAL_NS);
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

static void
on_timer(void *owner)
{
	struct worker *worker = owner;

	if (worker->pid == 0)
		return;
	if (worker->stuck.tracing)
		end_trace(worker);
	else
		end_stop(worker);
}

/* What the router says, and what is seen of the worker now. */
static void
take_in(struct stuck *stuck, const struct worker *worker, const struct role_stuck *role)
{
	uint32_t len = role->line_len < ROLE_LINE_MAX ? role->line_len : ROLE_LINE_MAX;
	uint8_t id[16];

	stuck->slot = role->slot;
	stuck->serial = role->serial;
	stuck->taken_ns = role->taken_ns;
	stuck->looks = 0;
	memcpy(stuck->line, role->line, len);
	stuck->line[len] = '\0';
	stuck->id[0] = '\0';
	if (role->slot < worker->pool->board.layout.slot_count &&
	    lease_slot_request_id(&worker->pool->board, role->slot, role->serial, id))
		util_hex(id, sizeof(id), stuck->id);
	if (stuck->look == NULL)
		stuck->look = util_alloc(sizeof(*stuck->look));
	slow_log_look(worker->pid, stuck->look);
}

void
stuck_report(struct worker *worker, const struct role_stuck *role)
{
	struct stuck *stuck = &worker->stuck;

	if (loop_timer_is_set(&stuck->timer))
		return;
	take_in(stuck, worker, role);
	stuck->tracing = send_trace(worker, &stuck->trace);
	if (stuck->tracing)
		set_timer(worker, TRACE_NS);
	else
		begin_stop(worker);
}

void
stuck_slow(struct worker *worker, const struct role_stuck *role)
{
	struct stuck stuck = { 0 };

	take_in(&stuck, worker, role);
	send_trace(worker, &stuck.trace);
	write_entry(worker, "slow", &stuck);
	free(stuck.look);
}

void
stuck_clear(struct worker *worker)
{
	loop_timer_clear(&worker->pool->supervisor->loop, &worker->stuck.timer);
	free(worker->stuck.look);
	worker->stuck.look = NULL;
}

void
stuck_init(struct stuck *stuck, struct worker *worker)
{
	stuck->timer.fn = on_timer;
	stuck->timer.owner = worker;
}
