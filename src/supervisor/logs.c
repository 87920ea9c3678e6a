/* SPDX-License-Identifier: ISC */
#include "supervisor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stats.h"
#include "common/util.h"
#include "supervisor/supervisor.h"

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
	struct log_dest *dest = log_dest_open(supervisor, destination, why);
	struct log_writer *writer;
	struct log_source *source;
	int fd;

	if (dest == NULL)
		return NULL;
	fd = log_source_open(logs, LOGGER_RAW, "access", dest->id, &source);
	if (fd == -1) {
		*why = util_asprintf("cannot make a pipe for the log %s: %s", destination,
		    strerror(errno));
		log_dest_close_unused(supervisor);
		return NULL;
	}
	logger_link_source(&supervisor->logger, source);
	writer = util_alloc(sizeof(*writer));
	writer->text = util_strdup(destination);
	writer->fd = fd;
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
	log_dest_close_unused(supervisor);
}

/* --- our own messages -------------------------------------------------- */

/* Through the logger; before it has started, they wait in the pipe. */
static void
log_by_logger(struct supervisor *supervisor)
{
	struct log_source *source;
	int fd;

	if (!supervisor->logs.direct)
		return;
	fd = log_source_open(&supervisor->logs, LOGGER_OWN, "supervisor", 0, &source);
	if (fd == -1) {
		log_error("cannot make a pipe for the log: %s", strerror(errno));
		return;
	}
	supervisor->logs.direct = false;
	source->pid = (int)getpid();
	logger_link_source(&supervisor->logger, source);
	log_replace(fd);
}

void
logs_started(struct supervisor *supervisor)
{
	log_copy_errors(false);
	log_by_logger(supervisor);
	/* it is /dev/null now, if we went into the background */
	log_dest_stderr_changed(supervisor);
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
	log = log_dest_open(supervisor, config->log, &why);
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

void
logs_reopen(struct supervisor *supervisor, const struct config *config)
{
	char *why = log_dest_reopen(supervisor);

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
	struct log_dest *dest;
	char *why;

	/* what the process wrote to when it was another program */
	sink_close(&logs->slow);
	why = logs_open(supervisor, supervisor->plan->config);
	if (why != NULL) {
		log_error("%s; going on with stderr alone", why);
		free(why);
		why = NULL;
		dest = log_dest_open(supervisor, "stderr", &why);
		logs->log_dest = dest != NULL ? dest->id : 0;
		free(why);
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
		log_source_free(logs, TAILQ_FIRST(&logs->sources));
	while (!TAILQ_EMPTY(&logs->dests))
		log_dest_free(logs, TAILQ_FIRST(&logs->dests));
	free(logs->log);
	free(logs->slow_log);
	logs->log = logs->slow_log = NULL;
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
