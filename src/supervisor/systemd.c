/* SPDX-License-Identifier: ISC */
#include "supervisor/systemd.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/strength.h"
#include "supervisor/supervisor.h"

#define RETRY_NS    (50 * MS_NS)
#define WAITING_MAX 16 /* messages; more are not worth the memory */
/* A start that takes longer than a minute and a half is a failure to systemd
 * (DefaultTimeoutStartSec), however well most services may do. */
#define READY_MAX_NS (60000 * MS_NS)

struct systemd_msg {
	STAILQ_ENTRY(systemd_msg) entry;
	size_t len;
	char text[];
};

/* --- messages ---------------------------------------------------------- */

/* Returns false when it has to wait. */
static bool
send_now(struct systemd *systemd, const char *text, size_t len)
{
	ssize_t n;

	do
		n = sendto(systemd->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (const struct sockaddr *)&systemd->addr, systemd->addr_len);
	while (n == -1 && errno == EINTR);
	if (n == -1 && (errno == EAGAIN || errno == ENOBUFS))
		return false;
	if (n == -1 && !systemd->failed)
		log_warn("NOTIFY_SOCKET cannot be written: %s", strerror(errno));
	systemd->failed = n == -1;
	return true;
}

static void
set_timer(struct supervisor *supervisor, struct loop_timer *timer, uint64_t after_ns)
{
	loop_timer_set(&supervisor->loop, timer, util_now_ns() + after_ns);
}

static void
on_retry_timer(void *owner)
{
	struct supervisor *supervisor = owner;
	struct systemd *systemd = &supervisor->systemd;
	struct systemd_msg *msg;

	while ((msg = STAILQ_FIRST(&systemd->waiting)) != NULL) {
		if (!send_now(systemd, msg->text, msg->len)) {
			set_timer(supervisor, &systemd->retry_timer, RETRY_NS);
			return;
		}
		STAILQ_REMOVE_HEAD(&systemd->waiting, entry);
		free(msg);
	}
}

static void
keep(struct supervisor *supervisor, const char *text, size_t len)
{
	struct systemd *systemd = &supervisor->systemd;
	struct systemd_msg *msg;
	unsigned count = 0;

	STAILQ_FOREACH (msg, &systemd->waiting, entry)
		if (++count == WAITING_MAX)
			return;
	msg = util_alloc(sizeof(*msg) + len);
	msg->len = len;
	memcpy(msg->text, text, len);
	STAILQ_INSERT_TAIL(&systemd->waiting, msg, entry);
	if (!loop_timer_is_set(&systemd->retry_timer))
		set_timer(supervisor, &systemd->retry_timer, RETRY_NS);
}

/* In order, now or soon.  What nobody takes for long is dropped. */
static void
tell(struct supervisor *supervisor, const char *text)
{
	struct systemd *systemd = &supervisor->systemd;
	size_t len = strlen(text);

	if (systemd->fd == -1)
		return;
	if (!STAILQ_EMPTY(&systemd->waiting) || !send_now(systemd, text, len))
		keep(supervisor, text, len);
}

/* --- what it is at ----------------------------------------------------- */

/* Workers that are ready, and how many there should be. */
static void
count_workers(struct supervisor *supervisor, unsigned *ready, unsigned *wanted)
{
	struct service *service;

	*ready = *wanted = 0;
	TAILQ_FOREACH (service, &supervisor->services, entry)
		if (service->current != NULL) {
			*ready += strength_count(service->current).going;
			*wanted += service->current->strength.target;
		}
}

static void
describe(struct supervisor *supervisor, char text[SYSTEMD_STATUS_MAX])
{
	const struct systemd *systemd = &supervisor->systemd;
	unsigned services, processes, ready, wanted;

	if (systemd->stopping) {
		strlcpy(text, "stopping", SYSTEMD_STATUS_MAX);
		return;
	}
	service_count(&supervisor->services, &services, &processes);
	count_workers(supervisor, &ready, &wanted);
	snprintf(text, SYSTEMD_STATUS_MAX, "%s %u service%s, %u of %u workers ready%s%s",
	    systemd->reloading	? "reloading;" :
		!systemd->ready ? "starting" :
				  "serving",
	    services, services == 1 ? "" : "s", ready, wanted,
	    systemd->note != NULL ? "; " : "",
	    systemd->note != NULL ? systemd->note : "");
	for (char *s = text; *s != '\0'; s++)
		if (*s == '\n')
			*s = ' '; /* it would begin another assignment */
}

static void tell_state(struct supervisor *supervisor, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The state, and with it the status. */
static void
tell_state(struct supervisor *supervisor, const char *fmt, ...)
{
	struct systemd *systemd = &supervisor->systemd;
	char text[SYSTEMD_STATUS_MAX + 128];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	describe(supervisor, systemd->status);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, "STATUS=%s\n", systemd->status);
	tell(supervisor, text);
}

void
systemd_status(struct supervisor *supervisor)
{
	struct systemd *systemd = &supervisor->systemd;
	char status[SYSTEMD_STATUS_MAX];

	if (systemd->fd == -1 || !systemd->started)
		return;
	describe(supervisor, status);
	if (strcmp(status, systemd->status) != 0)
		tell_state(supervisor, "%s", "");
}

static void
become_ready(struct supervisor *supervisor)
{
	struct systemd *systemd = &supervisor->systemd;

	loop_timer_clear(&supervisor->loop, &systemd->ready_timer);
	systemd->ready = true;
	tell_state(supervisor, "READY=1\nMAINPID=%d\n", (int)getpid());
}

