/* SPDX-License-Identifier: ISC */
#include "logger/dest.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/util.h"

#define QUEUE_MIN	16384
#define QUEUE_KEEP	(256 * 1024) /* bytes that an empty queue may keep */
#define STACK_SIZE	(128 * 1024)
#define POLL_MS		1000
#define COLLECT_SECONDS 1
#define COLLECT_MAX	(128 * 1024) /* bytes */

uint64_t
dest_count_lines(const char *text, size_t len)
{
	const char *end = text + len, *at = text;
	uint64_t lines = 0;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		lines++;
		at++;
	}
	return lines;
}

/* --- the thread -------------------------------------------------------- */

static void
queue_clear(struct dest_queue *queue)
{
	queue->len = 0;
	if (queue->size <= QUEUE_KEEP)
		return;
	free(queue->text);
	memset(queue, 0, sizeof(*queue));
}

int
dest_write(struct dest *dest, const char *text, size_t len, size_t *done)
{
	struct pollfd pfd = { .fd = dest->fd, .events = POLLOUT };
	ssize_t n;

	for (*done = 0; *done < len;) {
		n = write(dest->fd, text + *done, len - *done);
		if (n >= 0)
			*done += (size_t)n;
		else if (errno == EAGAIN) /* whoever shares it made it so */
			poll(&pfd, 1, POLL_MS);
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}

/* Returns how many lines were dropped. */
static uint64_t
write_out(struct dest *dest, int *error)
{
	struct dest_queue *out = &dest->out;
	size_t done;

	if (dest->kind == DEST_SYSLOG)
		return dest_syslog_send(dest, error);
	if (dest->kind == DEST_SPANS)
		return dest_spans_send(dest, error);
	/* the piece of a line that a full disk took is a line of its own */
	*error = dest->torn ? dest_write(dest, "\n", 1, &done) : 0;
	done = 0;
	if (*error == 0) {
		dest->torn = false;
		*error = dest_write(dest, out->text, out->len, &done);
		if (done > 0)
			dest->torn = out->text[done - 1] != '\n';
	}
	return dest_count_lines(out->text + done, out->len - done);
}

static void
swap_queues(struct dest *dest)
{
	struct dest_queue in = dest->in;

	dest->in = dest->out;
	dest->out = in;
}

static void
take_descriptor(struct dest *dest)
{
	if (dest->next_fd == -1)
		return;
	if (dest->fd != -1)
		close(dest->fd);
	dest->fd = dest->next_fd;
	dest->next_fd = -1;
	dest->torn = false;
}

static void
count_dropped(struct dest *dest, uint64_t lines)
{
	dest->dropped += lines;
	atomic_fetch_add(dest->total, lines);
}

static void
destroy(struct dest *dest)
{
	if (dest->fd != -1)
		close(dest->fd);
	pthread_cond_destroy(&dest->wake);
	pthread_cond_destroy(&dest->rest);
	pthread_mutex_destroy(&dest->mutex);
	free(dest->in.text);
	free(dest->out.text);
	free(dest->name);
	free(dest);
}

/* The spans of a second go in one message. */
static void
collect(struct dest *dest)
{
	struct timespec until;

	if (dest->kind != DEST_SPANS)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += COLLECT_SECONDS;
	while (!dest->closing && !dest->hurry && dest->in.len < COLLECT_MAX &&
	    pthread_cond_timedwait(&dest->wake, &dest->mutex, &until) == 0)
		;
}

static void *
run(void *arg)
{
	struct dest *dest = arg;
	uint64_t dropped;
	bool let_go;
	int error;

	pthread_mutex_lock(&dest->mutex);
	for (;;) {
		take_descriptor(dest);
		if (dest->in.len == 0 && dest->closing)
			break;
		if (dest->in.len == 0) {
			pthread_cond_wait(&dest->wake, &dest->mutex);
			continue;
		}
		collect(dest);
		take_descriptor(dest);
		swap_queues(dest);
		dest->busy = true;
		pthread_mutex_unlock(&dest->mutex);
		dropped = write_out(dest, &error);
		queue_clear(&dest->out);
		pthread_mutex_lock(&dest->mutex);
		count_dropped(dest, dropped);
		dest->error = error;
		dest->busy = false;
		pthread_cond_signal(&dest->rest);
	}
	let_go = dest->let_go;
	pthread_mutex_unlock(&dest->mutex);
	if (let_go)
		destroy(dest);
	return NULL;
}

/* --- the reader's side ------------------------------------------------- */

/* Signals are for the reader, which ignores most of them. */
static int
start_thread(struct dest *dest)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&dest->thread, &attr, run, dest);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return error;
}

