/* SPDX-License-Identifier: ISC */
#include "supervisor/worker_start.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/util.h"
#include "supervisor/cgroup.h"
#include "supervisor/environment.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"
#include "supervisor/template_fork.h"
#include "supervisor/worker_fds.h"

static void
watch(struct worker *worker)
{
	struct loop *loop = worker_loop(worker);

	loop_io_add(loop, &worker->exit, EPOLLIN);
	if (worker->failure.fd != -1)
		loop_io_add(loop, &worker->failure, EPOLLIN);
	if (worker->control.fd != -1)
		loop_io_add(loop, &worker->control, EPOLLIN);
}

static bool
fork_worker(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct limits limits;
	struct spawn spawn;
	struct worker_ends ends;

	if (!worker_fds_open(worker, &spawn, &ends))
		return false;
	limits_init(&limits, &pool->config->limits,
	    cgroup_fd(&pool->supervisor->cgroups, pool));
	spawn.limits = &limits;
	spawn.envp = environment_new(worker, &spawn.listen_pid, &spawn.watchdog_pid);
	worker->pid = spawn_process(&spawn, &worker->exit.fd, &worker->failure.fd);
	environment_free(spawn.envp);
	if (worker->pid == -1) {
		worker->pid = 0;
		worker_fds_close(worker);
	}
	worker_fds_close_ends(&ends);
	return worker->pid != 0;
}

/* There is a process: what it says and its time limit. */
static void
begin(struct worker *worker)
{
	struct pool *pool = worker->pool;
	uint64_t wait_ns = (uint64_t)pool->config->start_timeout_ms * MS_NS;

	worker->spawned_ns = util_now_ns();
	if (worker->log_id != 0)
		log_source_started(pool->supervisor,
		    log_source_find(&pool->supervisor->logs, worker->log_id),
		    worker->pid);
	worker->log_id = 0;
	if (pool_is_leased(pool))
		atomic_store(&lease_worker_at(&pool->board, worker->slot)->pid,
		    (uint32_t)worker->pid);
	watch(worker);
	if (pool_may_be_silent(pool) &&
	    wait_ns > (uint64_t)pool->config->ready_after_ms * MS_NS)
		wait_ns = (uint64_t)pool->config->ready_after_ms * MS_NS;
	if (worker->state == WORKER_STARTING)
		worker_set_timer(worker, wait_ns);
	supervisor_title_touch(pool->supervisor);
}

void
worker_start(struct worker *worker)
{
	worker->asked_to_leave = false;
	worker->leaving = false;
	worker->timed_out = false;
	worker->killed_for = NULL;
	worker->reason = TALLY_NONE;
	worker->request.query = 0;
	worker->ready_ns = 0;
	worker->spawned_ns = util_now_ns();
	memset(&worker->spawn_failure, 0, sizeof(worker->spawn_failure));
	worker->said[0] = '\0';
	health_spawned(worker);
	loop_timer_clear(worker_loop(worker), &worker->timer);
	if (template_is_wanted(worker->pool)) {
		template_ask(worker);
		return;
	}
	if (!fork_worker(worker)) {
		log_error("service %s: cannot start worker %u: %s",
		    worker_service(worker), worker->slot, strerror(errno));
		worker_event(worker, WORKER_ON_FAILED);
		return;
	}
	begin(worker);
}

bool
worker_start_fork(struct worker *worker)
{
	struct spawn spawn;
	struct worker_ends ends;

	if (!worker_fds_open(worker, &spawn, &ends)) {
		log_error("service %s: cannot start worker %u: %s",
		    worker_service(worker), worker->slot, strerror(errno));
		return false;
	}
	spawn.envp = environment_forked(worker);
	template_fork_send(worker, &spawn);
	environment_free(spawn.envp);
	worker_fds_close_ends(&ends);
	worker->is_forking = true;
	return true;
}

/* What it was told meanwhile, it is told now. */
void
worker_start_forked(struct worker *worker, pid_t pid, int pidfd)
{
	worker->is_forking = false;
	worker->pid = pid;
	worker->exit.fd = pidfd;
	begin(worker);
	if (worker->state == WORKER_STOPPING)
		worker_signal(worker, worker->pool->config->stop_signal);
	else if (worker->state == WORKER_KILLED)
		worker_signal(worker, SIGKILL);
}

void
worker_start_refused(struct worker *worker)
{
	worker->is_forking = false;
	worker_fds_close(worker);
	worker_event(worker, WORKER_ON_FAILED);
}
