/* SPDX-License-Identifier: ISC */
#include "logger/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/util.h"
#include "logger/main.h"

#define TICK_NS		 (1000 * MS_NS)
#define TELL_NS		 (10000 * MS_NS) /* between two words on one destination */
#define NAP_NS		 (5 * MS_NS)
#define NAP_READS_MAX	 32
#define FINISH_NS	 (1500 * MS_NS)	 /* the supervisor waits for 2 s */
#define ORPHAN_NS	 (60000 * MS_NS) /* the router takes 30 s of them */
#define ORPHAN_FINISH_NS (10000 * MS_NS)

/* --- lines ------------------------------------------------------------- */

static struct dest *
find_dest(struct logger *logger, uint32_t id)
{
	struct dest *dest;

	if (id == 0)
		id = logger->log;
	TAILQ_FOREACH (dest, &logger->dests, entry)
		if (dest->id == id)
			return dest;
	return NULL;
}

static void
touch_tick(struct logger *logger)
{
	if (loop_timer_is_set(&logger->tick))
		return;
	logger->shown_ns = util_now_ns();
	loop_timer_set(&logger->loop, &logger->tick, logger->shown_ns + TICK_NS);
}

void
logger_line(struct logger *logger, uint32_t id, const struct line *line)
{
	static char out[LINE_OUT_MAX];
	struct dest *dest;
	size_t len;

	if (line->has_level && line->level > logger->level)
		return;
	logger->lines++;
	touch_tick(logger);
	recent_add(&logger->recent, line);
	dest = find_dest(logger, id);
	if (dest == NULL) {
		atomic_fetch_add(&logger->dropped, 1);
		return;
	}
	if (dest->kind == DEST_SYSLOG) {
		len = line_syslog(line, logger->format, out);
		out[len++] = '\n';
	} else if (logger->format == LOGGER_JSON)
		len = line_json(line, out);
	else
		len = line_text(line, out);
	dest_add(dest, out, len);
}

/* A raw line for syslog becomes a line like others: a daemon wants to know who
 * and when. */
static void
raw_to_syslog(struct dest *dest, const char *text, size_t len)
{
	static char out[LINE_OUT_MAX];
	struct line line = { .level = LOGGER_INFO, .role = "access", .pid = getpid() };
	const char *end = text + len, *newline;

	clock_gettime(CLOCK_REALTIME, &line.time);
	for (; text < end; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (newline == NULL)
			newline = end;
		line.text = text;
		line.len = (size_t)(newline - text);
		if (line.len > LOGGER_PIECE_MAX)
			line.len = LOGGER_PIECE_MAX;
		len = line_syslog(&line, LOGGER_TEXT, out);
		out[len++] = '\n';
		dest_add(dest, out, len);
	}
}

void
logger_raw(struct logger *logger, uint32_t id, const char *text, size_t len)
{
	struct dest *dest = find_dest(logger, id);
	uint64_t lines = dest_count_lines(text, len);

	logger->lines += lines;
	touch_tick(logger);
	if (dest == NULL)
		atomic_fetch_add(&logger->dropped, lines);
	else if (dest->kind == DEST_SYSLOG)
		raw_to_syslog(dest, text, len);
	else
		dest_add(dest, text, len);
}

/* --- what the logger says itself --------------------------------------- */

