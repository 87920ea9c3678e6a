/* SPDX-License-Identifier: ISC */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/sink.h"

#define LINE_MAX_BYTES 4096 /* longer messages are cut */

static struct {
	const char *role;
	struct sink sink;
	enum log_level level;
	bool copy_errors;
} the_log = { .role = "poold", .sink = { .fd = STDERR_FILENO }, .level = LOG_LEVEL_INFO };

void
log_open(const char *role, int fd)
{
	the_log.role = role;
	log_set_level(LOG_LEVEL_INFO);
	sink_open(&the_log.sink, fd);
}

void
log_replace(int fd)
{
	sink_replace(&the_log.sink, fd);
}

void
log_close(void)
{
	sink_close(&the_log.sink);
}

void
log_set_level(enum log_level level)
{
	the_log.level = getenv("POOLD_DEBUG") != NULL ? LOG_LEVEL_DEBUG : level;
}

void
log_copy_errors(bool on)
{
	the_log.copy_errors = on;
}

uint64_t
log_dropped(void)
{
	return the_log.sink.dropped;
}

int
log_fd(void)
{
	return the_log.sink.fd;
}

bool
log_flush(void)
{
	return sink_flush(&the_log.sink);
}

/* A message is one line: what could end it or act on a terminal is replaced. */
static void
make_printable(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

static size_t
format_prefix(char *buf, size_t size, const char *level)
{
	struct timespec ts;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(buf + len, size - len,
	    ".%03ldZ %s %s[%d]: ", ts.tv_nsec / 1000000, level, the_log.role,
	    (int)getpid());
	return len;
}

/* Once, and without waiting: whoever starts us looks there. */
static void
copy(const char *line, size_t len)
{
	struct sink sink = { .fd = STDERR_FILENO };

	sink_add(&sink, line, len);
	sink_flush(&sink);
	free(sink.buf);
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char line[LINE_MAX_BYTES];
	size_t len = format_prefix(line, sizeof(line), names[level]);
	int n;

	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	if (n < 0)
		return;
	make_printable(line + len);
	len += (size_t)n < sizeof(line) - len - 1 ? (size_t)n : sizeof(line) - len - 2;
	line[len++] = '\n';
	sink_add(&the_log.sink, line, len);
	sink_flush(&the_log.sink);
	if (the_log.copy_errors && level == LOG_LEVEL_ERROR)
		copy(line, len);
}

#define LOG_FUNCTION(name, of_level)            \
	void name(const char *fmt, ...)         \
	{                                       \
		va_list ap;                     \
                                                \
		if ((of_level) > the_log.level) \
			return;                 \
		va_start(ap, fmt);              \
		log_line(of_level, fmt, ap);    \
		va_end(ap);                     \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
