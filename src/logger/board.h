/* SPDX-License-Identifier: ISC */
/* The scoreboards of the generations, mapped to be read: which request a worker
 * is at. */
#ifndef LOGGER_BOARD_H
#define LOGGER_BOARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/logger.h"

struct board {
	TAILQ_ENTRY(board) entry;
	uint32_t id;
	struct lease_board lease;
};
TAILQ_HEAD(boards, board);

/* Maps a scoreboard; fd is closed.  One that cannot be mapped is left out. */
void board_add(struct boards *boards, const struct logger_board *msg, int fd);
void board_remove(struct boards *boards, uint32_t id);
/* NULL: there is none. */
struct board *board_find(struct boards *boards, uint32_t id);

/* Requests that the worker in the slot has answered. */
uint64_t board_requests(const struct board *board, uint32_t slot);

/*
 * The id of the request that a worker is at, in hex with a NUL.  Returns false
 * when there is none, or when it is not sure that the worker has been at it
 * since since_ns (CLOCK_MONOTONIC), which is before whatever is to be tagged was
 * written; answered is what board_requests said then, for the same purpose.
 */
bool board_request_id(const struct board *board, uint32_t slot, uint64_t since_ns,
    uint64_t answered, char id[33]);

#endif
