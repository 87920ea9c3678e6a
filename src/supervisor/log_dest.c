/* SPDX-License-Identifier: ISC */
#include "supervisor/log_dest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/supervisor.h"

/* A FIFO that nobody reads must not hold us up, now or when we write. */
static int
open_file(const char *path)
{
	int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, O_WRONLY | flags, 0640);
	struct stat st;

	if (fd == -1 && errno == ENXIO && stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd != -1)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

/* The file that a destination is; NULL: it is none. */
static const char *
path_of(const char *text)
{
	if (log_dest_is_spans(text))
		text += strlen(LOG_DEST_SPANS);
	return text[0] == '/' ? text : NULL;
}

bool
log_dest_is_spans(const char *text)
{
	return strncmp(text, LOG_DEST_SPANS, strlen(LOG_DEST_SPANS)) == 0;
}

/* Of a file, that is.  stderr is a duplicate, so that it is closed like them. */
static int
open_text(const char *text, char **why)
{
	const char *path = path_of(text);
	int fd = path != NULL ? open_file(path) :
				fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd == -1)
		*why = util_asprintf("cannot open the log %s: %s", text, strerror(errno));
	return fd;
}

static bool
is_syslog(const char *text)
{
	return strncmp(text, "syslog", strlen("syslog")) == 0;
}

/* Whether the logger connects to it by itself. */
static bool
is_connected(const char *text)
{
	return is_syslog(text) || (log_dest_is_spans(text) && path_of(text) == NULL);
}

struct log_dest *
log_dest_find(const struct logs *logs, const char *text)
{
	struct log_dest *dest;

	TAILQ_FOREACH (dest, &logs->dests, entry)
		if (strcmp(dest->text, text) == 0)
			return dest;
	return NULL;
}

struct log_dest *
log_dest_open(struct supervisor *supervisor, const char *text, char **why)
{
	struct logs *logs = &supervisor->logs;
	struct log_dest *dest = log_dest_find(logs, text);
	int fd = -1;

	if (dest != NULL)
		return dest;
	if (!is_connected(text) && (fd = open_text(text, why)) == -1)
		return NULL;
	dest = util_alloc(sizeof(*dest));
	dest->id = ++logs->next_id;
	dest->text = util_strdup(text);
	dest->fd = fd;
	TAILQ_INSERT_TAIL(&logs->dests, dest, entry);
	logger_link_dest(&supervisor->logger, dest);
	return dest;
}

void
log_dest_free(struct logs *logs, struct log_dest *dest)
{
	TAILQ_REMOVE(&logs->dests, dest, entry);
	if (dest->fd != -1)
		close(dest->fd);
	free(dest->text);
	free(dest);
}

static bool
is_used(const struct logs *logs, uint32_t dest)
{
	const struct log_source *source;

	if (logs->log_dest == dest)
		return true;
	TAILQ_FOREACH (source, &logs->sources, entry)
		if (source->dest == dest)
			return true;
	return false;
}

void
log_dest_close_unused(struct supervisor *supervisor)
{
	struct logs *logs = &supervisor->logs;
	struct log_dest *dest, *next;

	TAILQ_FOREACH_SAFE (dest, &logs->dests, entry, next)
		if (!is_used(logs, dest->id)) {
			logger_link_undest(&supervisor->logger, dest->id);
			log_dest_free(logs, dest);
		}
}

void
log_dest_stderr_changed(struct supervisor *supervisor)
{
	struct log_dest *dest = log_dest_find(&supervisor->logs, "stderr");
	char *why = NULL;
	int fd;

	if (dest == NULL)
		return;
	fd = open_text("stderr", &why);
	if (fd == -1) {
		free(why);
		return;
	}
	close(dest->fd);
	dest->fd = fd;
	logger_link_dest(&supervisor->logger, dest);
}

char *
log_dest_reopen(struct supervisor *supervisor)
{
	struct logs *logs = &supervisor->logs;
	struct log_dest *dest;
	size_t count = 0, at = 0;
	char *why = NULL;
	int *fds;

	TAILQ_FOREACH (dest, &logs->dests, entry)
		count++;
	fds = util_alloc((count + 1) * sizeof(*fds));
	TAILQ_FOREACH (dest, &logs->dests, entry) {
		fds[at] = -1;
		if (path_of(dest->text) != NULL && why == NULL)
			fds[at] = open_text(dest->text, &why);
		at++;
	}
	at = 0;
	TAILQ_FOREACH (dest, &logs->dests, entry) {
		if (fds[at] != -1 && why == NULL) {
			close(dest->fd);
			dest->fd = fds[at];
			logger_link_dest(&supervisor->logger, dest);
		} else if (fds[at] != -1)
			close(fds[at]);
		at++;
	}
	free(fds);
	return why;
}
