/* SPDX-License-Identifier: ISC */
#include "logger/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/util.h"
#include "logger/line.h"
#include "logger/logger.h"

#define UNREAD_NS (10000 * MS_NS) /* with lines that are not read */

struct follow {
	TAILQ_ENTRY(follow) entry;
	struct logger *logger;
	struct loop_io io;
	struct loop_timer timer; /* nothing is read */
	bool follow;
	bool ended; /* nothing more will be put into out */
	char service[LOGGER_NAME_MAX];
	uint64_t next; /* line of the recent ones */
	size_t len, at;
	char out[2 * LINE_OUT_MAX];
};

static void
follow_free(struct follow *follow)
{
	struct logger *logger = follow->logger;

	TAILQ_REMOVE(&logger->follows, follow, entry);
	logger->follow_count--;
	loop_timer_clear(&logger->loop, &follow->timer);
	loop_io_remove(&logger->loop, &follow->io);
	close(follow->io.fd);
	free(follow);
}

/* Takes lines as long as there is room for any. */
static void
fill(struct follow *follow)
{
	const struct recent *recent = &follow->logger->recent;
	struct line line;

	if (follow->next < recent->first) {
		follow->len += (size_t)sprintf(follow->out + follow->len,
		    "{\"missed\":%llu}\n",
		    (unsigned long long)(recent->first - follow->next));
		follow->next = recent->first;
	}
	while (follow->next < recent->next && follow->len < LINE_OUT_MAX / 2) {
		recent_get(recent, follow->next++, &line);
		if (follow->service[0] == '\0' ||
		    (line.service != NULL && strcmp(line.service, follow->service) == 0))
			follow->len += line_json(&line, follow->out + follow->len);
	}
	if (follow->next == recent->next && !follow->follow && !follow->ended) {
		follow->len += (size_t)sprintf(follow->out + follow->len,
		    "{\"end\":true}\n");
		follow->ended = true;
	}
}

/* Returns false when it is over, and the client is freed. */
static bool
send_some(struct follow *follow)
{
	ssize_t n = send(follow->io.fd, follow->out + follow->at,
	    follow->len - follow->at, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == -1 && errno != EAGAIN && errno != EINTR) {
		follow_free(follow);
		return false;
	}
	if (n > 0) {
		follow->at += (size_t)n;
		loop_timer_clear(&follow->logger->loop, &follow->timer);
	}
	return true;
}

static void
serve(struct follow *follow)
{
	struct loop *loop = &follow->logger->loop;

	for (;;) {
		if (follow->at == follow->len) {
			follow->at = follow->len = 0;
			if (!follow->ended)
				fill(follow);
			if (follow->len == 0)
				break;
		}
		if (!send_some(follow))
			return;
		if (follow->at < follow->len)
			break; /* it takes no more for now */
	}
	if (follow->len == 0 && follow->ended) {
		follow_free(follow);
		return;
	}
	loop_io_change(loop, &follow->io, follow->len > 0 ? EPOLLOUT : 0);
	if (follow->len > 0 && !loop_timer_is_set(&follow->timer))
		loop_timer_set(loop, &follow->timer, util_now_ns() + UNREAD_NS);
}

static void
on_io(void *owner, uint32_t events)
{
	struct follow *follow = owner;

	if (events & (EPOLLHUP | EPOLLERR))
		follow_free(follow);
	else
		serve(follow);
}

static void
on_timer(void *owner)
{
	follow_free(owner);
}

void
follow_new(struct logger *logger, const struct logger_follow *msg, int fd)
{
	static const char too_many[] = "{\"ok\":false,\"error\":\"too many clients\"}\n";
	struct follow *follow;

	if (logger->follow_count >= FOLLOW_MAX) {
		send(fd, too_many, sizeof(too_many) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	follow = util_alloc(sizeof(*follow));
	follow->logger = logger;
	follow->follow = msg->follow != 0;
	memcpy(follow->service, msg->service, sizeof(follow->service));
	follow->service[sizeof(follow->service) - 1] = '\0';
	follow->next = logger->recent.first;
	follow->timer.fn = on_timer;
	follow->timer.owner = follow;
	follow->io = (struct loop_io){ .fd = fd, .fn = on_io, .owner = follow };
	TAILQ_INSERT_TAIL(&logger->follows, follow, entry);
	logger->follow_count++;
	if (loop_io_add(&logger->loop, &follow->io, 0) == -1) {
		follow_free(follow);
		return;
	}
	follow->len = (size_t)sprintf(follow->out, "{\"ok\":true,\"follow\":%s}\n",
	    follow->follow ? "true" : "false");
	serve(follow);
}

void
follow_all(struct logger *logger)
{
	struct follow *follow, *next;

	TAILQ_FOREACH_SAFE (follow, &logger->follows, entry, next)
		if (follow->len == 0)
			serve(follow);
}

void
follow_close_all(struct logger *logger)
{
	struct follow *follow;

	while ((follow = TAILQ_FIRST(&logger->follows)) != NULL)
		follow_free(follow);
}