struct dest *
dest_new(uint32_t id, const char *name, enum dest_kind kind, int fd,
    _Atomic uint64_t *total)
{
	struct dest *dest = util_alloc(sizeof(*dest));
	pthread_condattr_t attr;
	int error;

	dest->id = id;
	dest->name = util_strdup(name);
	dest->kind = kind;
	dest->fd = fd;
	dest->next_fd = -1;
	dest->total = total;
	pthread_mutex_init(&dest->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&dest->wake, &attr);
	pthread_cond_init(&dest->rest, &attr);
	pthread_condattr_destroy(&attr);
	error = start_thread(dest);
	if (error == 0)
		return dest;
	destroy(dest);
	errno = error;
	return NULL;
}

void
dest_replace(struct dest *dest, int fd)
{
	pthread_mutex_lock(&dest->mutex);
	if (dest->next_fd != -1)
		close(dest->next_fd);
	dest->next_fd = fd;
	pthread_cond_signal(&dest->wake);
	pthread_mutex_unlock(&dest->mutex);
}

/* Makes room for len more bytes, as far as that is allowed. */
static void
queue_grow(struct dest_queue *queue, size_t len)
{
	size_t size = queue->size > 0 ? queue->size : QUEUE_MIN;
	char *text;

	while (size < queue->len + len && size < DEST_QUEUE_MAX)
		size *= 2;
	if (size == queue->size || (text = realloc(queue->text, size)) == NULL)
		return;
	queue->text = text;
	queue->size = size;
}

void
dest_add(struct dest *dest, const char *text, size_t len)
{
	struct dest_queue *in = &dest->in;
	size_t fits = len;
	const char *end;

	pthread_mutex_lock(&dest->mutex);
	if (len > in->size - in->len)
		queue_grow(in, len);
	if (len > in->size - in->len) {
		end = memrchr(text, '\n', in->size - in->len);
		fits = end != NULL ? (size_t)(end - text) + 1 : 0;
		count_dropped(dest, dest_count_lines(text + fits, len - fits));
	}
	if (fits > 0)
		memcpy(in->text + in->len, text, fits);
	in->len += fits;
	pthread_mutex_unlock(&dest->mutex);
	dest->touched = true;
}

bool
dest_has_room(struct dest *dest, size_t len)
{
	bool room;

	pthread_mutex_lock(&dest->mutex);
	room = dest->in.len + len <= DEST_QUEUE_MAX;
	pthread_mutex_unlock(&dest->mutex);
	return room;
}

void
dest_wake(struct dest *dest)
{
	if (!dest->touched)
		return;
	dest->touched = false;
	pthread_cond_signal(&dest->wake);
}

uint64_t
dest_dropped(struct dest *dest, int *error)
{
	uint64_t dropped;

	pthread_mutex_lock(&dest->mutex);
	dropped = dest->dropped;
	*error = dest->error;
	pthread_mutex_unlock(&dest->mutex);
	return dropped;
}

bool
dest_finish(struct dest *dest, uint64_t deadline_ns)
{
	struct timespec deadline = { .tv_sec = (time_t)(deadline_ns / (1000 * MS_NS)),
		.tv_nsec = (long)(deadline_ns % (1000 * MS_NS)) };
	bool done;

	pthread_mutex_lock(&dest->mutex);
	dest->hurry = true;
	pthread_cond_signal(&dest->wake);
	while ((dest->in.len > 0 || dest->busy) &&
	    pthread_cond_timedwait(&dest->rest, &dest->mutex, &deadline) == 0)
		;
	dest->hurry = false;
	done = dest->in.len == 0 && !dest->busy;
	pthread_mutex_unlock(&dest->mutex);
	return done;
}

static void
close_queue(struct dest *dest, bool let_go)
{
	pthread_mutex_lock(&dest->mutex);
	dest->closing = true;
	dest->let_go = let_go;
	pthread_cond_signal(&dest->wake);
	if (let_go)
		pthread_detach(dest->thread);
	pthread_mutex_unlock(&dest->mutex);
}

void
dest_free(struct dest *dest)
{
	close_queue(dest, false);
	pthread_join(dest->thread, NULL);
	destroy(dest);
}

void
dest_let_go(struct dest *dest)
{
	close_queue(dest, true);
}
