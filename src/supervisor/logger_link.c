/* SPDX-License-Identifier: ISC */
#include "supervisor/logger_link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"

#define PING_NS	  (1000 * MS_NS)
#define LATE_NS	  (1500 * MS_NS) /* its work is done for it */
#define HANGS_NS  (5000 * MS_NS) /* it is killed */
#define RETIRE_NS (2000 * MS_NS)
#define STOP_NS	  (2000 * MS_NS)

/* --- what it has to know ----------------------------------------------- */

static void
send_id(struct logger_link *link, uint32_t type, uint32_t id)
{
	struct logger_id msg = { .type = type, .id = id };

	channel_send(&link->process.channel, &msg, sizeof(msg), NULL, 0);
}

/* Nothing is told to a logger that is to end. */
static bool
is_told(const struct logger_link *link)
{
	return link->process.channel.io.fd != -1 && !link->retiring;
}

void
logger_link_settings(struct logger_link *link)
{
	const struct logs *logs = &link->supervisor->logs;
	struct logger_settings msg = { .type = LOGGER_SETTINGS,
		.format = logs->format,
		.level = logs->level,
		.log = logs->log_dest };

	if (is_told(link))
		channel_send(&link->process.channel, &msg, sizeof(msg), NULL, 0);
}

void
logger_link_dest(struct logger_link *link, const struct log_dest *dest)
{
	struct logger_dest msg = { .type = LOGGER_DEST,
		.id = dest->id,
		.spans = log_dest_is_spans(dest->text) };
	const char *colon = strchr(dest->text, ':');

	if (!is_told(link))
		return;
	strlcpy(msg.name, dest->text, sizeof(msg.name));
	msg.syslog = dest->fd == -1 && !msg.spans;
	if (msg.spans)
		strlcpy(msg.name, dest->text + strlen(LOG_DEST_SPANS), sizeof(msg.name));
	if (msg.syslog)
		strlcpy(msg.name, colon != NULL ? colon + 1 : "/dev/log",
		    sizeof(msg.name));
	channel_send(&link->process.channel, &msg, sizeof(msg), &dest->fd,
	    dest->fd != -1 ? 1 : 0);
}

void
logger_link_undest(struct logger_link *link, uint32_t id)
{
	if (is_told(link))
		send_id(link, LOGGER_UNDEST, id);
}

void
logger_link_reopened(struct logger_link *link)
{
	if (is_told(link))
		send_id(link, LOGGER_REOPENED, 0);
}

void
logger_link_add_pool(struct logger_link *link, const struct pool *pool)
{
	struct logger_board msg = { .type = LOGGER_BOARD,
		.id = pool->id,
		.layout = pool->board.layout };

	if (is_told(link) && pool->board_fd != -1)
		channel_send(&link->process.channel, &msg, sizeof(msg), &pool->board_fd,
		    1);
}

void
logger_link_remove_pool(struct logger_link *link, const struct pool *pool)
{
	if (is_told(link) && pool->board_fd != -1)
		send_id(link, LOGGER_UNBOARD, pool->id);
}

void
logger_link_source(struct logger_link *link, struct log_source *source)
{
	size_t len = sizeof(struct logger_source) + source->carry_len;
	struct logger_source *msg;

	if (!is_told(link))
		return;
	msg = util_alloc(len);
	msg->type = LOGGER_SOURCE;
	msg->id = source->id;
	msg->kind = source->kind;
	msg->dest = source->dest;
	msg->board = source->pool;
	msg->slot = source->slot;
	msg->pid = source->pid;
	strlcpy(msg->name, source->name, sizeof(msg->name));
	msg->carry_len = source->carry_len;
	if (source->carry_len > 0)
		memcpy(msg->carry, source->carry, source->carry_len);
	channel_send(&link->process.channel, msg, len, &source->fd, 1);
	free(msg);
	free(source->carry);
	source->carry = NULL;
	source->carry_len = 0;
}

