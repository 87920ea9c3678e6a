/* SPDX-License-Identifier: ISC */
#include "supervisor/logger_link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/event.h"
#include "supervisor/pool.h"
#include "supervisor/spawn.h"
#include "supervisor/role_process.h"
#include "supervisor/supervisor.h"

#define YOUNG_NS	(1000 * MS_NS)
#define BACK_OFF_MIN_NS (50 * MS_NS)
#define BACK_OFF_MAX_NS (5000 * MS_NS)
#define PING_NS		(1000 * MS_NS)
#define LATE_NS		(1500 * MS_NS) /* its work is done for it */
#define HANGS_NS	(5000 * MS_NS) /* it is killed */
#define RETIRE_NS	(2000 * MS_NS)
#define STOP_NS		(2000 * MS_NS)

/* --- what it has to know ----------------------------------------------- */

static void
send_id(struct logger_link *link, uint32_t type, uint32_t id)
{
	struct logger_id msg = { .type = type, .id = id };

	channel_send(&link->channel, &msg, sizeof(msg), NULL, 0);
}

/* Nothing is told to a logger that is to end. */
static bool
is_told(const struct logger_link *link)
{
	return link->channel.io.fd != -1 && !link->retiring;
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
		channel_send(&link->channel, &msg, sizeof(msg), NULL, 0);
}

