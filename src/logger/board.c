/* SPDX-License-Identifier: ISC */
#include "logger/board.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"

struct board *
board_find(struct boards *boards, uint32_t id)
{
	struct board *board;

	TAILQ_FOREACH (board, boards, entry)
		if (board->id == id)
			return board;
	return NULL;
}

/* Whether the parts lie where they can be read; a version of poold that we do
 * not know may have made it. */
static bool
is_usable(const struct lease_scoreboard *layout, const struct stat *st)
{
	uint64_t workers = (uint64_t)layout->worker_count * layout->worker_size;
	uint64_t slots = (uint64_t)layout->slot_count * layout->slot_size;

	return layout->magic == LEASE_MAGIC && layout->protocol == LEASE_PROTOCOL &&
	    layout->size > 0 && (uint64_t)st->st_size >= layout->size &&
	    layout->worker_size >= sizeof(struct lease_worker) && layout->slot_size > 0 &&
	    layout->worker_off + workers <= layout->size &&
	    layout->slot_off + slots <= layout->size;
}

void
board_add(struct boards *boards, const struct logger_board *msg, int fd)
{
	struct stat st;
	struct board *board;
	void *map = MAP_FAILED;

	if (board_find(boards, msg->id) == NULL && fstat(fd, &st) == 0 &&
	    is_usable(&msg->layout, &st))
		map = mmap(NULL, msg->layout.size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return; /* its lines go without the ids of requests */
	board = util_alloc(sizeof(*board));
	board->id = msg->id;
	board->lease.map = map;
	board->lease.layout = msg->layout;
	TAILQ_INSERT_TAIL(boards, board, entry);
}

void
board_remove(struct boards *boards, uint32_t id)
{
	struct board *board = board_find(boards, id);

	if (board == NULL)
		return;
	TAILQ_REMOVE(boards, board, entry);
	munmap(board->lease.map, board->lease.layout.size);
	free(board);
}

static const struct lease_worker *
worker_at(const struct board *board, uint32_t slot)
{
	return slot < board->lease.layout.worker_count ?
	    lease_worker_at(&board->lease, slot) :
	    NULL;
}

uint64_t
board_requests(const struct board *board, uint32_t slot)
{
	const struct lease_worker *worker = worker_at(board, slot);

	return worker != NULL ? atomic_load(&worker->requests) : 0;
}

bool
board_request_id(const struct board *board, uint32_t slot, uint64_t since_ns,
    uint64_t answered, char id[33])
{
	const struct lease_worker *worker = worker_at(board, slot);
	uint8_t bytes[16];
	uint32_t lease;
	uint64_t serial;

	if (worker == NULL || atomic_load(&worker->state) != LEASE_WORKER_BUSY)
		return false;
	serial = atomic_load(&worker->serial);
	/* a line of the request before must not get the id of this one */
	if (atomic_load(&worker->started_ns) > since_ns &&
	    atomic_load(&worker->requests) != answered)
		return false;
	lease = atomic_load(&worker->lease_slot);
	if (lease >= board->lease.layout.slot_count ||
	    !lease_slot_request_id(&board->lease, lease, serial, bytes) ||
	    atomic_load(&worker->state) != LEASE_WORKER_BUSY ||
	    atomic_load(&worker->serial) != serial)
		return false;
	util_hex(bytes, sizeof(bytes), id);
	return true;
}
