/* SPDX-License-Identifier: ISC */
#include "supervisor/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/http.h"
#include "common/lease_head.h"
#include "common/msg.h"
#include "common/util.h"
#include "supervisor/expect.h"

size_t
check_request(const char *path, char buf[CHECK_REQUEST_MAX])
{
	int len = snprintf(buf, CHECK_REQUEST_MAX,
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: poold-health\r\n"
	    "Connection: close\r\n\r\n",
	    path);

	return len > 0 && len < CHECK_REQUEST_MAX ? (size_t)len : 0;
}

/* --- its end ----------------------------------------------------------- */

void
check_cancel(struct check *check)
{
	loop_timer_clear(check->loop, &check->timer);
	answer_free(&check->answer);
	loop_io_close(check->loop, &check->io);
}

static void
end(struct check *check, enum check_verdict verdict, const char *got)
{
	check_cancel(check);
	check->on_end(check->owner, verdict, got);
}

/* Nothing more will come. */
static void
judge(struct check *check)
{
	char got[EXPECT_GOT_SIZE], why[CONFIG_WHY_SIZE];
	struct expect expect;
	bool passed;

	/* it was checked when the configuration was read */
	if (!expect_parse(&expect, check->config->health_expect, why)) {
		end(check, CHECK_SKIPPED, why);
		return;
	}
	passed = expect_judge(&expect, &check->answer, got);
	end(check, passed ? CHECK_PASSED : CHECK_FAILED, got);
}

static void
set_timer(struct check *check)
{
	loop_timer_set(check->loop, &check->timer,
	    util_now_ns() + (uint64_t)check->config->health_timeout_ms * MS_NS);
}

static void
on_timer(void *owner)
{
	struct check *check = owner;
	char limit[CONFIG_NUMBER_SIZE], got[EXPECT_GOT_SIZE];

	if (check->is_busy(check->owner)) {
		set_timer(check);
		return;
	}
	config_duration_format(check->config->health_timeout_ms, limit);
	snprintf(got, sizeof(got), "%s within %s",
	    check->answer.total == 0 ? "no answer" : "no complete answer", limit);
	end(check, CHECK_FAILED, got);
}

/* --- what comes back --------------------------------------------------- */

/* Reads all that is there, which is bounded.  Ends the check when the answer
 * is whole, or the other side has closed. */
static void
read_answer(struct check *check)
{
	size_t room;
	char *buf;
	ssize_t n;

	for (;;) {
		buf = answer_room(&check->answer, &room);
		if (buf == NULL)
			break;
		n = recv(check->io.fd, buf, room, MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0 && check->kind == CHECK_LEASE && check->answer.total == 0) {
			/* DONE says why, if it comes */
			loop_io_remove(check->loop, &check->io);
			return;
		}
		if (n <= 0 || !answer_add(&check->answer, (size_t)n))
			break;
	}
	judge(check);
}

/* Whoever accepted answers the end of our side with the end of its own, or has
 * something to say.  That the kernel accepts says nothing: it does so for
 * workers that hang. */
