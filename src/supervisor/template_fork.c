/* SPDX-License-Identifier: ISC */
#include "supervisor/template_fork.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/log.h"
#include "common/util.h"
#include "supervisor/pool.h"
#include "supervisor/proc.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker_start.h"

#define FORK_NS (10000 * MS_NS) /* for one worker */

/* --- workers that want to be forked ------------------------------------ */

static void
set_why(struct template *template, const char *why)
{
	strlcpy(template->why, why, sizeof(template->why));
}

void
template_fork_fail_waiting(struct template *template)
{
	struct pool *pool = template->pool;

	/* the failure of the first may be the end of the pool, which leads here
	 * again: who was refused before is still to be told */
	for (uint32_t i = 0; i < pool->worker_count; i++) {
		if (pool->workers[i].awaits_fork)
			pool->workers[i].refused = true;
		pool->workers[i].awaits_fork = false;
	}
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].refused) {
			pool->workers[i].refused = false;
			worker_start_refused(&pool->workers[i]);
		}
}

void
template_fork_fail(struct template *template)
{
	struct worker *worker = template->forking;

	template->forking = NULL;
	if (worker != NULL)
		worker_start_refused(worker);
}

static struct worker *
next_waiting(const struct pool *pool)
{
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].awaits_fork)
			return &pool->workers[i];
	return NULL;
}

void
template_fork_next(struct template *template)
{
	struct worker *worker;

	while (template->state == TEMPLATE_READY && template->forking == NULL &&
	    (worker = next_waiting(template->pool)) != NULL) {
		worker->awaits_fork = false;
		template->forking = worker;
		template->serial++;
		if (worker_start_fork(worker)) {
			loop_timer_set(&template->pool->supervisor->loop,
			    &template->timer, util_now_ns() + FORK_NS);
			return;
		}
		set_why(template, "a process could not be started");
		template_fork_fail(template);
	}
}

bool
template_fork_withdraw(struct worker *worker)
{
	bool waited = worker->awaits_fork;

	worker->awaits_fork = false;
	return waited;
}

void
template_fork_send(struct worker *worker, const struct spawn *spawn)
{
	struct template *template = &worker->pool->template;
	char buf[LEASE_FORK_MAX];
	struct lease_fork fork = { .type = LEASE_FORK,
		.header_len = sizeof(fork),
		.serial = template->serial,
		.death_signal = (uint32_t)spawn->death_signal };
	int fds[1 + SPAWN_FDS_MAX];
	size_t len = sizeof(fork), size;

	for (char **var = spawn->envp; *var != NULL; var++) {
		size = strlen(*var) + 1;
		if (len + size > sizeof(buf))
			break; /* they are few, and short */
		memcpy(buf + len, *var, size);
		len += size;
	}
	fork.env_len = (uint32_t)(len - sizeof(fork));
	memcpy(buf, &fork, sizeof(fork));
	fds[0] = spawn->log_fd;
	memcpy(fds + 1, spawn->fds, (size_t)spawn->fd_count * sizeof(int));
	channel_send(&template->channel, buf, len, fds, 1 + spawn->fd_count);
}

bool
template_fork_is_awaited(const struct template *template)
{
	return next_waiting(template->pool) != NULL;
}

/* --- what the template answers ------------------------------------------ */

/*
 * A template may name any number.  One of ours that has no place yet is a worker
 * that was just born: nobody else has children here, and strangers are reaped
 * only when no fork is under way.  Of another service's, the account differs, or
 * they could do to each other what they like anyway.
 */
static bool
is_newborn(const struct template *template, pid_t pid, int pidfd)
{
	struct supervisor *supervisor = template->pool->supervisor;
	siginfo_t info;
	uint64_t uid;

	if (supervisor_knows(supervisor, pid) ||
	    waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == -1)
		return false;
	return !supervisor->is_root ||
	    (proc_status_number(pid, "Uid", 10, &uid) &&
		uid == template->pool->account.uid);
}

bool
template_fork_answered(struct template *template, const struct lease_forked *forked)
{
	struct worker *worker = template->forking;
	char why[128];
	int pidfd = -1;

	if (worker == NULL || forked->serial != template->serial)
		return false;
	if (forked->error != 0) {
		snprintf(why, sizeof(why), "its template cannot fork: %s",
		    strerror(forked->error));
		log_error("service %s: worker %u: %s", template->pool->service->name,
		    worker->slot, why);
		set_why(template, why);
		loop_timer_clear(&template->pool->supervisor->loop, &template->timer);
		template_fork_fail(template);
		return true;
	}
	if (forked->pid > 0 && forked->pid <= INT32_MAX)
		pidfd = spawn_pidfd((pid_t)forked->pid);
	if (pidfd == -1 || !is_newborn(template, (pid_t)forked->pid, pidfd)) {
		if (pidfd != -1)
			close(pidfd);
		return false;
	}
	loop_timer_clear(&template->pool->supervisor->loop, &template->timer);
	template->forking = NULL;
	worker_start_forked(worker, (pid_t)forked->pid, pidfd);
	return true;
}
