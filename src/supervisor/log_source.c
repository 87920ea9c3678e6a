/* SPDX-License-Identifier: ISC */
#include "supervisor/log_source.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/supervisor.h"

/* The kernel may grant less. */
#define OWN_PIPE_SIZE (256 * 1024)
#define RAW_PIPE_SIZE (1024 * 1024)

static struct log_source *
add(struct logs *logs, enum logger_kind kind, const char *name, uint32_t dest, int fd)
{
	struct log_source *source = util_alloc(sizeof(*source));

	source->id = ++logs->next_id;
	source->kind = kind;
	source->name = util_strdup(name);
	source->dest = dest;
	source->fd = fd;
	TAILQ_INSERT_TAIL(&logs->sources, source, entry);
	return source;
}

void
log_source_free(struct logs *logs, struct log_source *source)
{
	TAILQ_REMOVE(&logs->sources, source, entry);
	close(source->fd);
	free(source->name);
	free(source->carry);
	free(source);
}

/* Only programs that know nothing of this get an end that blocks: they would
 * take EAGAIN for an error. */
static int
make_pipe(int ends[2], enum logger_kind kind)
{
	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	if (kind != LOGGER_WORKER)
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
	if (kind == LOGGER_OWN)
		fcntl(ends[1], F_SETPIPE_SZ, OWN_PIPE_SIZE);
	if (kind == LOGGER_RAW)
		fcntl(ends[1], F_SETPIPE_SZ, RAW_PIPE_SIZE);
	return 0;
}

int
log_source_open(struct logs *logs, enum logger_kind kind, const char *name, uint32_t dest,
    struct log_source **source)
{
	int ends[2];

	*source = NULL;
	if (make_pipe(ends, kind) == -1)
		return -1;
	*source = add(logs, kind, name, dest, ends[0]);
	return ends[1];
}

/* The destination of a process's output; 0: where the log goes. */
static uint32_t
output_dest(struct supervisor *supervisor, const char *output)
{
	struct log_dest *dest;
	char *why = NULL;

	if (strcmp(output, "log") == 0)
		return 0;
	dest = log_dest_open(supervisor, output, &why);
	if (dest != NULL)
		return dest->id;
	log_error("%s; its lines go to the log", why);
	free(why);
	return 0;
}

int
log_source_pipe(struct supervisor *supervisor, const struct log_tag *tag,
    struct log_source **source)
{
	int end;

	*source = NULL;
	if (strcmp(tag->output, "off") == 0)
		return open("/dev/null", O_WRONLY | O_CLOEXEC);
	end = log_source_open(&supervisor->logs, tag->kind, tag->name, 0, source);
	if (end == -1)
		return -1;
	(*source)->dest = output_dest(supervisor, tag->output);
	(*source)->pool = tag->pool;
	(*source)->slot = tag->slot;
	return end;
}

void
log_source_started(struct supervisor *supervisor, struct log_source *source, pid_t pid)
{
	if (source == NULL)
		return;
	source->pid = pid;
	logger_link_source(&supervisor->logger, source);
}

void
log_source_failed(struct supervisor *supervisor, struct log_source *source)
{
	if (source == NULL)
		return;
	log_source_free(&supervisor->logs, source);
	log_dest_close_unused(supervisor);
}

struct log_source *
log_source_find(struct logs *logs, uint32_t id)
{
	struct log_source *source;

	TAILQ_FOREACH (source, &logs->sources, entry)
		if (source->id == id)
			return source;
	return NULL;
}

void
log_source_ended(struct supervisor *supervisor, uint32_t id)
{
	struct log_source *source = log_source_find(&supervisor->logs, id);

	if (source == NULL)
		return;
	log_source_free(&supervisor->logs, source);
	log_dest_close_unused(supervisor);
}

void
log_source_partial(struct logs *logs, uint32_t id, const char *text, size_t len)
{
	struct log_source *source = log_source_find(logs, id);

	if (source == NULL)
		return;
	free(source->carry);
	source->carry = util_alloc(len);
	source->carry_len = (uint32_t)len;
	memcpy(source->carry, text, len);
}

/* --- without a reader -------------------------------------------------- */

static uint64_t
discard(int fd)
{
	static char text[65536];
	uint64_t lines = 0;
	ssize_t n = read(fd, text, sizeof(text));

	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

void
log_source_discard(struct supervisor *supervisor, bool is_dead)
{
	struct logs *logs = &supervisor->logs;
	struct log_source *source, *next;
	struct pollfd pfd = { .events = POLLIN };
	int waits, size;

	TAILQ_FOREACH_SAFE (source, &logs->sources, entry, next) {
		if (source->kind != LOGGER_WORKER ||
		    ioctl(source->fd, FIONREAD, &waits) == -1)
			continue;
		size = fcntl(source->fd, F_GETPIPE_SZ);
		if (size > 0 && waits > size / 2)
			logs->dropped += discard(source->fd);
		pfd.fd = source->fd;
		if (is_dead && waits == 0 && poll(&pfd, 1, 0) == 1 &&
		    (pfd.revents & POLLHUP))
			log_source_free(logs, source);
	}
}