static void
read_tcp(struct check *check)
{
	char byte;
	ssize_t n = recv(check->io.fd, &byte, 1, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		end(check, CHECK_FAILED, strerror(errno));
	else
		end(check, CHECK_PASSED, "");
}

static void
on_connected(struct check *check)
{
	char request[CHECK_REQUEST_MAX], got[EXPECT_GOT_SIZE];
	int error = 0;
	socklen_t len = sizeof(error);
	size_t n;

	check->connecting = false;
	getsockopt(check->io.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error == 0 && check->kind == CHECK_TCP) {
		error = shutdown(check->io.fd, SHUT_WR) == -1 ? errno : 0;
	} else if (error == 0) {
		n = check_request(check->config->health_check, request);
		/* a socket that is still empty takes all of it */
		if (send(check->io.fd, request, n, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    (ssize_t)n)
			error = errno;
	}
	if (error == 0 && loop_io_change(check->loop, &check->io, EPOLLIN) == 0)
		return;
	snprintf(got, sizeof(got), "no connection: %s", strerror(error));
	end(check, CHECK_FAILED, got);
}

static void
on_io(void *owner, uint32_t events)
{
	struct check *check = owner;

	(void)events;
	if (check->connecting)
		on_connected(check);
	else if (check->kind == CHECK_TCP)
		read_tcp(check);
	else
		read_answer(check);
}

void
check_done(struct check *check, const struct lease_done *done)
{
	if (!check_is_running(check) || check->kind != CHECK_LEASE)
		return;
	if (done->flags & LEASE_DONE_REFUSED) {
		/* in the middle of a request it may do so */
		end(check, check->is_busy(check->owner) ? CHECK_SKIPPED : CHECK_FAILED,
		    "a refusal");
		return;
	}
	/* all that it wrote is there by now */
	read_answer(check);
	if (check_is_running(check))
		judge(check);
}

/* --- its begin --------------------------------------------------------- */

/* Bytes of the longest route that path lies under, as the router counts them. */
static size_t
prefix_len(const struct config_service *config, const char *path, size_t path_len)
{
	const struct config_route *route;
	size_t longest = 0, len;

	TAILQ_FOREACH (route, &config->routes, entry) {
		len = strlen(route->prefix);
		if (len > 1 && len > longest && len <= path_len &&
		    memcmp(path, route->prefix, len) == 0 &&
		    (len == path_len || path[len] == '/'))
			longest = len;
	}
	return longest;
}

/* Sends CHECK with fd.  Returns 0, or -1 with errno. */
static int
send_check(const struct config_service *config, int control_fd, int fd, uint64_t serial,
    const char *request, size_t len)
{
	struct lease_msg msg = { 0 };
	struct http_head head;
	char path[HTTP_PATH_MAX];
	size_t path_len;
	bool encoded_slash;
	struct iovec iov[3] = { { .iov_base = &msg, .iov_len = sizeof(msg) },
		{ .iov_base = head.fields }, { .iov_base = path } };

	errno = EINVAL;
	if (http_head_parse(&head, request, len) != HTTP_OK ||
	    http_path_canonical(request + head.path.off, head.path.len, path,
		sizeof(path), &path_len, &encoded_slash) != NULL)
		return -1;
	lease_head_fill(&msg, &head, request, path_len);
	msg.type = LEASE_CHECK;
	msg.serial = serial;
	msg.slot = UINT32_MAX; /* it has none */
	msg.prefix_len = (uint16_t)prefix_len(config, path, path_len);
	msg.body_max = (uint64_t)config->max_body;
	msg.accepted_ns = msg.leased_ns = util_now_ns();
	iov[1].iov_len = head.field_count * sizeof(head.fields[0]);
	iov[2].iov_len = path_len;
	return msg_sendv(control_fd, iov, 3, &fd, 1, MSG_DONTWAIT);
}

static void
begin(struct check *check, enum check_kind kind, int fd, uint32_t events)
{
	check->kind = kind;
	check->io.fd = fd;
	if (loop_io_add(check->loop, &check->io, events) == -1)
		end(check, CHECK_SKIPPED, strerror(errno));
	else
		set_timer(check);
}

void
check_lease(struct check *check, const struct config_service *config, int control_fd,
    uint64_t serial)
{
	char request[CHECK_REQUEST_MAX];
	size_t len = check_request(config->health_check, request);
	enum check_verdict verdict = CHECK_PASSED;
	int ends[2];

	check->config = config;
	check->connecting = false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1) {
		end(check, CHECK_SKIPPED, strerror(errno));
		return;
	}
	if (send(ends[0], request, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len ||
	    send_check(config, control_fd, ends[1], serial, request, len) == -1)
		verdict = errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM ?
		    CHECK_SKIPPED :
		    CHECK_FAILED;
	close(ends[1]);
	if (verdict == CHECK_PASSED) {
		begin(check, CHECK_LEASE, ends[0], EPOLLIN);
		return;
	}
	close(ends[0]);
	end(check, verdict,
	    errno == EAGAIN ? "that it reads no messages" : "no way to send it a CHECK");
}

void
check_connect(struct check *check, const struct config_service *config,
    enum check_kind kind, const struct sockaddr_storage *ss, socklen_t len)
{
	char got[EXPECT_GOT_SIZE];
	int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	check->config = config;
	check->connecting = true;
	if (fd == -1) {
		end(check, CHECK_SKIPPED, strerror(errno));
		return;
	}
	if (connect(fd, (const struct sockaddr *)ss, len) == -1 && errno != EINPROGRESS) {
		snprintf(got, sizeof(got), "no connection: %s", strerror(errno));
		close(fd);
		end(check, CHECK_FAILED, got);
		return;
	}
	begin(check, kind, fd, EPOLLOUT);
}

void
check_init(struct check *check, struct loop *loop,
    void (*on_end)(void *owner, enum check_verdict verdict, const char *got),
    bool (*is_busy)(void *owner), void *owner)
{
	check->loop = loop;
	check->io = (struct loop_io){ .fd = -1, .fn = on_io, .owner = check };
	check->timer.fn = on_timer;
	check->timer.owner = check;
	check->on_end = on_end;
	check->is_busy = is_busy;
	check->owner = owner;
	answer_init(&check->answer);
}
