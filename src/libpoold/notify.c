/* SPDX-License-Identifier: ISC */
/* Tells the service manager how this process is (sd_notify(3)). */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libpoold/internal.h"

#define STATUS_MAX 1024

static struct {
	struct sockaddr_un address;
	socklen_t len;		/* 0: nobody asked */
	uint64_t watchdog_ns;	/* from one WATCHDOG=1 to the next; 0: none */
	uint64_t watchdog_next; /* when it is due, CLOCK_MONOTONIC */
} manager;

/* Twice as often as must be: sd_watchdog_enabled(3). */
static void
watchdog_open(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	const char *error = NULL;
	long long us = 0;

	if (usec != NULL)
		us = strtonum(usec, 1, INT64_MAX / 1000, &error);
	if (pid != NULL && strtonum(pid, 1, INT32_MAX, &error) != getpid())
		us = 0;
	manager.watchdog_ns = error == NULL ? (uint64_t)us * 1000 / 2 : 0;
	manager.watchdog_next = 0;
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* Takes the address of the manager from the environment. */
static void
address_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;

	manager.len = 0;
	if (path == NULL)
		return;
	len = strlen(path);
	if (len > 1 && len < sizeof(manager.address.sun_path) &&
	    (path[0] == '/' || path[0] == '@')) {
		memset(&manager.address, 0, sizeof(manager.address));
		manager.address.sun_family = AF_UNIX;
		memcpy(manager.address.sun_path, path, len);
		manager.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
		if (path[0] == '@') /* an abstract name */
			manager.address.sun_path[0] = '\0';
		else
			manager.len++;
	}
}

void
notify_open(void)
{
	if (getenv("NOTIFY_SOCKET") == NULL) {
		manager.len = 0;
		return;
	}
	address_open();
	unsetenv("NOTIFY_SOCKET");
	watchdog_open();
}

void
poold_status(const char *fmt, ...)
{
	char state[STATUS_MAX] = "STATUS=";
	size_t len = strlen(state);
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(state + len, sizeof(state) - len, fmt, ap) < 0)
		state[len] = '\0';
	va_end(ap);
	state[len + strcspn(state + len, "\n")] = '\0'; /* another would begin there */
	if (manager.len == 0)
		address_open(); /* before poold_serve */
	notify_send(state);
}

void
notify_send(const char *state)
{
	int sock;

	if (manager.len == 0)
		return;
	/* Messages are rare: nothing is gained by keeping the socket. */
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock == -1)
		return;
	if (sendto(sock, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
		(const struct sockaddr *)&manager.address, manager.len) == -1)
		poold_log(NULL, "cannot notify the service manager: %s", strerror(errno));
	close(sock);
}

int
notify_watchdog(void)
{
	uint64_t now_ns;

	if (manager.watchdog_ns == 0 || manager.len == 0)
		return -1;
	now_ns = util_now_ns();
	if (now_ns >= manager.watchdog_next) {
		notify_send("WATCHDOG=1");
		manager.watchdog_next = now_ns + manager.watchdog_ns;
	}
	return (int)((manager.watchdog_next - now_ns) / MS_NS) + 1;
}
