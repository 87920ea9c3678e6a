/* SPDX-License-Identifier: ISC */
#include "supervisor/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

#define NOTIFY_BURST 16	  /* messages before others get their turn */
#define NOTIFY_MAX   4096 /* bytes of a message */

static void
handle_message(struct supervisor *supervisor, char *text, pid_t sender)
{
	struct worker *worker = service_find_worker(&supervisor->services, sender);
	struct template *template;
	char *line;

	if (worker == NULL) {
		template = service_find_template(&supervisor->services, sender);
		while (template != NULL && (line = strsep(&text, "\n")) != NULL)
			if (strncmp(line, "STATUS=", 7) == 0)
				ending_keep(template->said, line + 7);
		return;
	}
	while ((line = strsep(&text, "\n")) != NULL)
		if (strcmp(line, "READY=1") == 0)
			worker_event(worker, WORKER_ON_READY);
		else if (strcmp(line, "WATCHDOG=1") == 0)
			health_watchdog(worker);
		else if (strcmp(line, "WATCHDOG=trigger") == 0)
			health_trigger(worker);
		else if (strncmp(line, "STATUS=", 7) == 0)
			worker_says(worker, line + 7);
}

static void
on_event(void *owner, uint32_t events)
{
	struct supervisor *supervisor = owner;
	char text[NOTIFY_MAX];
	pid_t sender;
	size_t len;

	(void)events;
	for (int i = 0; i < NOTIFY_BURST; i++) {
		if (msg_recv_batch(supervisor->notify.io.fd, text, sizeof(text) - 1, 1,
			&len, &sender) != 1)
			return;
		text[len] = '\0';
		handle_message(supervisor, text, sender);
	}
}

void
notify_read(struct supervisor *supervisor)
{
	if (supervisor->notify.io.fd != -1)
		on_event(supervisor, 0);
}

/* Binds to a name that is free; returns 0, or -1 with errno. */
static int
bind_socket(struct notify *notify)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	uint8_t id[8];
	char hex[sizeof(id) * 2 + 1];
	socklen_t len;
	int on = 1;

	util_random(id, sizeof(id));
	util_hex(id, sizeof(id), hex);
	snprintf(notify->path, sizeof(notify->path), "@poold-%d-%s", (int)getpid(), hex);
	memcpy(un.sun_path, notify->path, strlen(notify->path));
	un.sun_path[0] = '\0';
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(notify->path));
	notify->io.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify->io.fd == -1 ||
	    setsockopt(notify->io.fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == -1 ||
	    bind(notify->io.fd, (struct sockaddr *)&un, len) == -1)
		return -1;
	return 0;
}

int
notify_open(struct supervisor *supervisor)
{
	struct notify *notify = &supervisor->notify;

	notify->io.fn = on_event;
	notify->io.owner = supervisor;
	if (notify->io.fd == -1 && bind_socket(notify) == -1)
		return -1;
	return loop_io_add(&supervisor->loop, &notify->io, EPOLLIN);
}

void
notify_close(struct supervisor *supervisor)
{
	if (supervisor->notify.io.fd == -1)
		return;
	loop_io_remove(&supervisor->loop, &supervisor->notify.io);
	close(supervisor->notify.io.fd);
}
