/* SPDX-License-Identifier: ISC */
/* The listening sockets of a worker that accepts for itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "libpoold/internal.h"

#define BACKLOG		 511
#define INHERITED_FD_MIN 3 /* SD_LISTEN_FDS_START */

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage ss;
};

/* Accepted sockets inherit TCP_NODELAY; on unix sockets this fails, and may. */
static void
listener_prepare(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int
inherited_check(int fd)
{
	int accepting = 0, type = 0, flags;
	socklen_t len = sizeof(accepting), type_len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &len) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == -1 || !accepting ||
	    type != SOCK_STREAM) {
		poold_log(NULL,
		    "descriptor %d is not a listening stream "
		    "socket",
		    fd);
		return EX_PROTOCOL;
	}
	if ((flags = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
		poold_log(NULL, "descriptor %d: %s", fd, strerror(errno));
		return EX_OSERR;
	}
	listener_prepare(fd);
	return 0;
}

int
listen_inherited(struct listeners *listeners)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	const char *error = NULL;
	int count = 0, i, status;

	memset(listeners, 0, sizeof(*listeners));
	/* The variables of another process are none of ours. */
	if (fds != NULL && pid != NULL &&
	    strtonum(pid, 1, INT32_MAX, &error) == getpid() && error == NULL) {
		count = (int)strtonum(fds, 1, LISTENERS_MAX, &error);
		if (error != NULL) {
			poold_log(NULL, "LISTEN_FDS=%s is %s", fds, error);
			return EX_PROTOCOL;
		}
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	for (i = 0; i < count; i++) {
		if ((status = inherited_check(INHERITED_FD_MIN + i)) != 0)
			return status;
		listeners->fds[i] = INHERITED_FD_MIN + i;
	}
	listeners->count = (size_t)count;
	listeners->shared = true;
	return 0;
}

/* Reads PORT, ADDRESS:PORT or [ADDRESS]:PORT; returns the address's length,
 * 0 when the text is none of them. */
static socklen_t
address_parse_inet(const char *text, union address *address)
{
	char host[INET6_ADDRSTRLEN + 2] = "127.0.0.1";
	const char *colon = strrchr(text, ':'), *error;
	size_t len;
	int port;

	if (colon != NULL) {
		len = (size_t)(colon - text);
		if (len >= sizeof(host))
			return 0;
		memcpy(host, text, len);
		host[len] = '\0';
		text = colon + 1;
	}
	port = (int)strtonum(text, 0, UINT16_MAX, &error);
	if (error != NULL)
		return 0;
	len = strlen(host);
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		address->in6.sin6_family = AF_INET6;
		address->in6.sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host + 1, &address->in6.sin6_addr) == 1 ?
		    sizeof(address->in6) :
		    0;
	}
	address->in.sin_family = AF_INET;
	address->in.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &address->in.sin_addr) == 1 ?
	    sizeof(address->in) :
	    0;
}

static socklen_t
address_parse(const char *text, union address *address)
{
	memset(address, 0, sizeof(*address));
	if (strncmp(text, "unix:", 5) != 0)
		return address_parse_inet(text, address);
	text += 5;
	address->un.sun_family = AF_UNIX;
	if (*text == '\0' ||
	    strlcpy(address->un.sun_path, text, sizeof(address->un.sun_path)) >=
		sizeof(address->un.sun_path))
		return 0;
	return sizeof(address->un);
}

/* Removes a socket that nobody listens on any more. */
static void
unix_remove_stale(const union address *address)
{
	struct stat st;
	int sock;

	if (lstat(address->un.sun_path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock == -1)
		return;
	if (connect(sock, &address->sa, sizeof(address->un)) == -1 &&
	    errno == ECONNREFUSED)
		(void)unlink(address->un.sun_path);
	close(sock);
}

/* Says where it really listens: a port of 0 has become another. */
static void
listener_name(struct listeners *listeners, const char *address)
{
	union address bound;
	struct lease_addr addr;
	socklen_t len = sizeof(bound);
	char text[UTIL_ADDR_SIZE];

	memset(&bound, 0, sizeof(bound));
	if (listeners->unix_path != NULL ||
	    getsockname(listeners->fds[0], &bound.sa, &len) == -1) {
		snprintf(listeners->text, sizeof(listeners->text), "%s", address);
		poold_log(NULL, "listening on %s", address);
		return;
	}
	util_addr_from_sockaddr(&addr, &bound.ss);
	util_addr_text(&addr, text);
	snprintf(listeners->text, sizeof(listeners->text),
	    strchr(text, ':') != NULL ? "[%s]:%u" : "%s:%u", text, addr.port);
	poold_log(NULL, "listening on http://%s/", listeners->text);
}

int
listen_open(struct listeners *listeners, const char *address)
{
	union address bound;
	socklen_t len;
	int fd, one = 1;

	memset(listeners, 0, sizeof(*listeners));
	if ((len = address_parse(address, &bound)) == 0) {
		poold_log(NULL,
		    "%s: not PORT, ADDRESS:PORT, [ADDRESS]:PORT or "
		    "unix:PATH",
		    address);
		return EX_USAGE;
	}
	fd = socket(bound.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1) {
		poold_log(NULL, "socket: %s", strerror(errno));
		return EX_OSERR;
	}
	if (bound.sa.sa_family == AF_UNIX)
		unix_remove_stale(&bound);
	else
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	listener_prepare(fd);
	if (bind(fd, &bound.sa, len) == -1 || listen(fd, BACKLOG) == -1) {
		poold_log(NULL, "cannot listen on %s: %s", address, strerror(errno));
		close(fd);
		return EX_UNAVAILABLE;
	}
	listeners->fds[listeners->count++] = fd;
	if (bound.sa.sa_family == AF_UNIX)
		listeners->unix_path = address + 5;
	listener_name(listeners, address);
	return 0;
}

void
listen_close(struct listeners *listeners)
{
	size_t i;

	for (i = 0; i < listeners->count; i++)
		close(listeners->fds[i]);
	listeners->count = 0;
	if (listeners->unix_path != NULL)
		(void)unlink(listeners->unix_path);
	listeners->unix_path = NULL;
}
