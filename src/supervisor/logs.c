/* SPDX-License-Identifier: ISC */
#include "supervisor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stats.h"
#include "common/util.h"
#include "supervisor/supervisor.h"

/* The kernel may grant less. */
#define OWN_PIPE_SIZE (256 * 1024)
#define RAW_PIPE_SIZE (1024 * 1024)

static bool
is_same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

void
logs_init(struct logs *logs)
{
	TAILQ_INIT(&logs->dests);
	TAILQ_INIT(&logs->sources);
	TAILQ_INIT(&logs->writers);
	access_targets_init(&logs->access);
	logs->direct = true;
	logs->level = LOGGER_INFO;
	sink_open(&logs->slow, -1);
}

/* --- destinations ------------------------------------------------------ */

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
	if (logs_is_spans(text))
		text += strlen(LOGS_SPANS);
	return text[0] == '/' ? text : NULL;
}

bool
logs_is_spans(const char *text)
{
	return strncmp(text, LOGS_SPANS, strlen(LOGS_SPANS)) == 0;
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
	return is_syslog(text) || (logs_is_spans(text) && path_of(text) == NULL);
}

static struct log_dest *
find_dest(const struct logs *logs, const char *text)
{
	struct log_dest *dest;

	TAILQ_FOREACH (dest, &logs->dests, entry)
		if (is_same(dest->text, text))
			return dest;
	return NULL;
}

