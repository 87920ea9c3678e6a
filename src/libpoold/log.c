/* SPDX-License-Identifier: ISC */
/* The log line of a worker: bounded, one line whatever it is made of. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libpoold/internal.h"

static struct {
	void (*fn)(const char *line, void *arg);
	void *arg;
	char name[65]; /* the first that was set: argv[0] becomes the process title */
} sink;

void
log_name_set(const char *name)
{
	if (sink.name[0] == '\0')
		strlcpy(sink.name, name, sizeof(sink.name));
}

void
poold_set_log(void (*fn)(const char *line, void *arg), void *arg)
{
	sink.fn = fn;
	sink.arg = arg;
}

/* Appends text to line, control characters as \xHH; returns the new length. */
static size_t
log_append(char *line, size_t len, size_t size, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c;

	for (; (c = (unsigned char)*text) != '\0' && len + 5 < size; text++) {
		if (c >= 0x20 && c != 0x7f) {
			line[len++] = (char)c;
			continue;
		}
		line[len++] = '\\';
		line[len++] = 'x';
		line[len++] = hex[c >> 4];
		line[len++] = hex[c & 15];
	}
	line[len] = '\0';
	return len;
}

static void
log_stderr(const char *line)
{
	char out[LOG_LINE_MAX + 128];
	int len;

	len = snprintf(out, sizeof(out), "%.64s[%d]: %s\n",
	    sink.name[0] != '\0' ? sink.name : program_invocation_short_name,
	    (int)getpid(), line);
	/* One write, so that lines of several workers do not mix.  There is
	 * nowhere to say that it failed. */
	while (write(STDERR_FILENO, out, (size_t)len) == -1 && errno == EINTR)
		;
}

void
poold_log(struct poold_request *req, const char *fmt, ...)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
	int saved_errno = errno;
	size_t len = 0, text_len;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	/* Many people end a line themselves. */
	text_len = strlen(text);
	while (text_len > 0 && text[text_len - 1] == '\n')
		text[--text_len] = '\0';

	if (req != NULL && req->id[0] != '\0') {
		len = log_append(line, len, sizeof(line), "[");
		len = log_append(line, len, sizeof(line), req->id);
		len = log_append(line, len, sizeof(line), "] ");
	}
	log_append(line, len, sizeof(line), text);
	if (sink.fn != NULL)
		sink.fn(line, sink.arg);
	else
		log_stderr(line);
	errno = saved_errno;
}