static void
send_everything(void *owner)
{
	struct logger_link *link = owner;
	struct logs *logs = &link->supervisor->logs;
	struct log_source *source;
	struct log_dest *dest;
	struct service *service;
	struct pool *pool;

	logger_link_settings(link);
	TAILQ_FOREACH (dest, &logs->dests, entry)
		logger_link_dest(link, dest);
	TAILQ_FOREACH (service, &link->supervisor->services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			logger_link_add_pool(link, pool);
	TAILQ_FOREACH (source, &logs->sources, entry)
		if (source->kind == LOGGER_RAW || source->pid != 0)
			logger_link_source(link, source);
}

bool
logger_link_follow(struct logger_link *link, const char *service, bool follow, int fd)
{
	struct logger_follow msg = { .type = LOGGER_FOLLOW, .follow = follow };

	if (!is_told(link))
		return false;
	if (service != NULL)
		strlcpy(msg.service, service, sizeof(msg.service));
	channel_send(&link->process.channel, &msg, sizeof(msg), &fd, 1);
	return true;
}

/* --- what it says ------------------------------------------------------ */

static void
on_partial(struct logger_link *link, const struct logger_partial *msg, size_t len)
{
	if (len == sizeof(*msg) + msg->len)
		log_source_partial(&link->supervisor->logs, msg->id, msg->text, msg->len);
}

static void
on_stats(struct logger_link *link, const struct logger_stats *msg)
{
	link->asked_ns = 0;
	link->lines = msg->lines;
	link->dropped = msg->dropped;
}

static void
on_msg(void *owner, const void *buf, size_t len)
{
	struct logger_link *link = owner;
	const struct logger_id *msg = buf;

	if (len < sizeof(*msg))
		return;
	if (msg->type == LOGGER_ENDED && !link->retiring)
		log_source_ended(link->supervisor, msg->id);
	else if (msg->type == LOGGER_STATS && len == sizeof(struct logger_stats))
		on_stats(link, buf);
	else if (msg->type == LOGGER_PARTIAL && len >= sizeof(struct logger_partial))
		on_partial(link, buf, len);
}

uint64_t
logger_link_dropped(const struct logger_link *link)
{
	return link->dropped_before + link->dropped;
}

/* --- whether it lives -------------------------------------------------- */

/* Workers write to pipes that only the logger empties: they must not wait for
 * one that is stopped, say. */
static void
on_ping_timer(void *owner)
{
	struct logger_link *link = owner;
	uint64_t now_ns = util_now_ns(), waited_ns;

	loop_timer_set(&link->supervisor->loop, &link->ping_timer, now_ns + PING_NS);
	if (link->process.pid == 0) {
		log_source_discard(link->supervisor, true);
		return;
	}
	if (!is_told(link))
		return;
	if (link->asked_ns == 0) {
		link->asked_ns = now_ns;
		send_id(link, LOGGER_PING, 0);
		return;
	}
	waited_ns = now_ns - link->asked_ns;
	if (waited_ns > LATE_NS)
		log_source_discard(link->supervisor, false);
	if (waited_ns > HANGS_NS) {
		log_error("the logger (pid %d) does not answer", (int)link->process.pid);
		role_process_kill(&link->process);
	}
}

/* --- the process ------------------------------------------------------- */

static void
forget_counts(struct logger_link *link)
{
	link->asked_ns = 0;
	link->dropped_before += link->dropped;
	link->dropped = 0;
}

static void
on_exit_event(void *owner, pid_t pid, const siginfo_t *info)
{
	struct logger_link *link = owner;

	forget_counts(link);
	if (link->retiring) {
		link->retiring = false;
		loop_timer_clear(&link->supervisor->loop, &link->retire_timer);
		logger_link_start(link);
		return;
	}
	event_tell(link->supervisor, "logger_died", NULL, "s:i", "pid", (int)pid);
	role_process_replace(&link->process, pid, info, "starting another");
}

/* It has not ended in time. */
static void
on_retire_timer(void *owner)
{
	struct logger_link *link = owner;

	role_process_kill(&link->process);
}

void
logger_link_init(struct logger_link *link, struct supervisor *supervisor)
{
	link->supervisor = supervisor;
	role_process_init(&link->process, supervisor, "logger");
	link->process.on_start = send_everything;
	link->process.on_msg = on_msg;
	link->process.on_exit = on_exit_event;
	link->process.owner = link;
	link->retire_timer.fn = on_retire_timer;
	link->retire_timer.owner = link;
	link->ping_timer.fn = on_ping_timer;
	link->ping_timer.owner = link;
}

void
logger_link_start(struct logger_link *link)
{
	if (!loop_timer_is_set(&link->ping_timer))
		loop_timer_set(&link->supervisor->loop, &link->ping_timer,
		    util_now_ns() + PING_NS);
	role_process_start(&link->process);
}

void
logger_link_adopt(struct logger_link *link, pid_t pid, int channel)
{
	if (!role_process_adopt(&link->process, pid, channel)) {
		logger_link_start(link);
		return;
	}
	link->retiring = true;
	send_id(link, LOGGER_RETIRE, 0);
	loop_timer_set(&link->supervisor->loop, &link->retire_timer,
	    util_now_ns() + RETIRE_NS);
}

/* Waits for its end; what it was not told yet is told meanwhile. */
static bool
wait_for_end(struct logger_link *link, uint64_t deadline_ns)
{
	struct pollfd pfds[2] = { { .fd = link->process.exit.fd, .events = POLLIN } };
	uint64_t now_ns;

	while ((now_ns = util_now_ns()) < deadline_ns) {
		bool waits = channel_flush(&link->process.channel);

		pfds[1] = (struct pollfd){ .fd = link->process.channel.io.fd,
			.events = waits ? POLLOUT : 0 };
		if (poll(pfds, waits ? 2 : 1,
			(int)((deadline_ns - now_ns) / MS_NS) + 1) == -1 &&
		    errno != EINTR)
			return false;
		if (pfds[0].revents != 0)
			return true;
	}
	return false;
}

void
logger_link_stop(struct logger_link *link)
{
	struct pollfd pfd = { .events = POLLIN };
	siginfo_t info = { 0 };

	loop_timer_clear(&link->supervisor->loop, &link->ping_timer);
	loop_timer_clear(&link->supervisor->loop, &link->process.restart_timer);
	loop_timer_clear(&link->supervisor->loop, &link->retire_timer);
	if (link->process.pid == 0)
		return;
	send_id(link, link->retiring ? LOGGER_RETIRE : LOGGER_STOP, 0);
	if (!wait_for_end(link, util_now_ns() + STOP_NS)) {
		role_process_kill(&link->process);
		pfd.fd = link->process.exit.fd;
		poll(&pfd, 1, -1);
	}
	role_process_reap(&link->process, &info);
	forget_counts(link);
}