static void say(struct logger *logger, enum logger_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(struct logger *logger, enum logger_level level, const char *fmt, ...)
{
	char text[LOGGER_PIECE_MAX];
	struct line line = { .level = level,
		.has_level = true,
		.role = "logger",
		.pid = getpid(),
		.text = text };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line.len = strlen(text);
	clock_gettime(CLOCK_REALTIME, &line.time);
	logger_line(logger, 0, &line);
}

/* Of the log itself once it takes lines again; of others in between too. */
static bool
is_time_to_tell(struct logger *logger, struct dest *dest, int error, uint64_t now_ns)
{
	if (error == 0)
		return now_ns - dest->told_ns >= TICK_NS;
	return dest->id != logger->log && now_ns - dest->told_ns >= TELL_NS;
}

/* Whether the log takes a line: a number that is told and then dropped itself
 * would be lost. */
static bool
can_tell(struct logger *logger)
{
	struct dest *log = find_dest(logger, 0);

	return log != NULL && dest_has_room(log, LINE_OUT_MAX);
}

/* Returns whether something is still to be told. */
static bool
tell_dropped(struct logger *logger)
{
	uint64_t now_ns = util_now_ns(), dropped, lines;
	struct dest *dest;
	bool left = false;
	int error;

	TAILQ_FOREACH (dest, &logger->dests, entry) {
		dropped = dest_dropped(dest, &error);
		lines = dropped - dest->told;
		if (lines == 0)
			continue;
		if (!is_time_to_tell(logger, dest, error, now_ns) || !can_tell(logger)) {
			left = true;
			continue;
		}
		dest->told = dropped;
		dest->told_ns = now_ns;
		say(logger, LOGGER_WARN, "%llu line%s for %s were dropped: %s",
		    (unsigned long long)lines, lines == 1 ? "" : "s", dest->name,
		    error != 0 ? strerror(error) : "it did not take them in time");
	}
	return left;
}

static void
show_title(struct logger *logger)
{
	uint64_t now_ns = util_now_ns(), lines = logger->lines - logger->shown_lines;
	uint64_t dropped = atomic_load(&logger->dropped);
	double seconds = (double)(now_ns - logger->shown_ns) / 1e9;
	char text[64] = "";

	if (dropped > 0)
		snprintf(text, sizeof(text), ", %llu dropped",
		    (unsigned long long)dropped);
	setproctitle("-poold: logger (%.0f lines/s%s)",
	    seconds > 0 ? (double)lines / seconds : 0, text);
	logger->shown_lines = logger->lines;
	logger->shown_ns = now_ns;
}

/* Once a second as long as there are lines. */
static void
on_tick(void *owner)
{
	struct logger *logger = owner;
	bool again = logger->lines > logger->shown_lines;

	show_title(logger);
	if (tell_dropped(logger) || again)
		touch_tick(logger);
}

/* --- messages from the supervisor -------------------------------------- */

static enum dest_kind
kind_of(const struct logger_dest *msg)
{
	return msg->syslog ? DEST_SYSLOG : msg->spans ? DEST_SPANS : DEST_FILE;
}

static void
add_dest(struct logger *logger, const struct logger_dest *msg, int fd)
{
	char name[LOGGER_PATH_MAX];
	struct dest *dest;

	TAILQ_FOREACH (dest, &logger->dests, entry)
		if (dest->id == msg->id)
			break;
	if (dest != NULL && fd != -1) {
		dest_replace(dest, fd);
		return;
	}
	if (dest != NULL || (fd == -1 && !msg->syslog && !msg->spans))
		return;
	strlcpy(name, msg->name, sizeof(name));
	dest = dest_new(msg->id, name, kind_of(msg), fd, &logger->dropped);
	if (dest != NULL)
		TAILQ_INSERT_TAIL(&logger->dests, dest, entry);
	else
		say(logger, LOGGER_ERROR, "cannot write to %s: %s", name,
		    strerror(errno));
}

static void
remove_dest(struct logger *logger, uint32_t id)
{
	struct dest *dest;

	TAILQ_FOREACH (dest, &logger->dests, entry)
		if (dest->id == id)
			break;
	if (dest == NULL)
		return;
	TAILQ_REMOVE(&logger->dests, dest, entry);
	dest_let_go(dest);
}

static void
set(struct logger *logger, const struct logger_settings *msg)
{
	logger->format = msg->format == LOGGER_JSON ? LOGGER_JSON : LOGGER_TEXT;
	logger->level = msg->level < LOGGER_LEVELS ? (enum logger_level)msg->level :
						     LOGGER_INFO;
	if (getenv("POOLD_DEBUG") != NULL)
		logger->level = LOGGER_DEBUG;
	logger->log = msg->log;
}

static void
send_id(struct logger *logger, uint32_t type, uint32_t id)
{
	struct logger_id msg = { .type = type, .id = id };

	channel_send(&logger->supervisor, &msg, sizeof(msg), NULL, 0);
}

void
logger_ended(struct logger *logger, uint32_t source)
{
	send_id(logger, LOGGER_ENDED, source);
}

static void
answer(struct logger *logger)
{
	struct logger_stats msg = { .type = LOGGER_STATS,
		.lines = logger->lines,
		.dropped = atomic_load(&logger->dropped) };

	channel_send(&logger->supervisor, &msg, sizeof(msg), NULL, 0);
}

/* Everything that was written to us before is in the pipes. */
static void
stop(struct logger *logger)
{
	struct source *source, *next;

	/* the last word is the supervisor's */
	for (int pass = 0; pass < 2; pass++)
		TAILQ_FOREACH_SAFE (source, &logger->sources, entry, next)
			if ((strcmp(source->name, "supervisor") == 0) == (pass == 1))
				source_drain(source);
	TAILQ_FOREACH (source, &logger->sources, entry)
		source_flush(source);
	logger->finish_ns = FINISH_NS;
	loop_stop(&logger->loop);
}

/* Another version of poold goes on with the pipes. */
static void
retire(struct logger *logger)
{
	char buf[sizeof(struct logger_partial) + CHANNEL_MSG_MAX / 2];
	struct logger_partial msg = { .type = LOGGER_PARTIAL };
	struct source *source;

	TAILQ_FOREACH (source, &logger->sources, entry) {
		if (source->carry_len == 0 || source->carry_len > CHANNEL_MSG_MAX / 2)
			continue;
		msg.id = source->id;
		msg.len = (uint32_t)source->carry_len;
		memcpy(buf, &msg, sizeof(msg));
		memcpy(buf + sizeof(msg), source->carry, source->carry_len);
		channel_send(&logger->supervisor, buf, sizeof(msg) + msg.len, NULL, 0);
	}
	logger->finish_ns = FINISH_NS;
	loop_stop(&logger->loop);
}

/* Returns whether the descriptor has a new owner. */
static bool
handle(struct logger *logger, const void *buf, size_t len, int fd)
{
	const struct logger_id *msg = buf; /* all messages begin alike */

	if (msg->type == LOGGER_SETTINGS && len == sizeof(struct logger_settings))
		set(logger, buf);
	else if (msg->type == LOGGER_DEST && len == sizeof(struct logger_dest))
		add_dest(logger, buf, fd);
	else if (msg->type == LOGGER_UNDEST)
		remove_dest(logger, msg->id);
	else if (msg->type == LOGGER_REOPENED)
		say(logger, LOGGER_INFO, "the logs were reopened");
	else if (msg->type == LOGGER_BOARD && len == sizeof(struct logger_board))
		board_add(&logger->boards, buf, fd);
	else if (msg->type == LOGGER_UNBOARD)
		board_remove(&logger->boards, msg->id);
	else if (msg->type == LOGGER_SOURCE && len >= sizeof(struct logger_source) &&
	    fd != -1)
		source_new(logger, buf, len, fd);
	else if (msg->type == LOGGER_FOLLOW && len == sizeof(struct logger_follow) &&
	    fd != -1)
		follow_new(logger, buf, fd);
	else if (msg->type == LOGGER_PING)
		answer(logger);
	else if (msg->type == LOGGER_STOP)
		stop(logger);
	else if (msg->type == LOGGER_RETIRE)
		retire(logger);
	else
		return false;
	return true;
}

static void
on_msg(void *owner, const void *buf, size_t len, const int *fds, int fd_count)
{
	int fd = fd_count > 0 ? fds[0] : -1;

	for (int i = 1; i < fd_count; i++)
		close(fds[i]);
	if (len >= sizeof(struct logger_id) && handle(owner, buf, len, fd))
		return;
	if (fd != -1)
		close(fd);
}

static void
on_orphan_timer(void *owner)
{
	struct logger *logger = owner;

	loop_stop(&logger->loop);
}

/* The supervisor died: those that it has left may still say something.  Our own
 * output is one of the sources, and would never end. */
static void
on_end(void *owner)
{
	struct logger *logger = owner;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null != -1) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}

	channel_close(&logger->supervisor);
	logger->orphaned = true;
	logger->finish_ns = ORPHAN_FINISH_NS;
	loop_timer_set(&logger->loop, &logger->orphan_timer, util_now_ns() + ORPHAN_NS);
}

