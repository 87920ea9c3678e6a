/* SPDX-License-Identifier: ISC */
/*
 * The worker's side of the lease contract: poold-lease(7).
 *
 * A worker tries the queue first and waits only when it is empty, so a busy
 * worker goes from one request to the next with five system calls: recvmsg
 * (the lease), recv (the head), sendmsg (the response), close, send (DONE).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/msg.h"
#include "libpoold/held.h"
#include "libpoold/internal.h"
#include "libpoold/leased.h"

enum taken { TAKEN_MESSAGE, TAKEN_NOTHING, TAKEN_END, TAKEN_ERROR };

static int
protocol_error(const char *what)
{
	poold_log(NULL, "started as a worker of poold, but %s", what);
	return EX_PROTOCOL;
}

static bool
socket_valid(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool
table_valid(const struct lease_scoreboard *b, uint32_t off, uint32_t count, uint32_t size,
    size_t size_min)
{
	return off >= sizeof(*b) && off % 64 == 0 && size % 64 == 0 && size >= size_min &&
	    off + (uint64_t)count * size <= b->size;
}

static bool
board_valid(const struct lease_scoreboard *b, uint64_t file_size)
{
	return b->magic == LEASE_MAGIC && b->protocol == LEASE_PROTOCOL &&
	    b->size <= file_size && b->worker_count <= LEASE_WORKERS_MAX &&
	    b->slot_count <= LEASE_SLOTS_MAX &&
	    table_valid(b, b->worker_off, b->worker_count, b->worker_size,
		sizeof(struct lease_worker)) &&
	    table_valid(b, b->slot_off, b->slot_count, b->slot_size, LEASE_SLOT_MIN);
}

static int
board_open(struct leased *l)
{
	const char *slot = getenv("POOLD_SLOT"), *error;
	struct stat st;

	if (fstat(LEASE_FD_SCOREBOARD, &st) == -1 ||
	    st.st_size < (off_t)sizeof(l->board) ||
	    fcntl(LEASE_FD_SCOREBOARD, F_SETFD, FD_CLOEXEC) == -1)
		return protocol_error("descriptor 5 is no scoreboard");
	l->map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    LEASE_FD_SCOREBOARD, 0);
	if (l->map == MAP_FAILED) {
		l->map = NULL;
		return protocol_error("descriptor 5 cannot be mapped");
	}
	memcpy(&l->board, l->map, sizeof(l->board));
	if (!board_valid(&l->board, (uint64_t)st.st_size)) {
		munmap(l->map, (size_t)st.st_size);
		l->map = NULL;
		return protocol_error("its scoreboard is not understood");
	}
	l->board.size = (uint64_t)st.st_size; /* for munmap */
	l->worker = (uint32_t)strtonum(slot != NULL ? slot : "", 0, LEASE_WORKERS_MAX,
	    &error);
	if (error != NULL || l->worker >= l->board.worker_count)
		return protocol_error("POOLD_SLOT is not in the scoreboard");
	l->me = (struct lease_worker *)((char *)l->map + l->board.worker_off +
	    (size_t)l->worker * l->board.worker_size);
	return 0;
}

static int
environment_check(bool *has_rest)
{
	const char *protocol = getenv("POOLD_PROTOCOL");
	const char *fds = getenv("POOLD_FDS");
	bool ours;

	ours = protocol != NULL && strcmp(protocol, "1") == 0;
	if (!ours)
		return protocol_error("with a protocol other than 1");
	if (fds != NULL && strcmp(fds, "3,4,5,6") != 0 && strcmp(fds, "3,4,5,6,7") != 0)
		return protocol_error("POOLD_FDS is not 3,4,5,6 or 3,4,5,6,7");
	*has_rest = fds != NULL && strcmp(fds, "3,4,5,6,7") == 0;
	if (*has_rest && fcntl(LEASE_FD_REST, F_SETFD, FD_CLOEXEC) == -1)
		return protocol_error("descriptor 7 is missing");
	if (!socket_valid(LEASE_FD_QUEUE) || !socket_valid(LEASE_FD_CONTROL) ||
	    !socket_valid(LEASE_FD_DONE))
		return protocol_error("descriptors 3, 4 and 6 are no SEQPACKET sockets");
	/* What this process starts is no worker. */
	unsetenv("POOLD_PROTOCOL");
	unsetenv("POOLD_FDS");
	notify_open();
	return 0;
}

