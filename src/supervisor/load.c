/* SPDX-License-Identifier: ISC */
#include "supervisor/load.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/util.h"
#include "supervisor/environment.h"
#include "supervisor/pool.h"
#include "supervisor/proc.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor.h"

/* Per cent of the last ten seconds in which some task, or all, waited for
 * memory: starting more processes would make it worse. */
#define SOME_PRESSURE 20.0
#define FULL_PRESSURE 5.0

/* --- leased ------------------------------------------------------------ */

bool
load_is_busy(const struct worker *worker)
{
	const struct lease_board *board = &worker->pool->board;
	uint32_t state;

	if (!pool_is_leased(worker->pool))
		return false;
	state = atomic_load(&lease_worker_at(board, worker->slot)->state);
	return state == LEASE_WORKER_BUSY || state == LEASE_WORKER_TAKING;
}

static uint32_t
busy_workers(const struct pool *pool)
{
	uint32_t busy = 0;

	for (uint32_t i = 0; i < pool->worker_count; i++)
		busy += worker_is_going(&pool->workers[i]) &&
		    load_is_busy(&pool->workers[i]);
	return busy;
}

/* With several requests a worker, the leases that some worker has. */
static uint32_t
leases_in_workers(const struct pool *pool)
{
	const struct lease_board *board = &pool->board;
	uint32_t count = 0;

	for (uint32_t i = 0; i < board->layout.slot_count; i++) {
		struct lease_slot *slot = lease_slot_at(board, i);

		count += atomic_load(&slot->state) != LEASE_SLOT_FREE &&
		    LEASE_OWNER_IS(atomic_load(&slot->owner), atomic_load(&slot->serial));
	}
	return count;
}

/* --- for themselves ---------------------------------------------------- */

/* tcp(7) does not say it: of a listening socket tcpi_unacked is the number of
 * connections in its accept queue (linux/net/ipv4/tcp.c, tcp_get_info). */
static uint32_t
accept_queue(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		return info.tcpi_unacked;
	return poll(&poll_fd, 1, 0) == 1; /* a unix socket: some, or none */
}

bool
load_accept_queue(int fd, uint32_t *length, uint32_t *limit)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return false;
	*length = info.tcpi_unacked;
	*limit = info.tcpi_sacked;
	return true;
}

/* User and system time in clock ticks; proc(5): the fields behind the command's
 * name, which is in parentheses and may hold any. */
static uint64_t
cpu_ticks(pid_t pid, bool children)
{
	char buf[1024];
	unsigned long user, system, child_user, child_system;
	const char *rest;

	if (proc_read(pid, "stat", buf, sizeof(buf)) == 0 ||
	    (rest = proc_behind_name(buf)) == NULL ||
	    sscanf(rest, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
		&user, &system, &child_user, &child_system) != 4)
		return 0;
	return (uint64_t)user + system + (children ? child_user + child_system : 0);
}

static uint32_t
busy_by_cpu(struct pool *pool)
{
	uint64_t now_ns = util_now_ns(), used = 0, ticks, passed;
	uint64_t since_ns = pool->strength.load_cpu_ns;

	for (uint32_t i = 0; i < pool->worker_count; i++) {
		struct worker *worker = &pool->workers[i];

		if (worker->pid == 0)
			continue;
		ticks = cpu_ticks(worker->pid, false);
		if (worker->cpu_pid == worker->pid && ticks > worker->cpu_ticks)
			used += ticks - worker->cpu_ticks;
		worker->cpu_pid = worker->pid;
		worker->cpu_ticks = ticks;
	}
	pool->strength.load_cpu_ns = now_ns;
	if (since_ns == 0 || now_ns <= since_ns)
		return 0;
	passed = (now_ns - since_ns) * (uint64_t)sysconf(_SC_CLK_TCK) / (1000 * MS_NS);
	/* a tick is all that is known of little work */
	if (used <= 1 || passed == 0)
		return 0;
	return (uint32_t)((used + passed - 1) / passed);
}

/* --- both -------------------------------------------------------------- */

uint32_t
load_busy(struct pool *pool)
{
	uint32_t concurrency = (uint32_t)pool->config->concurrency;

	if (!pool_is_leased(pool))
		return busy_by_cpu(pool);
	if (concurrency == 1)
		return busy_workers(pool);
	return (leases_in_workers(pool) + concurrency - 1) / concurrency;
}

uint32_t
load_queued(struct pool *pool)
{
	int fds[SPAWN_SOCKETS_MAX], count;
	uint32_t queued = 0;

	if (pool_is_leased(pool))
		return pool->strength.queued;
	count = environment_listen_fds(pool, fds);
	for (int i = 0; i < count; i++)
		queued += accept_queue(fds[i]);
	/* a check is no client */
	return queued > 0 && health_is_connected(&pool->health) ? queued - 1 : queued;
}

uint64_t
load_cpu_us(pid_t pid)
{
	return cpu_ticks(pid, true) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* --- memory ------------------------------------------------------------ */

bool
load_pressure_is_high(const char *text)
{
	const char *some = strstr(text, "some avg10="),
		   *full = strstr(text, "full avg10=");

	return (some != NULL &&
		   strtod(some + strlen("some avg10="), NULL) >= SOME_PRESSURE) ||
	    (full != NULL && strtod(full + strlen("full avg10="), NULL) >= FULL_PRESSURE);
}

bool
load_memory_is_short(void)
{
	char buf[256];

	return proc_read_file("/proc/pressure/memory", buf, sizeof(buf)) > 0 &&
	    load_pressure_is_high(buf);
}

uint64_t
load_rss(pid_t pid)
{
	char buf[256];
	unsigned long pages;

	if (proc_read(pid, "statm", buf, sizeof(buf)) == 0 ||
	    sscanf(buf, "%*u %lu", &pages) != 1)
		return 0;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t
load_pss(pid_t pid)
{
	char buf[2048];
	const char *pss;
	unsigned long kib;

	if (proc_read(pid, "smaps_rollup", buf, sizeof(buf)) == 0 ||
	    (pss = strstr(buf, "\nPss:")) == NULL || sscanf(pss, "\nPss: %lu", &kib) != 1)
		return 0;
	return (uint64_t)kib * 1024;
}
