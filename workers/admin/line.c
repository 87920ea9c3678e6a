/* SPDX-License-Identifier: ISC */
#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE     ((size_t)64 * 1024)
#define LINE_MAX_SIZE ((size_t)64 << 20) /* no reply of a supervisor is as long as that */

struct line_ask {
	TAILQ_ENTRY(line_ask) entry;
	line_fn fn;
	void *arg;
	bool several;
	bool begun; /* its first line has come */
};

bool
line_open(struct line *line)
{
	const char *number = getenv("POOLD_CONTROL_FD");
	char *end;
	long fd;

	*line = (struct line){ .fd = -1 };
	TAILQ_INIT(&line->asks);
	if (number == NULL)
		return false;
	fd = strtol(number, &end, 10);
	if (end == number || *end != '\0' || fd < 3 || fd > INT_MAX ||
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) == -1)
		return false;
	line->fd = (int)fd;
	return true;
}

/* Nobody waits for ever. */
void
line_close(struct line *line)
{
	struct line_ask *ask;

	if (line->fd != -1)
		close(line->fd);
	line->fd = -1;
	while ((ask = TAILQ_FIRST(&line->asks)) != NULL) {
		TAILQ_REMOVE(&line->asks, ask, entry);
		ask->fn(ask->arg, NULL, 0, true);
		free(ask);
	}
	free(line->in);
	free(line->out);
	line->in = line->out = NULL;
	line->in_len = line->in_size = line->out_len = 0;
}

static void
flush(struct line *line)
{
	ssize_t n;

	while (line->out_len > 0) {
		n = send(line->fd, line->out, line->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno != EAGAIN)
			line_close(line);
		if (n <= 0)
			return;
		line->out_len -= (size_t)n;
		memmove(line->out, line->out + n, line->out_len);
	}
}

static bool
append(struct line *line, const char *text)
{
	size_t len = strlen(text);
	char *out = realloc(line->out, line->out_len + len + 1);

	if (out == NULL)
		return false;
	memcpy(out + line->out_len, text, len);
	out[line->out_len + len] = '\n';
	line->out = out;
	line->out_len += len + 1;
	return true;
}

bool
line_ask(struct line *line, json_t *request, bool several, line_fn fn, void *arg)
{
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	struct line_ask *ask = calloc(1, sizeof(*ask));
	bool done = text != NULL && ask != NULL && line->fd != -1 && append(line, text);

	json_decref(request);
	free(text);
	if (!done) {
		free(ask);
		return false;
	}
	ask->fn = fn;
	ask->arg = arg;
	ask->several = several;
	TAILQ_INSERT_TAIL(&line->asks, ask, entry);
	return true; /* sent with the next poll: the caller may ask for more */
}

short
line_events(const struct line *line)
{
	return line->out_len > 0 ? POLLIN | POLLOUT : POLLIN;
}

/* --- replies ----------------------------------------------------------- */

/* What ends a reply of several lines; a refusal is one line alone. */
static bool
is_last(const struct line_ask *ask, const char *text, size_t len)
{
	static const char end[] = "{\"end\":true}", refused[] = "{\"ok\":false";

	if (!ask->several)
		return true;
	if (!ask->begun)
		return len >= sizeof(refused) - 1 &&
		    memcmp(text, refused, sizeof(refused) - 1) == 0;
	return len == sizeof(end) - 1 && memcmp(text, end, len) == 0;
}

static void
take_line(struct line *line, const char *text, size_t len)
{
	struct line_ask *ask = TAILQ_FIRST(&line->asks);
	bool last;

	if (ask == NULL)
		return;
	last = is_last(ask, text, len);
	ask->begun = true;
	if (last)
		TAILQ_REMOVE(&line->asks, ask, entry);
	ask->fn(ask->arg, text, len, last);
	if (last)
		free(ask);
}

static void
take_lines(struct line *line)
{
	size_t at = 0;
	char *end;

	while (line->in_len > at &&
	    (end = memchr(line->in + at, '\n', line->in_len - at)) != NULL) {
		*end = '\0';
		take_line(line, line->in + at, (size_t)(end - line->in) - at);
		if (line->fd == -1)
			return;
		at = (size_t)(end - line->in) + 1;
	}
	line->in_len -= at;
	memmove(line->in, line->in + at, line->in_len);
}

static bool
make_room(struct line *line)
{
	size_t size = line->in_size + READ_SIZE;
	char *in;

	if (line->in_size - line->in_len >= READ_SIZE)
		return true;
	if (size < line->in_size * 2)
		size = line->in_size * 2;
	in = size <= LINE_MAX_SIZE ? realloc(line->in, size) : NULL;
	if (in == NULL)
		return false;
	line->in = in;
	line->in_size = size;
	return true;
}

void
line_io(struct line *line, short revents)
{
	ssize_t n;

	if (line->fd != -1 && (revents & POLLOUT))
		flush(line);
	if (line->fd == -1 || (revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return;
	if (!make_room(line)) {
		line_close(line);
		return;
	}
	n = recv(line->fd, line->in + line->in_len, line->in_size - line->in_len,
	    MSG_DONTWAIT);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		line_close(line);
	} else if (n > 0) {
		line->in_len += (size_t)n;
		take_lines(line);
	}
}