/* --- the loop ---------------------------------------------------------- */

/*
 * Under load each line would wake us.  Then reading is put off for a moment, in
 * which lines gather in the pipes, unless one of those is about to be full.
 */
static void
nap(struct logger *logger)
{
	uint64_t now_ns = util_now_ns();
	struct timespec time = { .tv_nsec = NAP_NS };

	if (logger->reads > 0 && logger->reads < NAP_READS_MAX && !logger->hurry) {
		if (now_ns - logger->nap_ns < 2 * NAP_NS)
			nanosleep(&time, NULL);
		logger->nap_ns = util_now_ns();
	}
	logger->reads = 0;
	logger->hurry = false;
}

static void
before_wait(void *owner)
{
	struct logger *logger = owner;
	struct dest *dest;

	TAILQ_FOREACH (dest, &logger->dests, entry)
		dest_wake(dest);
	follow_all(logger);
	if (logger->orphaned && TAILQ_EMPTY(&logger->sources))
		loop_timer_set(&logger->loop, &logger->orphan_timer, util_now_ns());
	nap(logger);
	logger->wait_ns = util_now_ns();
}

/* --- begin and end ----------------------------------------------------- */

static struct logger *
logger_new(void)
{
	struct logger *logger = util_alloc(sizeof(*logger));

	TAILQ_INIT(&logger->dests);
	TAILQ_INIT(&logger->boards);
	TAILQ_INIT(&logger->sources);
	TAILQ_INIT(&logger->follows);
	logger->level = LOGGER_INFO;
	logger->supervisor.owner = logger;
	logger->supervisor.on_msg = on_msg;
	logger->supervisor.on_end = on_end;
	logger->tick.fn = on_tick;
	logger->tick.owner = logger;
	logger->orphan_timer.fn = on_orphan_timer;
	logger->orphan_timer.owner = logger;
	logger->shown_ns = util_now_ns();
	return logger;
}