int
leased_watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = (uint64_t)fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void
leased_state_set(struct leased *l, enum lease_worker_state state)
{
	atomic_store_explicit(&l->me->state, state, memory_order_release);
}

/* Says that this worker is ready; it takes nothing before GO. */
static int
start(struct leased *l)
{
	struct lease_signal ready = { .type = LEASE_READY, .pid = (uint32_t)getpid() };
	const char *service = getenv("POOLD_SERVICE");
	char prefix[128];

	l->msg = malloc(LEASE_MSG_MAX);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->msg == NULL || l->epoll == -1 ||
	    leased_watch(l->epoll, LEASE_FD_CONTROL, EPOLLIN) == -1 ||
	    leased_watch(l->epoll, l->serve->wake_fd, EPOLLIN) == -1) {
		poold_log(NULL, "cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	atomic_store(&l->me->requests, 0);
	atomic_store(&l->me->bytes, 0);
	atomic_store(&l->me->errors, 0);
	snprintf(prefix, sizeof(prefix), "poold: %.64s worker %u",
	    service != NULL ? service : l->serve->name, l->worker);
	title_open(&l->serve->title, prefix);
	if (msg_send(LEASE_FD_CONTROL, &ready, sizeof(ready), 0) == -1)
		l->stopping = true; /* nobody is there any more */
	return 0;
}

/* Says in the scoreboard that this worker has this very request. */
static void
publish(struct leased *l, struct poold_request *req)
{
	const struct lease_held *held = &req->lease;

	atomic_store_explicit(&l->me->lease_slot, held->slot, memory_order_relaxed);
	atomic_store_explicit(&l->me->serial, held->serial, memory_order_relaxed);
	atomic_store_explicit(&l->me->started_ns, held->taken_ns, memory_order_relaxed);
	leased_state_set(l, LEASE_WORKER_BUSY);
}

/* Answers the request; done says afterwards how that went. */
static void
lease_answer(struct leased *l, struct lease_done *done)
{
	struct serve *serve = l->serve;
	struct poold_request *req = serve->req;
	bool is_check = req->lease.type == LEASE_CHECK;

	req->rest = is_check ? NULL : &l->rest;
	if (!is_check)
		rest_begin(&l->rest, req->lease.serial);
	title_busy(&serve->title, req,
	    atomic_load_explicit(&l->me->requests, memory_order_relaxed),
	    req->started_ns);
	request_handle(req, serve->handler, serve->arg);
	done->flags = req->keep ? LEASE_DONE_KEEP : LEASE_DONE_CLOSE;
	done->status = (uint16_t)req->response.status;
	done->bytes = req->response.bytes;
	if (!is_check)
		rest_finish(&l->rest, done, req->response.state != RESPONSE_DONE);
	held_count(l, req, done);
}

/* One LEASE or CHECK of len bytes in l->msg; its DONE goes to sock. */
static void
lease_serve(struct leased *l, size_t len, int fd, bool truncated, int sock)
{
	struct poold_request *req = l->serve->req;
	struct lease_done done = { .flags = LEASE_DONE_REFUSED };
	enum held_begun begun = held_begin(l, req, len, fd, truncated);

	if (begun == HELD_OPEN)
		lease_answer(l, &done);
	else if (begun == HELD_LEFT)
		done.flags = LEASE_DONE_CLOSE;
	/* Closed before DONE: whoever reads that may give the connection to
	 * another worker. */
	if (fd != -1)
		close(fd);
	if (begun == HELD_DROPPED)
		return;
	held_fill_done(req, &done);
	held_over(req);
	while (held_send_done(req, sock, &done, 0) == -1) {
		if (errno == EAGAIN && io_wait(sock, POLLOUT, -1) == 0)
			continue;
		l->stopping = true; /* nobody is there any more */
		break;
	}
}

/* Takes one message from the queue. */
static enum taken
leased_take(struct leased *l)
{
	bool truncated;
	ssize_t n;
	int fd;

	leased_state_set(l, LEASE_WORKER_TAKING);
	n = msg_recv_fd(LEASE_FD_QUEUE, l->msg, LEASE_MSG_MAX, MSG_DONTWAIT, &fd,
	    &truncated);
	if (n == 0 || (n == -1 && errno == ECONNRESET))
		return TAKEN_END;
	if (n == -1) {
		if (errno == EAGAIN)
			return TAKEN_NOTHING;
		poold_log(NULL, "queue: %s", strerror(errno));
		return TAKEN_ERROR;
	}
	if ((size_t)n >= sizeof(l->msg->type) && l->msg->type == LEASE_LEASE)
		lease_serve(l, (size_t)n, fd, truncated, LEASE_FD_DONE);
	else if (fd != -1)
		close(fd); /* not KICK, which has none and needs no answer */
	return TAKEN_MESSAGE;
}

/* Reads all that the supervisor has sent. */
static void
leased_control(struct leased *l)
{
	bool truncated;
	ssize_t n;
	int fd;

	for (;;) {
		n = msg_recv_fd(LEASE_FD_CONTROL, l->msg, LEASE_MSG_MAX, MSG_DONTWAIT,
		    &fd, &truncated);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			l->stopping = true; /* the supervisor is gone */
			return;
		}
		if ((size_t)n >= sizeof(l->msg->type) && l->msg->type == LEASE_CHECK) {
			lease_serve(l, (size_t)n, fd, truncated, LEASE_FD_CONTROL);
			leased_state_set(l,
			    l->going ? LEASE_WORKER_TAKING : LEASE_WORKER_NONE);
			continue;
		}
		if (fd != -1)
			close(fd);
		if ((size_t)n < sizeof(struct lease_signal))
			continue;
		if (l->msg->type == LEASE_GO)
			l->going = true;
		else if (l->msg->type == LEASE_STOP)
			l->stopping = true;
	}
}

