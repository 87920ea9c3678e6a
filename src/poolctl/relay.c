/* SPDX-License-Identifier: ISC */
#include "poolctl/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void
add(struct relay *relay, int from, int to, bool ours)
{
	relay->ways[relay->count++] = (struct relay_way){ .from = from,
		.to = to,
		.ours = ours };
}

/* --- a terminal of its own ----------------------------------------------- */

void
relay_resize(const struct relay *relay)
{
	struct winsize size;

	if (relay->terminal && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(relay->master, TIOCSWINSZ, &size);
}

static bool
open_terminal(struct relay *relay)
{
	struct termios raw;
	int slave;

	relay->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (relay->master == -1 || grantpt(relay->master) == -1 ||
	    unlockpt(relay->master) == -1)
		return false;
	slave = open(ptsname(relay->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave == -1)
		return false;
	if (tcgetattr(STDIN_FILENO, &relay->before) == -1 ||
	    tcsetattr(slave, TCSANOW, &relay->before) == -1) {
		close(slave);
		return false;
	}
	relay->terminal = true;
	relay_resize(relay);
	raw = relay->before;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == -1) {
		close(slave);
		return false;
	}
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		relay->fds[fd] = isatty(fd) ? slave : fd;
	add(relay, STDIN_FILENO, relay->master, false);
	add(relay, relay->master, STDOUT_FILENO, false);
	return true;
}

/* --- pipes in place of terminals ------------------------------------------ */

static bool
open_pipe(struct relay *relay, int fd)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return false;
	if (fd == STDIN_FILENO) {
		relay->fds[fd] = ends[0];
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
		add(relay, fd, ends[1], true);
	} else {
		relay->fds[fd] = ends[1];
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		add(relay, ends[0], fd, false);
	}
	return true;
}

bool
relay_open(struct relay *relay)
{
	memset(relay, 0, sizeof(*relay));
	relay->master = -1;
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return open_terminal(relay);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		relay->fds[fd] = fd;
		if (isatty(fd) && !open_pipe(relay, fd))
			return false;
	}
	return true;
}

void
relay_begin(struct relay *relay)
{
	int slave = relay->terminal ? relay->fds[STDIN_FILENO] : -1;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (relay->fds[fd] > STDERR_FILENO && relay->fds[fd] != slave)
			close(relay->fds[fd]);
	if (slave != -1)
		close(slave);
}

/* --- moving ---------------------------------------------------------------- */

static void
end_way(struct relay_way *way)
{
	way->from = -1;
	if (way->len == way->at && way->ours) {
		close(way->to);
		way->to = -1;
	}
}

void
relay_poll(struct relay *relay, struct pollfd *fds)
{
	for (size_t i = 0; i < RELAYS_MAX; i++) {
		struct relay_way *way = &relay->ways[i];

		fds[i] = (struct pollfd){ .fd = -1 };
		if (i < relay->count && way->at < way->len)
			fds[i] = (struct pollfd){ .fd = way->to, .events = POLLOUT };
		else if (i < relay->count)
			fds[i] = (struct pollfd){ .fd = way->from, .events = POLLIN };
	}
}

/* Never waits: less than PIPE_BUF is written, and only when there is room. */
static void
move(struct relay_way *way)
{
	ssize_t n;

	if (way->at < way->len) {
		n = write(way->to, way->buf + way->at, way->len - way->at);
		if (n > 0)
			way->at += (size_t)n;
		else if (n == -1 && errno != EAGAIN && errno != EINTR)
			way->at = way->len; /* nobody reads it */
		if (way->at == way->len && way->from == -1)
			end_way(way);
		return;
	}
	way->at = way->len = 0;
	n = read(way->from, way->buf, sizeof(way->buf));
	if (n > 0)
		way->len = (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end_way(way); /* EIO: the last one has closed the terminal */
}

void
relay_move(struct relay *relay, const struct pollfd *fds)
{
	for (size_t i = 0; i < relay->count; i++)
		if (fds[i].fd != -1 && fds[i].revents != 0)
			move(&relay->ways[i]);
}

/* What was written before the end; what a child of it writes later is lost. */
static void
drain(struct relay_way *way)
{
	while (way->to != -1 && (way->at < way->len || way->from != -1)) {
		struct pollfd fds = { .fd = way->at < way->len ? way->to : way->from,
			.events = way->at < way->len ? POLLOUT : POLLIN };

		if (fds.fd == way->from && poll(&fds, 1, 0) <= 0)
			return;
		if (fds.fd == way->to && poll(&fds, 1, -1) == -1 && errno != EINTR)
			return;
		move(way);
	}
}

void
relay_close(struct relay *relay)
{
	for (size_t i = 0; i < relay->count; i++)
		if (relay->ways[i].from != STDIN_FILENO)
			drain(&relay->ways[i]);
	if (relay->terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &relay->before);
	relay->terminal = false;
}
