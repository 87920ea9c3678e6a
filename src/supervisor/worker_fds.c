/* SPDX-License-Identifier: ISC */
#include "supervisor/worker_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/msg.h"
#include "supervisor/environment.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"

#define REST_FILE_SIZE ((off_t)1 << 40)

/*
 * Where it leaves the rest of responses to slow clients: as large as any number
 * of them needs, since it is sparse, and sealed in size.  A limit of file sizes
 * can be in the way: then it has none and waits for its clients.
 */
static void
open_rest(struct worker *worker)
{
	worker->rest_fd = -1;
	if (worker->pool->config->response_buffer == 0)
		return;
	worker->rest_fd = memfd_create("poold-rest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (worker->rest_fd == -1 ||
	    (ftruncate(worker->rest_fd, REST_FILE_SIZE) == 0 &&
		fcntl(worker->rest_fd, F_ADD_SEALS,
		    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0))
		return;
	close(worker->rest_fd);
	worker->rest_fd = -1;
}

void
worker_fds_close_rest(struct worker *worker)
{
	if (worker->rest_fd != -1)
		close(worker->rest_fd);
	worker->rest_fd = -1;
}

/* The worker's descriptors: those of the lease contract, or listening sockets.
 * Returns their number, or -1.  *control_end is closed after the fork. */
static int
choose_fds(struct worker *worker, int fds[SPAWN_FDS_MAX], int *control_end)
{
	struct pool *pool = worker->pool;
	int control[2];

	*control_end = -1;
	if (!pool_is_leased(pool))
		return environment_listen_fds(pool, fds);
	if (msg_pair(control) == -1)
		return -1;
	worker->control.fd = control[0];
	*control_end = control[1];
	fds[LEASE_FD_QUEUE - SPAWN_FD_FIRST] = pool->queue[POOL_WORKER_END];
	fds[LEASE_FD_CONTROL - SPAWN_FD_FIRST] = control[1];
	fds[LEASE_FD_SCOREBOARD - SPAWN_FD_FIRST] = pool->board_fd;
	fds[LEASE_FD_DONE - SPAWN_FD_FIRST] = pool->done[POOL_WORKER_END];
	open_rest(worker);
	if (worker->rest_fd == -1)
		return 4;
	fds[LEASE_FD_REST - SPAWN_FD_FIRST] = worker->rest_fd;
	return 5;
}

static void
clear_slot(struct worker *worker)
{
	const struct lease_board *board = &worker->pool->board;
	struct lease_worker *slot;

	if (!pool_is_leased(worker->pool))
		return;
	/* an earlier worker may have written over the header */
	memcpy(board->map, &board->layout, sizeof(board->layout));
	slot = lease_worker_at(board, worker->slot);
	atomic_store(&slot->state, LEASE_WORKER_NONE);
	atomic_store(&slot->control, LEASE_CONTROL_NONE);
	atomic_store(&slot->requests, 0);
	atomic_store(&slot->bytes, 0);
	atomic_store(&slot->errors, 0);
}

void
worker_fds_close_ends(const struct worker_ends *ends)
{
	int error = errno;

	if (ends->control != -1)
		close(ends->control);
	if (ends->line != -1)
		close(ends->line);
	if (ends->log != -1)
		close(ends->log);
	errno = error;
}

void
worker_fds_close(struct worker *worker)
{
	int error = errno;

	worker_fds_close_rest(worker);
	if (worker->control.fd != -1)
		close(worker->control.fd);
	worker->control.fd = -1;
	control_line_close(worker);
	if (worker->log_id != 0)
		log_source_failed(worker->pool->supervisor,
		    log_source_find(&worker->pool->supervisor->logs, worker->log_id));
	worker->log_id = 0;
	errno = error;
}

bool
worker_fds_open(struct worker *worker, struct spawn *spawn, struct worker_ends *ends)
{
	struct pool *pool = worker->pool;
	const struct log_tag tag = { .kind = LOGGER_WORKER,
		.name = pool->service->name,
		.output = pool->config->output,
		.pool = pool->id,
		.slot = worker->slot };
	struct log_source *source = NULL;

	*spawn = (struct spawn){ .path = pool->config->argv[0],
		.argv = pool->config->argv,
		.chdir = pool->config->chdir,
		.account = &pool->account,
		.switch_account = pool->supervisor->is_root,
		.stdin_fd = environment_stdin(pool),
		.death_signal = pool->config->stop_signal };
	*ends = (struct worker_ends){ -1, -1, -1 };
	worker->log_id = 0;
	if (control_line_open(worker, &ends->line) &&
	    (spawn->fd_count = choose_fds(worker, spawn->fds, &ends->control)) != -1)
		ends->log = log_source_pipe(pool->supervisor, &tag, &source);
	if (ends->log == -1) {
		worker_fds_close(worker);
		worker_fds_close_ends(ends);
		return false;
	}
	if (source != NULL)
		worker->log_id = source->id;
	spawn->log_fd = ends->log;
	if (ends->line != -1) {
		worker->line.number = SPAWN_FD_FIRST + spawn->fd_count;
		spawn->fds[spawn->fd_count++] = ends->line;
	}
	clear_slot(worker);
	return true;
}