/*
 * Puts the queue into the epoll set.  The kernel wakes the first of the
 * waiting sets; who is added anew stands last, so adding it whenever idle
 * begins gives exact round-robin.  A message that came since the queue was
 * found empty makes the new entry ready at once.
 */
static void
queue_watch(struct leased *l)
{
	if (l->queued && (l->board.flags & LEASE_BALANCE_HOT))
		return;
	if (l->queued)
		(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, LEASE_FD_QUEUE, NULL);
	l->queued = leased_watch(l->epoll, LEASE_FD_QUEUE, EPOLLIN | EPOLLEXCLUSIVE) == 0;
}

static int
leased_wait(struct leased *l)
{
	struct epoll_event events[3];
	int i, n, timeout_ms, watchdog_ms;

	if (l->going) {
		leased_state_set(l, LEASE_WORKER_IDLE);
		queue_watch(l);
		if (!l->queued)
			return -1;
	}
	timeout_ms = title_idle(&l->serve->title,
	    atomic_load_explicit(&l->me->requests, memory_order_relaxed), util_now_ns());
	watchdog_ms = notify_watchdog();
	if (timeout_ms == -1 || (watchdog_ms != -1 && watchdog_ms < timeout_ms))
		timeout_ms = watchdog_ms;
	n = epoll_wait(l->epoll, events, 3, timeout_ms);
	if (n == -1 && errno != EINTR)
		return -1;
	for (i = 0; i < n; i++)
		if (events[i].data.u64 == LEASE_FD_CONTROL)
			leased_control(l);
	return 0;
}

