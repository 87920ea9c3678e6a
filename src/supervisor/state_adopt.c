/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "common/log.h"
#include "supervisor/pool.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/supervisor.h"

static void
adopt_timer(struct loop *loop, struct loop_timer *timer)
{
	uint64_t deadline_ns = timer->deadline_ns;

	timer->deadline_ns = 0; /* loaded, but not in the tree of timers */
	if (deadline_ns != 0)
		loop_timer_set(loop, timer, deadline_ns);
}

static void
watch(struct loop *loop, struct loop_io *io, const struct worker *worker)
{
	if (io->fd != -1 && loop_io_add(loop, io, EPOLLIN) == -1)
		log_error("service %s: cannot watch worker %u: %s",
		    worker->pool->service->name, worker->slot, strerror(errno));
}

static void
adopt_worker(struct worker *worker)
{
	struct loop *loop = &worker->pool->supervisor->loop;

	adopt_timer(loop, &worker->timer);
	if (worker->is_forking)
		control_line_adopt(worker);
	if (worker->pid == 0)
		return;
	/* our child, and not reaped: nobody else can have its pid */
	worker->exit.fd = spawn_pidfd(worker->pid);
	if (worker->exit.fd == -1)
		log_error("service %s: worker %u (pid %d) is lost: %s",
		    worker->pool->service->name, worker->slot, (int)worker->pid,
		    strerror(errno));
	watch(loop, &worker->exit, worker);
	watch(loop, &worker->control, worker);
	watch(loop, &worker->failure, worker);
	control_line_adopt(worker);
}

/* A check that was under way begins anew. */
static void
adopt_health(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (worker_is_going(&pool->workers[i]))
			health_running(&pool->workers[i]);
		else if (pool->workers[i].state == WORKER_CHECKING)
			health_first(&pool->workers[i]);
	if (pool->was_ready && pool->state == POOL_SERVING)
		health_serving(pool);
}

static bool
adopt_pool(struct pool *pool)
{
	void *map = NULL;

	if (pool->board_fd != -1)
		map = mmap(NULL, pool->board.layout.size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, pool->board_fd, 0);
	if (map == MAP_FAILED) {
		log_error("service %s: no scoreboard: %s", pool->service->name,
		    strerror(errno));
		return false;
	}
	pool->board.map = map;
	adopt_timer(&pool->supervisor->loop, &pool->strength.timer);
	for (uint32_t i = 0; i < pool->worker_count; i++)
		adopt_worker(&pool->workers[i]);
	return true;
}

bool
state_adopt(struct supervisor *supervisor, const struct record_fds *fds)
{
	struct service *service;
	struct pool *pool;

	for (size_t i = 0; i < fds->count; i++)
		fcntl(fds->fds[i], F_SETFD, FD_CLOEXEC);
	TAILQ_FOREACH (service, &supervisor->services, entry) {
		TAILQ_FOREACH (pool, &service->pools, entry)
			if (!adopt_pool(pool))
				return false;
		cgroup_update(&supervisor->cgroups, service);
	}
	TAILQ_FOREACH (service, &supervisor->services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry) {
			adopt_health(pool);
			template_adopt(&pool->template);
		}
	return true;
}
