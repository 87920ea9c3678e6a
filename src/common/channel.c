/* SPDX-License-Identifier: ISC */
#include "common/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"

/* Messages handled in a row before other descriptors get their turn. */
#define CHANNEL_BURST 64

struct channel_msg {
	TAILQ_ENTRY(channel_msg) entry;
	int fds[MSG_FDS_MAX]; /* duplicates, ours */
	int fd_count;
	size_t len;
	char data[];
};

static void
msg_free(struct channel_msg *msg)
{
	for (int i = 0; i < msg->fd_count; i++)
		close(msg->fds[i]);
	free(msg);
}

static bool
is_full(int error)
{
	return error == EAGAIN || error == ETOOMANYREFS || error == ENOBUFS;
}

static int
send_now(struct channel *channel, const void *buf, size_t len, const int *fds,
    int fd_count)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return msg_sendv(channel->io.fd, &iov, 1, fds, fd_count, MSG_DONTWAIT);
}

static void
send_waiting(struct channel *channel)
{
	struct channel_msg *msg;

	while ((msg = TAILQ_FIRST(&channel->out)) != NULL) {
		if (send_now(channel, msg->data, msg->len, msg->fds, msg->fd_count) ==
			-1 &&
		    is_full(errno))
			return;
		TAILQ_REMOVE(&channel->out, msg, entry);
		msg_free(msg);
	}
	loop_io_change(channel->loop, &channel->io, EPOLLIN);
}

static bool
receive_one(struct channel *channel)
{
	static char buf[CHANNEL_MSG_MAX];
	struct msg_received received;
	ssize_t n;

	n = msg_recv(channel->io.fd, buf, sizeof(buf), MSG_DONTWAIT, &received);
	if (n == -1 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		channel->on_end(channel->owner);
		return false;
	}
	if (received.truncated) {
		log_error("a message between two roles was cut");
		for (int i = 0; i < received.fd_count; i++)
			close(received.fds[i]);
		return true;
	}
	channel->on_msg(channel->owner, buf, (size_t)n, received.fds, received.fd_count);
	return true;
}

static void
on_event(void *owner, uint32_t events)
{
	struct channel *channel = owner;
	int fd = channel->io.fd;

	if (events & EPOLLOUT)
		send_waiting(channel);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	/* a callback may close the channel, or open it anew */
	for (int i = 0; i < CHANNEL_BURST && channel->io.fd == fd && !channel->paused;
	     i++)
		if (!receive_one(channel))
			break;
}

int
channel_open(struct channel *channel, struct loop *loop, int sock)
{
	channel->loop = loop;
	channel->io.fd = sock;
	channel->io.fn = on_event;
	channel->io.owner = channel;
	channel->paused = false;
	TAILQ_INIT(&channel->out);
	return loop_io_add(loop, &channel->io, EPOLLIN);
}

void
channel_close(struct channel *channel)
{
	struct channel_msg *msg;

	if (channel->loop == NULL || channel->io.fd == -1)
		return;
	loop_io_close(channel->loop, &channel->io);
	while ((msg = TAILQ_FIRST(&channel->out)) != NULL) {
		TAILQ_REMOVE(&channel->out, msg, entry);
		msg_free(msg);
	}
}

void
channel_pause(struct channel *channel)
{
	channel->paused = true;
	loop_io_remove(channel->loop, &channel->io);
}

void
channel_resume(struct channel *channel)
{
	if (!channel->paused || channel->io.fd == -1)
		return;
	channel->paused = false;
	loop_io_add(channel->loop, &channel->io,
	    EPOLLIN | (TAILQ_EMPTY(&channel->out) ? 0u : EPOLLOUT));
}

bool
channel_flush(struct channel *channel)
{
	if (channel->loop == NULL || channel->io.fd == -1)
		return false;
	if (!TAILQ_EMPTY(&channel->out))
		send_waiting(channel);
	return !TAILQ_EMPTY(&channel->out);
}

static void
keep_for_later(struct channel *channel, const void *buf, size_t len, const int *fds,
    int fd_count)
{
	struct channel_msg *msg = util_alloc(sizeof(*msg) + len);

	for (int i = 0; i < fd_count; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd == -1) {
			log_error("cannot keep a descriptor: %s", strerror(errno));
			msg_free(msg);
			return;
		}
		msg->fds[msg->fd_count++] = fd;
	}
	msg->len = len;
	memcpy(msg->data, buf, len);
	if (TAILQ_EMPTY(&channel->out))
		loop_io_change(channel->loop, &channel->io, EPOLLIN | EPOLLOUT);
	TAILQ_INSERT_TAIL(&channel->out, msg, entry);
}

void
channel_send(struct channel *channel, const void *buf, size_t len, const int *fds,
    int fd_count)
{
	if (channel->loop == NULL || channel->io.fd == -1)
		return;
	if (TAILQ_EMPTY(&channel->out)) {
		if (send_now(channel, buf, len, fds, fd_count) == 0)
			return;
		if (!is_full(errno))
			return; /* the other end is gone: on_end will come */
	}
	keep_for_later(channel, buf, len, fds, fd_count);
}
