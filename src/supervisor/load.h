/* SPDX-License-Identifier: ISC */
/*
 * What a pool has to do: read from its scoreboard and told by the router, or
 * for workers that accept for themselves, from the kernel.
 */
#ifndef SUPERVISOR_LOAD_H
#define SUPERVISOR_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;
struct worker;

/* Workers that have a request.  mode = inherit: the CPU time that they used
 * since the last call, in workers, rounded up. */
uint32_t load_busy(struct pool *pool);
/* Requests that wait: in the router, or in the accept queues. */
uint32_t load_queued(struct pool *pool);
/* Of a listening socket, as the kernel tells for TCP; else false. */
bool load_accept_queue(int fd, uint32_t *length, uint32_t *limit);
/* Whether this very worker has a request; false where that is not known. */
bool load_is_busy(const struct worker *worker);

/* Whether tasks have to wait for memory (/proc/pressure/memory).  False where
 * the kernel does not tell. */
bool load_memory_is_short(void);
/* The same, for the text of that file. */
bool load_pressure_is_high(const char *text);

/* Microseconds of CPU time of a process and of those of its children that it has
 * waited for; 0: not known. */
uint64_t load_cpu_us(pid_t pid);

/* Bytes of memory of a process: resident (proc(5), statm), and its proportional
 * share (smaps_rollup); 0: not known. */
uint64_t load_rss(pid_t pid);
uint64_t load_pss(pid_t pid);

#endif