void
logger_link_dest(struct logger_link *link, const struct log_dest *dest)
{
	struct logger_dest msg = { .type = LOGGER_DEST,
		.id = dest->id,
		.spans = logs_is_spans(dest->text) };
	const char *colon = strchr(dest->text, ':');

	if (!is_told(link))
		return;
	strlcpy(msg.name, dest->text, sizeof(msg.name));
	msg.syslog = dest->fd == -1 && !msg.spans;
	if (msg.spans)
		strlcpy(msg.name, dest->text + strlen(LOGS_SPANS), sizeof(msg.name));
	if (msg.syslog)
		strlcpy(msg.name, colon != NULL ? colon + 1 : "/dev/log",
		    sizeof(msg.name));
	channel_send(&link->channel, &msg, sizeof(msg), &dest->fd,
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
		channel_send(&link->channel, &msg, sizeof(msg), &pool->board_fd, 1);
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
	channel_send(&link->channel, msg, len, &source->fd, 1);
	free(msg);
	free(source->carry);
	source->carry = NULL;
	source->carry_len = 0;
}

static void
send_everything(struct logger_link *link)
{
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
	channel_send(&link->channel, &msg, sizeof(msg), &fd, 1);
	return true;
}

/* --- what it says ------------------------------------------------------ */

static void
on_partial(struct logger_link *link, const struct logger_partial *msg, size_t len)
{
	if (len == sizeof(*msg) + msg->len)
		logs_partial(&link->supervisor->logs, msg->id, msg->text, msg->len);
}

static void
on_stats(struct logger_link *link, const struct logger_stats *msg)
{
	link->asked_ns = 0;
	link->lines = msg->lines;
	link->dropped = msg->dropped;
}

static void
on_msg(void *owner, const void *buf, size_t len, const int *fds, int fd_count)
{
	struct logger_link *link = owner;
	const struct logger_id *msg = buf;

	for (int i = 0; i < fd_count; i++)
		close(fds[i]); /* it sends none */
	if (len < sizeof(*msg))
		return;
	if (msg->type == LOGGER_ENDED && !link->retiring)
		logs_source_ended(link->supervisor, msg->id);
	else if (msg->type == LOGGER_STATS && len == sizeof(struct logger_stats))
		on_stats(link, buf);
	else if (msg->type == LOGGER_PARTIAL && len >= sizeof(struct logger_partial))
		on_partial(link, buf, len);
}

static void
on_end(void *owner)
{
	struct logger_link *link = owner;

	channel_close(&link->channel); /* its pidfd says the rest */
}

uint64_t
logger_link_dropped(const struct logger_link *link)
{
	return link->dropped_before + link->dropped;
}

/* --- whether it lives -------------------------------------------------- */

static void
kill_it(struct logger_link *link)
{
	if (link->pid != 0)
		syscall(SYS_pidfd_send_signal, link->exit.fd, SIGKILL, NULL, 0);
}

/* Workers write to pipes that only the logger empties: they must not wait for
 * one that is stopped, say. */
static void
on_ping_timer(void *owner)
{
	struct logger_link *link = owner;
	uint64_t now_ns = util_now_ns(), waited_ns;

	loop_timer_set(&link->supervisor->loop, &link->ping_timer, now_ns + PING_NS);
	if (link->pid == 0) {
		logs_discard(link->supervisor, true);
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
		logs_discard(link->supervisor, false);
	if (waited_ns > HANGS_NS) {
		log_error("the logger (pid %d) does not answer", (int)link->pid);
		kill_it(link);
	}
}

/* --- the process ------------------------------------------------------- */

static void
close_io(struct logger_link *link, struct loop_io *io)
{
	if (io->fd == -1)
		return;
	loop_io_remove(&link->supervisor->loop, io);
	close(io->fd);
	io->fd = -1;
}

static void
on_failure(void *owner, uint32_t events)
{
	struct logger_link *link = owner;
	struct spawn_failure failure;

	(void)events;
	if (read(link->failure.fd, &failure, sizeof(failure)) == sizeof(failure)) {
		failure.step[sizeof(failure.step) - 1] = '\0';
		log_error("cannot start the logger: %s: %s", failure.step,
		    strerror(failure.error));
	}
	close_io(link, &link->failure);
}

static void
schedule_restart(struct logger_link *link)
{
	uint64_t wait_ns = BACK_OFF_MIN_NS;

	if (++link->failures == 1) {
		logger_link_start(link);
		return;
	}
	for (unsigned i = 2; i < link->failures && wait_ns < BACK_OFF_MAX_NS; i++)
		wait_ns *= 2;
	loop_timer_set(&link->supervisor->loop, &link->restart_timer,
	    util_now_ns() + wait_ns);
}

static void
reap(struct logger_link *link, siginfo_t *info)
{
	waitid(P_PIDFD, (id_t)link->exit.fd, info, WEXITED | WNOHANG);
	close_io(link, &link->exit);
	close_io(link, &link->failure);
	channel_close(&link->channel);
	link->pid = 0;
	link->asked_ns = 0;
	link->dropped_before += link->dropped;
	link->dropped = 0;
}

static void
on_exit_event(void *owner, uint32_t events)
{
	struct logger_link *link = owner;
	siginfo_t info = { 0 };
	pid_t pid = link->pid;

	(void)events;
	if (link->failure.fd != -1)
		on_failure(link, 0);
	reap(link, &info);
	supervisor_reap_strangers(link->supervisor);
	if (link->retiring) {
		link->retiring = false;
		loop_timer_clear(&link->supervisor->loop, &link->restart_timer);
		logger_link_start(link);
		return;
	}
	log_error("the logger (pid %d) %s %d; starting another", (int)pid,
	    info.si_code == CLD_EXITED ? "exited with status" : "was killed by signal",
	    info.si_status);
	event_tell(link->supervisor, "logger_died", NULL, "s:i", "pid", (int)pid);
	if (util_now_ns() - link->started_ns >= YOUNG_NS)
		link->failures = 0;
	schedule_restart(link);
}

static void
on_restart_timer(void *owner)
{
	struct logger_link *link = owner;

	if (link->retiring)
		kill_it(link); /* it has not ended in time */
	else if (link->pid == 0)
		logger_link_start(link);
}

void
logger_link_init(struct logger_link *link, struct supervisor *supervisor)
{
	link->supervisor = supervisor;
	link->channel.io.fd = -1;
	link->channel.on_msg = on_msg;
	link->channel.on_end = on_end;
	link->channel.owner = link;
	link->exit = (struct loop_io){ .fd = -1, .fn = on_exit_event, .owner = link };
	link->failure = (struct loop_io){ .fd = -1, .fn = on_failure, .owner = link };
	link->restart_timer.fn = on_restart_timer;
	link->restart_timer.owner = link;
	link->ping_timer.fn = on_ping_timer;
	link->ping_timer.owner = link;
}

void
logger_link_start(struct logger_link *link)
{
	struct loop *loop = &link->supervisor->loop;
	int ends[2];

	link->started_ns = util_now_ns();
	if (!loop_timer_is_set(&link->ping_timer))
		loop_timer_set(loop, &link->ping_timer, link->started_ns + PING_NS);
	if (msg_pair(ends) == -1) {
		log_error("cannot start the logger: %s", strerror(errno));
		schedule_restart(link);
		return;
	}
	link->pid = role_process_start(link->supervisor, "logger", ends[1],
	    &link->exit.fd, &link->failure.fd);
	if (link->pid == 0) {
		close(ends[0]);
		close(ends[1]);
		schedule_restart(link);
		return;
	}
	close(ends[1]);
	loop_io_add(loop, &link->exit, EPOLLIN);
	loop_io_add(loop, &link->failure, EPOLLIN);
	if (channel_open(&link->channel, loop, ends[0]) == -1)
		log_error("cannot watch the logger: %s", strerror(errno));
	send_everything(link);
}

void
logger_link_adopt(struct logger_link *link, pid_t pid, int channel)
{
	struct loop *loop = &link->supervisor->loop;

	if (pid != 0 && channel != -1)
		link->exit.fd = spawn_pidfd(pid);
	if (link->exit.fd == -1) {
		if (channel != -1)
			close(channel);
		logger_link_start(link);
		return;
	}
	link->pid = pid;
	link->retiring = true;
	loop_io_add(loop, &link->exit, EPOLLIN);
	if (channel_open(&link->channel, loop, channel) == -1)
		log_error("cannot watch the logger: %s", strerror(errno));
	send_id(link, LOGGER_RETIRE, 0);
	loop_timer_set(loop, &link->restart_timer, util_now_ns() + RETIRE_NS);
}

/* Waits for its end; what it was not told yet is told meanwhile. */
static bool
wait_for_end(struct logger_link *link, uint64_t deadline_ns)
{
	struct pollfd pfds[2] = { { .fd = link->exit.fd, .events = POLLIN } };
	uint64_t now_ns;

	while ((now_ns = util_now_ns()) < deadline_ns) {
		bool waits = channel_flush(&link->channel);

		pfds[1] = (struct pollfd){ .fd = link->channel.io.fd,
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
	loop_timer_clear(&link->supervisor->loop, &link->restart_timer);
	if (link->pid == 0)
		return;
	send_id(link, link->retiring ? LOGGER_RETIRE : LOGGER_STOP, 0);
	if (!wait_for_end(link, util_now_ns() + STOP_NS)) {
		kill_it(link);
		pfd.fd = link->exit.fd;
		poll(&pfd, 1, -1);
	}
	reap(link, &info);
}
