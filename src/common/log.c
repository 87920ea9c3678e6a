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
	bool debug;
} the_log = { .role = "poold", .sink = { .fd = STDERR_FILENO } };

void
log_open(const char *role, int fd)
{
	the_log.role = role;
	the_log.debug = getenv("POOLD_DEBUG") != NULL;
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

int
log_fd(void)
{
	return the_log.sink.fd;
}

uint64_t
log_dropped(void)
{
	return the_log.sink.dropped;
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

static void log_line(const char *level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
log_line(const char *level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	size_t len = format_prefix(line, sizeof(line), level);
	int n;

	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	if (n < 0)
		return;
	make_printable(line + len);
	len += (size_t)n < sizeof(line) - len - 1 ? (size_t)n : sizeof(line) - len - 2;
	line[len++] = '\n';
	sink_add(&the_log.sink, line, len);
	sink_flush(&the_log.sink);
}

#define LOG_FUNCTION(name, level, condition) \
	void name(const char *fmt, ...)      \
	{                                    \
		va_list ap;                  \
                                             \
		if (!(condition))            \
			return;              \
		va_start(ap, fmt);           \
		log_line(level, fmt, ap);    \
		va_end(ap);                  \
	}

LOG_FUNCTION(log_error, "error", true)
LOG_FUNCTION(log_warn, "warn", true)
LOG_FUNCTION(log_info, "info", true)
LOG_FUNCTION(log_debug, "debug", the_log.debug)