static void
on_ready_timer(void *owner)
{
	become_ready(owner);
}

void
systemd_pool_settled(struct supervisor *supervisor)
{
	const struct systemd *systemd = &supervisor->systemd;
	struct service *service;

	if (!systemd->started || systemd->ready || systemd->stopping)
		return;
	TAILQ_FOREACH (service, &supervisor->services, entry)
		if (service->current != NULL && !service->current->was_ready &&
		    !service->current->start_failed &&
		    !strength_is_reached(service->current))
			return;
	become_ready(supervisor);
}

void
systemd_started(struct supervisor *supervisor)
{
	struct systemd *systemd = &supervisor->systemd;

	systemd->started = true;
	if (!systemd->ready) /* as it is after an upgrade */
		set_timer(supervisor, &systemd->ready_timer, READY_MAX_NS);
	systemd_status(supervisor);
	systemd_pool_settled(supervisor);
}

void
systemd_reloading(struct supervisor *supervisor)
{
	struct systemd *systemd = &supervisor->systemd;

	if (!systemd->ready)
		return; /* it is still a start, and READY=1 is to come */
	systemd->reloading = true;
	free(systemd->note);
	systemd->note = NULL;
	tell_state(supervisor, "RELOADING=1\nMONOTONIC_USEC=%llu\n",
	    (unsigned long long)(util_now_ns() / 1000));
}

void
systemd_reloaded(struct supervisor *supervisor, const char *failure)
{
	struct systemd *systemd = &supervisor->systemd;

	free(systemd->note);
	systemd->note = failure != NULL ?
	    util_asprintf("the last reload failed: %s", failure) :
	    util_strdup("the last reload succeeded");
	if (!systemd->reloading)
		return;
	systemd->reloading = false;
	tell_state(supervisor, "READY=1\n");
}

void
systemd_stopping(struct supervisor *supervisor)
{
	struct systemd *systemd = &supervisor->systemd;

	if (systemd->stopping)
		return;
	systemd->stopping = true;
	loop_timer_clear(&supervisor->loop, &systemd->ready_timer);
	tell_state(supervisor, "STOPPING=1\n");
}

/* --- the watchdog ------------------------------------------------------ */

static void
on_watchdog_timer(void *owner)
{
	struct supervisor *supervisor = owner;
	struct systemd *systemd = &supervisor->systemd;

	/* a late one is worth no more than the next */
	if (STAILQ_EMPTY(&systemd->waiting))
		tell(supervisor, "WATCHDOG=1\n");
	set_timer(supervisor, &systemd->watchdog_timer, systemd->watchdog_ns);
}

static void
begin_watchdog(struct supervisor *supervisor)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	const char *error = NULL;
	long long value;

	if (usec == NULL ||
	    (pid != NULL && strtonum(pid, 1, INT32_MAX, &error) != getpid()))
		return;
	value = strtonum(usec, 1, INT64_MAX / 1000, &error);
	if (error != NULL) {
		log_warn("WATCHDOG_USEC is '%.32s': %s", usec, error);
		return;
	}
	/* half, so that one may be late */
	supervisor->systemd.watchdog_ns = (uint64_t)value * 1000 / 2;
	if (supervisor->systemd.watchdog_ns < MS_NS)
		supervisor->systemd.watchdog_ns = MS_NS;
	on_watchdog_timer(supervisor);
}

/* --- the beginning and the end ----------------------------------------- */

void
systemd_init(struct supervisor *supervisor)
{
	struct systemd *systemd = &supervisor->systemd;

	systemd->fd = -1;
	STAILQ_INIT(&systemd->waiting);
	systemd->retry_timer.fn = on_retry_timer;
	systemd->retry_timer.owner = supervisor;
	systemd->ready_timer.fn = on_ready_timer;
	systemd->ready_timer.owner = supervisor;
	systemd->watchdog_timer.fn = on_watchdog_timer;
	systemd->watchdog_timer.owner = supervisor;
}

void
systemd_open(struct supervisor *supervisor)
{
	struct systemd *systemd = &supervisor->systemd;
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;

	if (path == NULL || path[0] == '\0')
		return;
	len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len < 2 ||
	    len >= sizeof(systemd->addr.sun_path)) {
		log_warn("NOTIFY_SOCKET is '%.128s', which is no path and no abstract "
			 "socket: nobody is told of the start",
		    path);
		return;
	}
	systemd->addr.sun_family = AF_UNIX;
	memcpy(systemd->addr.sun_path, path, len);
	/* the name of an abstract socket ends with its length, a path with NUL */
	systemd->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
	    (path[0] == '/' ? 1 : 0));
	if (path[0] == '@')
		systemd->addr.sun_path[0] = '\0';
	systemd->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (systemd->fd == -1) {
		log_warn("cannot open a socket for NOTIFY_SOCKET: %s", strerror(errno));
		return;
	}
	begin_watchdog(supervisor);
}

void
systemd_close(struct supervisor *supervisor)
{
	struct systemd *systemd = &supervisor->systemd;
	struct systemd_msg *msg;

	while ((msg = STAILQ_FIRST(&systemd->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&systemd->waiting, entry);
		free(msg);
	}
	free(systemd->note);
	systemd->note = NULL;
	if (systemd->fd != -1)
		close(systemd->fd);
	systemd->fd = -1;
}
