/* SPDX-License-Identifier: ISC */
/*
 * Many requests at a time in one process, none of which waits for another:
 *
 *	/pid		pid, and how many requests it has, as JSON
 *	/hold		answered, as /pid, when /go comes
 *	/go		answers all that are held
 *	/echo		the body back, as it comes, in chunks
 *	/upload		how many bytes the body has
 *	/big?size=N	N bytes, given to the library at once
 *	/file?size=N	the same from a file
 *	/stream?size=N	N bytes in chunks, as fast as the client takes them
 *	/events		server-sent events: one for each /tick
 *	/switch		with Upgrade: echo, everything back
 *	/nothing	no response
 *	/exit		the process exits in place of an answer
 */
#include <errno.h>
#include <poold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define PIECE 16384

enum kind { HELD, EVENTS, ECHO, UPLOAD, STREAM, SWITCHED };

struct task {
	struct poold_request *req;
	enum kind kind;
	uint64_t count; /* bytes received, or still to send */
	size_t len;	/* of piece, which the client did not take yet */
	char piece[PIECE];
	TAILQ_ENTRY(task) link;
};

static TAILQ_HEAD(tasks, task)
tasks = TAILQ_HEAD_INITIALIZER(tasks);
static unsigned task_count;
static int epoll;

static void
task_end(struct task *task)
{
	/* closing alone would not: poold has the socket too */
	(void)epoll_ctl(epoll, EPOLL_CTL_DEL, poold_client_fd(task->req), NULL);
	TAILQ_REMOVE(&tasks, task, link);
	task_count--;
	poold_finish(task->req);
	free(task);
}

static void
task_watch(struct task *task, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLRDHUP, .data.ptr = task };

	(void)epoll_ctl(epoll, EPOLL_CTL_MOD, poold_client_fd(task->req), &event);
}

static struct task *
task_new(struct poold_request *req, enum kind kind)
{
	struct task *task = calloc(1, sizeof(*task));
	struct epoll_event event = { .events = EPOLLRDHUP, .data.ptr = task };

	if (task == NULL)
		abort();
	task->req = req;
	task->kind = kind;
	TAILQ_INSERT_TAIL(&tasks, task, link);
	task_count++;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, poold_client_fd(req), &event) == -1)
		abort();
	return task;
}

static void
answer_pid(struct poold_request *req)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "{\"pid\":%d,\"tasks\":%u}", (int)getpid(),
	    task_count);

	poold_respond(req, 200, "application/json", text, (size_t)len);
}

static void
answer_kind(enum kind kind)
{
	struct task *task, *next;

	for (task = TAILQ_FIRST(&tasks); task != NULL; task = next) {
		next = TAILQ_NEXT(task, link);
		if (task->kind != kind)
			continue;
		if (kind == HELD)
			answer_pid(task->req);
		if (kind == HELD || poold_write(task->req, "data: tick\n\n", 12) == -1)
			task_end(task);
	}
}

/* --- bodies ------------------------------------------------------------ */

/* Gives the client what it did not take before.  Returns whether it has. */
static bool
task_push(struct task *task)
{
	if (task->len == 0)
		return true;
	if (poold_write(task->req, task->piece, task->len) == 0) {
		task->len = 0;
		return true;
	}
	if (errno == EAGAIN)
		task_watch(task, EPOLLOUT);
	else
		task_end(task);
	return false;
}

static void
body_end(struct task *task)
{
	char text[32];
	int len;

	if (task->kind == ECHO) {
		poold_end(task->req);
	} else {
		len = snprintf(text, sizeof(text), "%llu bytes",
		    (unsigned long long)task->count);
		poold_respond(task->req, 200, "text/plain", text, (size_t)len);
	}
	task_end(task);
}

static void
body_go_on(struct task *task)
{
	ssize_t n;

	while (task_push(task)) {
		n = poold_read(task->req, task->piece, sizeof(task->piece));
		if (n == -1 && errno == EAGAIN) {
			task_watch(task, EPOLLIN);
			return;
		}
		if (n == 0) {
			body_end(task);
			return;
		}
		if (n == -1) {
			if (errno == EBADMSG)
				poold_problem(task->req, 400, "not chunked");
			task_end(task);
			return;
		}
		task->count += (uint64_t)n;
		if (task->kind == ECHO)
			task->len = (size_t)n;
	}
}

static void
stream_go_on(struct task *task)
{
	while (task_push(task)) {
		if (task->count == 0) {
			poold_end(task->req);
			task_end(task);
			return;
		}
		task->len = task->count < PIECE ? (size_t)task->count : PIECE;
		task->count -= task->len;
		memset(task->piece, 's', task->len);
	}
}

