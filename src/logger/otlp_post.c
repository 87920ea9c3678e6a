/* SPDX-License-Identifier: ISC */
#include "logger/otlp_post.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"

#define PATIENCE_NS (2000 * MS_NS)

/* Waits for events until the deadline; 0, or an errno. */
static int
wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	uint64_t now_ns;
	int n;

	for (;;) {
		now_ns = util_now_ns();
		if (now_ns >= deadline_ns)
			return ETIMEDOUT;
		n = poll(&pfd, 1, (int)((deadline_ns - now_ns) / MS_NS) + 1);
		if (n > 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return errno;
	}
}

static int
connect_to(const struct endpoint *endpoint, int fd, uint64_t deadline_ns)
{
	socklen_t len = sizeof(int);
	int error;

	if (connect(fd, (const struct sockaddr *)&endpoint->addr, endpoint->addr_len) ==
	    0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	error = wait_for(fd, POLLOUT, deadline_ns);
	if (error == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	return error;
}

static int
send_all(int fd, const char *text, size_t len, uint64_t deadline_ns)
{
	size_t done = 0;
	ssize_t n;
	int error = 0;

	while (done < len && error == 0) {
		n = send(fd, text + done, len - done, MSG_NOSIGNAL);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			error = wait_for(fd, POLLOUT, deadline_ns);
		else if (errno != EINTR)
			error = errno;
	}
	return error;
}

/* Reads the beginning of the status line: "HTTP/1.1 200". */
static int
read_status(int fd, uint64_t deadline_ns)
{
	char line[12];
	size_t len = 0;
	ssize_t n;
	int error = 0;

	while (len < sizeof(line) && error == 0) {
		n = recv(fd, line + len, sizeof(line) - len, 0);
		if (n > 0)
			len += (size_t)n;
		else if (n == 0)
			error = ECONNRESET;
		else if (errno == EAGAIN)
			error = wait_for(fd, POLLIN, deadline_ns);
		else if (errno != EINTR)
			error = errno;
	}
	if (error != 0)
		return error;
	return memcmp(line, "HTTP/1.", 7) == 0 && line[8] == ' ' && line[9] == '2' ?
	    0 :
	    EPROTO;
}

int
otlp_post(const struct endpoint *endpoint, const char *text, size_t len)
{
	uint64_t deadline_ns = util_now_ns() + PATIENCE_NS;
	char head[sizeof(endpoint->path) + 256];
	int fd, error, head_len;

	fd = socket(endpoint->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return errno;
	head_len = snprintf(head, sizeof(head),
	    "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\nUser-Agent: poold/%s\r\nConnection: close\r\n\r\n",
	    endpoint->path, endpoint->host, len, PACKAGE_VERSION);
	error = connect_to(endpoint, fd, deadline_ns);
	if (error == 0)
		error = send_all(fd, head, (size_t)head_len, deadline_ns);
	if (error == 0)
		error = send_all(fd, text, len, deadline_ns);
	if (error == 0)
		error = read_status(fd, deadline_ns);
	close(fd);
	return error;
}