/* A destination that still blocks keeps its lines, and the process must end all
 * the same.  Returns whether all was written. */
static bool
finish(struct logger *logger)
{
	uint64_t deadline_ns = util_now_ns() + logger->finish_ns;
	struct dest *dest;
	bool done = true;

	TAILQ_FOREACH (dest, &logger->dests, entry)
		dest->told_ns = 0; /* now or never */
	tell_dropped(logger);
	follow_all(logger);
	TAILQ_FOREACH (dest, &logger->dests, entry)
		if (!dest_finish(dest, deadline_ns))
			done = false;
	return done;
}

static void
logger_free(struct logger *logger)
{
	struct board *board;
	struct dest *dest;

	while (!TAILQ_EMPTY(&logger->sources))
		source_free(TAILQ_FIRST(&logger->sources));
	while ((dest = TAILQ_FIRST(&logger->dests)) != NULL) {
		TAILQ_REMOVE(&logger->dests, dest, entry);
		dest_free(dest);
	}
	while ((board = TAILQ_FIRST(&logger->boards)) != NULL)
		board_remove(&logger->boards, board->id);
	follow_close_all(logger);
	recent_clear(&logger->recent);
	channel_close(&logger->supervisor);
	loop_destroy(&logger->loop);
	free(logger);
}

/* The end of the channel says what a signal might; a file that may not grow is
 * an error like others; nobody else may take our descriptors. */
static void
prepare_process(void)
{
	struct rlimit limit;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	prctl(PR_SET_NAME, "poold-logger");
	prctl(PR_SET_DUMPABLE, 0);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
logger_main(void)
{
	struct logger *logger = logger_new();

	prepare_process();
	if (loop_init(&logger->loop) == -1 ||
	    channel_open(&logger->supervisor, &logger->loop, LOGGER_FD_CHANNEL) == -1)
		return EX_OSERR;
	logger->loop.before_wait = before_wait;
	logger->loop.before_wait_owner = logger;
	show_title(logger);
	loop_run(&logger->loop);
	/* a thread that is stuck would keep a clean end waiting */
	if (!finish(logger))
		_exit(0);
	/* answers that the channel has not taken */
	logger_free(logger);
	return 0;
}