static void
switched_go_on(struct task *task)
{
	ssize_t n;

	while (task_push(task)) {
		n = recv(poold_client_fd(task->req), task->piece, PIECE, 0);
		if (n > 0) {
			task->len = (size_t)n;
		} else if (n == -1 && errno == EAGAIN) {
			task_watch(task,
			    poold_queued(task->req) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
			(void)poold_flush(task->req);
			return;
		} else {
			task_end(task);
			return;
		}
	}
}

static void
task_go_on(struct task *task, uint32_t events)
{
	if (task->kind == HELD || task->kind == EVENTS) {
		if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
			poold_log(task->req, "the client left");
			task_end(task);
		}
	} else if (task->kind == SWITCHED) {
		switched_go_on(task);
	} else if (task->kind == STREAM) {
		stream_go_on(task);
	} else {
		body_go_on(task);
	}
}

/* --- requests ---------------------------------------------------------- */

static void
answer_file(struct poold_request *req, size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd == -1 || ftruncate(fd, (off_t)size) == -1)
		abort();
	poold_respond_file(req, 200, "text/plain", fd, 0, size);
	close(fd);
}

static void
answer_big(struct poold_request *req, size_t size)
{
	char *body = malloc(size + 1);

	if (body == NULL)
		abort();
	memset(body, 'b', size);
	poold_respond(req, 200, "text/plain", body, size);
	free(body);
}

/* Requests that are not answered at once; false: it is none. */
static bool
begin_task(struct poold_request *req, const char *path, size_t size)
{
	struct task *task;

	if (strcmp(path, "/hold") == 0) {
		task_new(req, HELD);
	} else if (strcmp(path, "/echo") == 0) {
		poold_start(req, 200, "application/octet-stream", -1);
		body_go_on(task_new(req, ECHO));
	} else if (strcmp(path, "/upload") == 0) {
		body_go_on(task_new(req, UPLOAD));
	} else if (strcmp(path, "/stream") == 0) {
		poold_start(req, 200, "text/plain", -1);
		task = task_new(req, STREAM);
		task->count = size;
		stream_go_on(task);
	} else if (strcmp(path, "/events") == 0) {
		if (poold_start(req, 200, "text/event-stream", -1) == -1 ||
		    poold_detach(req) == -1)
			return false;
		task_new(req, EVENTS);
	} else if (strcmp(path, "/switch") == 0 && poold_upgrade(req, "echo") != -1) {
		switched_go_on(task_new(req, SWITCHED));
	} else {
		return false;
	}
	return true;
}

static void
request(struct poold_request *req)
{
	const char *path = poold_path_info(req), *text = poold_param(req, "size");
	size_t size = text != NULL ? strtoul(text, NULL, 10) : 0;

	poold_nonblocking(req);
	if (begin_task(req, path, size))
		return;
	if (strcmp(path, "/go") == 0)
		answer_kind(HELD);
	if (strcmp(path, "/tick") == 0)
		answer_kind(EVENTS);
	if (strcmp(path, "/exit") == 0)
		_exit(1);
	if (strcmp(path, "/big") == 0)
		answer_big(req, size);
	else if (strcmp(path, "/file") == 0)
		answer_file(req, size);
	else if (strcmp(path, "/nothing") != 0)
		answer_pid(req);
	poold_finish(req);
}

/* Returns false when no more will come and nothing is left. */
static bool
requests(struct poold_worker *w)
{
	struct poold_request *req;
	struct task *task, *next;

	while ((req = poold_worker_next(w)) != NULL)
		request(req);
	if (errno != ESHUTDOWN)
		return true;
	for (task = TAILQ_FIRST(&tasks); task != NULL; task = next) {
		next = TAILQ_NEXT(task, link);
		if (task->kind == EVENTS) {
			poold_end(task->req);
			task_end(task);
		} else if (task->kind == SWITCHED) {
			task_end(task);
		}
	}
	return task_count > 0;
}

int
main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct poold_worker *w;
	int status, n;

	if ((w = poold_worker_open(argc, argv, &status)) == NULL)
		return status;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll == -1 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, poold_worker_fd(w), &event) == -1)
		return EX_OSERR;
	for (;;) {
		/* one at a time: a task may end another one */
		n = epoll_wait(epoll, &event, 1, -1);
		if (n == -1 && errno != EINTR)
			break;
		if (n > 0 && event.data.ptr != NULL)
			task_go_on(event.data.ptr, event.events);
		if (!requests(w))
			break;
	}
	poold_worker_close(w);
	close(epoll);
	return 0;
}