/* Leaves the queue.  A wake-up that was given to this process is not passed on
 * to another, so what the queue holds is served here. */
static void
leased_drain(struct leased *l)
{
	if (!l->going)
		return;
	if (l->queued)
		(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, LEASE_FD_QUEUE, NULL);
	while (leased_take(l) == TAKEN_MESSAGE)
		;
}

static int
leased_loop(struct leased *l)
{
	enum taken taken;

	while (!l->stopping && !serve_stopping()) {
		/* The word spares a busy worker a system call a request. */
		if (atomic_load_explicit(&l->me->control, memory_order_acquire) ==
		    LEASE_CONTROL_LOOK) {
			leased_control(l);
			if (l->stopping)
				break;
		}
		(void)notify_watchdog();
		taken = l->going ? leased_take(l) : TAKEN_NOTHING;
		if (taken == TAKEN_END)
			return 0;
		if (taken == TAKEN_ERROR ||
		    (taken == TAKEN_NOTHING && leased_wait(l) == -1))
			return EX_OSERR;
	}
	leased_drain(l);
	return 0;
}

/* The worker of this process, for poold_stopping. */
static const struct leased *the_leased;

/* A CHECK that came while a request is served may hide a STOP behind it. */
static void
check_refuse(void)
{
	struct lease_msg msg = { 0 };
	struct lease_done done = { .type = LEASE_DONE, .flags = LEASE_DONE_REFUSED };
	bool truncated;
	int fd;

	if (msg_recv_fd(LEASE_FD_CONTROL, &msg, sizeof(msg), MSG_DONTWAIT, &fd,
		&truncated) == -1)
		return;
	if (fd != -1)
		close(fd);
	done.serial = msg.serial;
	done.slot = msg.slot;
	(void)msg_send(LEASE_FD_CONTROL, &done, sizeof(done), MSG_DONTWAIT);
}

bool
leased_stopping(void)
{
	const struct leased *l = the_leased;
	struct lease_signal signal = { 0 };
	ssize_t n;

	if (l == NULL)
		return false;
	if (l->is_many) /* poold_worker_next looks */
		return l->stopping;
	if ((!l->stopping &&
		atomic_load_explicit(&l->me->control, memory_order_acquire) !=
		    LEASE_CONTROL_LOOK))
		return false;
	while ((n = recv(LEASE_FD_CONTROL, &signal, sizeof(signal),
		    MSG_PEEK | MSG_DONTWAIT)) >= (ssize_t)sizeof(signal.type) &&
	    signal.type == LEASE_CHECK)
		check_refuse();
	return l->stopping || n == 0 ||
	    (n >= (ssize_t)sizeof(signal.type) && signal.type == LEASE_STOP);
}

int
leased_open(struct leased *l)
{
	bool has_rest = false;
	int status;

	if ((status = environment_check(&has_rest)) == 0 &&
	    (status = board_open(l)) == 0 && (status = start(l)) == 0) {
		rest_init(&l->rest, has_rest ? LEASE_FD_REST : -1, l->board.rest_max,
		    l->me);
		the_leased = l;
	}
	return status;
}

void
leased_close(struct leased *l)
{
	if (the_leased != NULL)
		leased_state_set(l, LEASE_WORKER_NONE);
	the_leased = NULL;
	if (l->map != NULL)
		munmap(l->map, (size_t)l->board.size);
	if (l->epoll != -1)
		close(l->epoll);
	free(l->msg);
}

int
leased_serve(struct serve *serve)
{
	struct leased l = { .serve = serve, .epoll = -1, .owned = publish };
	int status;

	serve->req->leased = true;
	if ((status = leased_open(&l)) == 0)
		status = leased_loop(&l);
	leased_close(&l);
	return status;
}