static struct log_dest *
open_dest(struct supervisor *supervisor, const char *text, char **why)
{
	struct logs *logs = &supervisor->logs;
	struct log_dest *dest = find_dest(logs, text);
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

static void
free_dest(struct logs *logs, struct log_dest *dest)
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

static void
close_unused(struct supervisor *supervisor)
{
	struct logs *logs = &supervisor->logs;
	struct log_dest *dest, *next;

	TAILQ_FOREACH_SAFE (dest, &logs->dests, entry, next)
		if (!is_used(logs, dest->id)) {
			logger_link_undest(&supervisor->logger, dest->id);
			free_dest(logs, dest);
		}
}

/* --- pipes ------------------------------------------------------------- */

static struct log_source *
add_source(struct logs *logs, enum logger_kind kind, const char *name, uint32_t dest,
    int fd)
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

static void
free_source(struct logs *logs, struct log_source *source)
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

/* The destination of a process's output; 0: where the log goes. */
static uint32_t
output_dest(struct supervisor *supervisor, const char *output)
{
	struct log_dest *dest;
	char *why = NULL;

	if (is_same(output, "log"))
		return 0;
	dest = open_dest(supervisor, output, &why);
	if (dest != NULL)
		return dest->id;
	log_error("%s; its lines go to the log", why);
	free(why);
	return 0;
}

int
logs_pipe(struct supervisor *supervisor, const struct log_tag *tag,
    struct log_source **source)
{
	int ends[2];

	*source = NULL;
	if (is_same(tag->output, "off"))
		return open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (make_pipe(ends, tag->kind) == -1)
		return -1;
	*source = add_source(&supervisor->logs, tag->kind, tag->name,
	    output_dest(supervisor, tag->output), ends[0]);
	(*source)->pool = tag->pool;
	(*source)->slot = tag->slot;
	return ends[1];
}

void
logs_process_started(struct supervisor *supervisor, struct log_source *source, pid_t pid)
{
	if (source == NULL)
		return;
	source->pid = pid;
	logger_link_source(&supervisor->logger, source);
}

void
logs_process_failed(struct supervisor *supervisor, struct log_source *source)
{
	if (source == NULL)
		return;
	free_source(&supervisor->logs, source);
	close_unused(supervisor);
}

struct log_source *
logs_source_find(struct logs *logs, uint32_t id)
{
	struct log_source *source;

	TAILQ_FOREACH (source, &logs->sources, entry)
		if (source->id == id)
			return source;
	return NULL;
}

void
logs_source_ended(struct supervisor *supervisor, uint32_t id)
{
	struct log_source *source = logs_source_find(&supervisor->logs, id);

	if (source == NULL)
		return;
	free_source(&supervisor->logs, source);
	close_unused(supervisor);
}

void
logs_partial(struct logs *logs, uint32_t id, const char *text, size_t len)
{
	struct log_source *source = logs_source_find(logs, id);

	if (source == NULL)
		return;
	free(source->carry);
	source->carry = util_alloc(len);
	source->carry_len = (uint32_t)len;
	memcpy(source->carry, text, len);
}

/* --- whole lines ------------------------------------------------------- */

static struct log_writer *
find_writer(const struct logs *logs, const char *text)
{
	struct log_writer *writer;

	TAILQ_FOREACH (writer, &logs->writers, entry)
		if (is_same(writer->text, text))
			return writer;
	return NULL;
}

static struct log_writer *
add_writer(struct supervisor *supervisor, const char *destination, char **why)
{
	struct logs *logs = &supervisor->logs;
	struct log_dest *dest = open_dest(supervisor, destination, why);
	struct log_writer *writer;
	struct log_source *source;
	int ends[2];

	if (dest == NULL)
		return NULL;
	if (make_pipe(ends, LOGGER_RAW) == -1) {
		*why = util_asprintf("cannot make a pipe for the log %s: %s", destination,
		    strerror(errno));
		close_unused(supervisor);
		return NULL;
	}
	source = add_source(logs, LOGGER_RAW, "access", dest->id, ends[0]);
	logger_link_source(&supervisor->logger, source);
	writer = util_alloc(sizeof(*writer));
	writer->text = util_strdup(destination);
	writer->fd = ends[1];
	TAILQ_INSERT_TAIL(&logs->writers, writer, entry);
	return writer;
}

char *
logs_open_destination(struct supervisor *supervisor, const char *destination, int *fd)
{
	struct log_writer *writer = find_writer(&supervisor->logs, destination);
	char *why = NULL;

	*fd = -1;
	if (writer == NULL)
		writer = add_writer(supervisor, destination, &why);
	if (writer == NULL)
		return why;
	*fd = fcntl(writer->fd, F_DUPFD_CLOEXEC, 3);
	if (*fd == -1)
		return util_asprintf("cannot open the log %s: %s", destination,
		    strerror(errno));
	return NULL;
}

static void
free_writer(struct logs *logs, struct log_writer *writer)
{
	TAILQ_REMOVE(&logs->writers, writer, entry);
	close(writer->fd); /* the end of the file, once others close it too */
	free(writer->text);
	free(writer);
}

/* Whether whole lines go there. */
static bool
is_wanted(const struct logs *logs, const char *text)
{
	const struct access_target *target;

	if (is_same(logs->slow_log, text))
		return true;
	TAILQ_FOREACH (target, &logs->access.list, entry)
		if (is_same(target->text, text))
			return true;
	return false;
}

static void
close_unwanted(struct supervisor *supervisor)
{
	struct logs *logs = &supervisor->logs;
	struct log_writer *writer, *next;

	TAILQ_FOREACH_SAFE (writer, &logs->writers, entry, next)
		if (!is_wanted(logs, writer->text))
			free_writer(logs, writer);
	close_unused(supervisor);
}

/* --- our own messages -------------------------------------------------- */

/* Through the logger; before it has started, they wait in the pipe. */
static void
log_by_logger(struct supervisor *supervisor)
{
	struct log_source *source;
	int ends[2];

	if (!supervisor->logs.direct)
		return;
	if (make_pipe(ends, LOGGER_OWN) == -1) {
		log_error("cannot make a pipe for the log: %s", strerror(errno));
		return;
	}
	supervisor->logs.direct = false;
	source = add_source(&supervisor->logs, LOGGER_OWN, "supervisor", 0, ends[0]);
	source->pid = (int)getpid();
	logger_link_source(&supervisor->logger, source);
	log_replace(ends[1]);
}

void
logs_started(struct supervisor *supervisor)
{
	struct logs *logs = &supervisor->logs;
	struct log_dest *dest = find_dest(logs, "stderr");
	char *why = NULL;
	int fd;

	log_copy_errors(false);
	log_by_logger(supervisor);
	/* it is /dev/null now, if we went into the background */
	if (dest == NULL || (fd = open_text("stderr", &why)) == -1) {
		free(why);
		return;
	}
	close(dest->fd);
	dest->fd = fd;
	logger_link_dest(&supervisor->logger, dest);
}

/* --- a configuration --------------------------------------------------- */

static void
set_text(char **to, const char *text)
{
	char *copy = util_strdup(text);

	free(*to);
	*to = copy;
}

static void
set_access(struct logs *logs, struct access_targets *fresh)
{
	access_targets_close(&logs->access);
	logs->access.last_id = fresh->last_id;
	TAILQ_CONCAT(&logs->access.list, &fresh->list, entry);
}

static void
set_slow(struct logs *logs, int fd)
{
	if (fd == -1)
		sink_close(&logs->slow);
	else
		sink_replace(&logs->slow, fd);
}

static void
set_config(struct supervisor *supervisor, const struct config *config, uint32_t log_dest)
{
	struct logs *logs = &supervisor->logs;

	logs->log_dest = log_dest;
	set_text(&logs->log, config->log);
	set_text(&logs->slow_log, config->slow_log);
	logs->format = config->log_format;
	logs->level = config->log_level;
	log_set_level((enum log_level)logs->level);
	logger_link_settings(&supervisor->logger);
	close_unwanted(supervisor);
}

/* Whoever starts us looks at standard error. */
static void
log_to_file(struct supervisor *supervisor)
{
	if (!supervisor->logs.direct || is_same(supervisor->logs.log, "stderr"))
		return;
	log_copy_errors(true);
	log_by_logger(supervisor);
}

char *
logs_open(struct supervisor *supervisor, const struct config *config)
{
	struct logs *logs = &supervisor->logs;
	struct access_targets access;
	struct log_dest *log;
	char *why = NULL;
	int slow_fd = -1;

	access_targets_init(&access);
	log = open_dest(supervisor, config->log, &why);
	if (log != NULL && !is_same(config->slow_log, "off"))
		why = logs_open_destination(supervisor, config->slow_log, &slow_fd);
	if (why == NULL)
		why = access_targets_open(supervisor, config, &access);
	if (why != NULL) {
		if (slow_fd != -1)
			close(slow_fd);
		if (logs->slow_log != NULL)
			close_unwanted(supervisor);
		return why;
	}
	set_access(logs, &access);
	set_slow(logs, slow_fd);
	set_config(supervisor, config, log->id);
	log_to_file(supervisor);
	return NULL;
}

/* All or none.  Returns NULL, or why not. */
static char *
open_files_anew(struct supervisor *supervisor)
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

void
logs_reopen(struct supervisor *supervisor, const struct config *config)
{
	char *why = open_files_anew(supervisor);

	if (why == NULL)
		why = logs_open(supervisor, config);
	if (why != NULL) {
		log_error("%s; the logs go on as before", why);
		free(why);
		return;
	}
	logger_link_reopened(&supervisor->logger);
	link_tell_logs(&supervisor->link);
}

bool
logs_changed(const struct logs *logs, const struct config *config)
{
	return !is_same(logs->log, config->log) ||
	    !access_targets_named(&logs->access, config) ||
	    !is_same(logs->slow_log, config->slow_log) ||
	    logs->format != (uint32_t)config->log_format ||
	    logs->level != (uint32_t)config->log_level;
}

/* --- begin and end ----------------------------------------------------- */

void
logs_adopt(struct supervisor *supervisor)
{
	struct logs *logs = &supervisor->logs;
	char *why;

	/* what the process wrote to when it was another program */
	sink_close(&logs->slow);
	why = logs_open(supervisor, supervisor->plan->config);
	if (why != NULL) {
		log_error("%s; going on with stderr alone", why);
		free(why);
		why = NULL;
		logs->log_dest = open_dest(supervisor, "stderr", &why)->id;
		set_text(&logs->log, "stderr");
		set_text(&logs->slow_log, "off");
	}
	logs_started(supervisor);
}

/* What no logger has read goes to the log from here: the last words of one that
 * has failed, say. */
static void
write_rest(const struct logs *logs)
{
	const struct log_source *source;
	struct sink sink = { .fd = STDERR_FILENO };
	const struct log_dest *dest;
	static char text[PIPE_BUF];
	ssize_t n;

	TAILQ_FOREACH (dest, &logs->dests, entry)
		if (dest->id == logs->log_dest && dest->fd != -1)
			sink.fd = dest->fd;
	TAILQ_FOREACH (source, &logs->sources, entry)
		while (source->kind == LOGGER_OWN &&
		    (n = read(source->fd, text, sizeof(text))) > 0) {
			sink_add(&sink, text, (size_t)n);
			sink_flush(&sink);
		}
	free(sink.buf);
}

void
logs_close(struct supervisor *supervisor)
{
	struct logs *logs = &supervisor->logs;

	sink_close(&logs->slow);
	access_targets_close(&logs->access);
	while (!TAILQ_EMPTY(&logs->writers))
		free_writer(logs, TAILQ_FIRST(&logs->writers));
	log_close();
	logger_link_stop(&supervisor->logger);
	write_rest(logs);
	while (!TAILQ_EMPTY(&logs->sources))
		free_source(logs, TAILQ_FIRST(&logs->sources));
	while (!TAILQ_EMPTY(&logs->dests))
		free_dest(logs, TAILQ_FIRST(&logs->dests));
	free(logs->log);
	free(logs->slow_log);
	logs->log = logs->slow_log = NULL;
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
logs_discard(struct supervisor *supervisor, bool is_dead)
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
			free_source(logs, source);
	}
}

/* --- the slow log ------------------------------------------------------ */

bool
logs_has_slow(const struct logs *logs)
{
	return logs->slow.fd != -1;
}

void
logs_slow(struct logs *logs, const char *text, size_t len)
{
	sink_add(&logs->slow, text, len);
	sink_flush(&logs->slow);
}

bool
logs_flush(struct logs *logs)
{
	return sink_flush(&logs->slow);
}

uint64_t
logs_dropped(const struct supervisor *supervisor)
{
	const struct logs *logs = &supervisor->logs;
	const struct stats *stats = supervisor->figures.stats;
	uint64_t router = 0;

	if (stats != NULL)
		router = stats_get(&stats->counters[STATS_LOG_DROPPED]) +
		    stats_get(&stats->counters[STATS_ACCESS_DROPPED]);
	return logs->dropped + logs->slow.dropped + log_dropped() + router +
	    logger_link_dropped(&supervisor->logger);
}
