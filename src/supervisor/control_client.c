/* SPDX-License-Identifier: ISC */
#include "supervisor/control_client.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/control_command.h"
#include "supervisor/control_line.h"
#include "supervisor/oneoff.h"
#include "supervisor/supervisor.h"

#define SILENCE_NS (60000 * MS_NS) /* without a request */
#define UNREAD_NS  (10000 * MS_NS) /* with a reply that is not read */
/* For each nanosecond of work that a client gives, as many without: it gets no
 * more than a fifth of the supervisor's time, nor do all of those together who
 * may only look. */
#define PAUSE	   4
#define GROUPS_MAX 1024
/* 0.1 is to be "0.1": there are digits that a double has and a decimal has not */
#define REAL_DIGITS JSON_REAL_PRECISION(15)

/* --- who it is --------------------------------------------------------- */

/* The supplementary groups, as the kernel knows them (socket(7)). */
static bool
is_in_group(int fd, gid_t gid, gid_t wanted)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (wanted == (gid_t)-1)
		return false;
	if (gid == wanted)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static bool
identify(const struct control *control, int fd, bool *may_change)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return false;
	*may_change = cred.uid == 0 || cred.uid == geteuid() ||
	    is_in_group(fd, cred.gid, control->socket.group);
	return *may_change || control->socket.all;
}

/* --- its end ----------------------------------------------------------- */

static struct loop *
loop_of(const struct control_client *client)
{
	return &client->control->supervisor->loop;
}

static void
client_free(struct control_client *client)
{
	struct control *control = client->control;

	loop_timer_clear(loop_of(client), &client->timer);
	loop_timer_clear(loop_of(client), &client->turn);
	loop_io_remove(loop_of(client), &client->io);
	close(client->io.fd);
	TAILQ_REMOVE(&control->clients, client, entry);
	if (client->line != NULL)
		client->line->client = NULL;
	else
		control->client_count--;
	oneoff_client_gone(client);
	control_client_close_fds(client);
	json_decref(client->request);
	free(client->out);
	free(client);
}

/* Not at once: it may be the one whose request is in work. */
static void
client_drop(struct control_client *client)
{
	if (client->dead)
		return;
	client->dead = true;
	client->wait = CONTROL_WAIT_NONE;
	oneoff_client_gone(client);
	loop_io_remove(loop_of(client), &client->io);
	loop_timer_set(loop_of(client), &client->turn, util_now_ns());
}

void
control_client_hand_over(struct control_client *client)
{
	client_drop(client);
}

/* --- what it gets ------------------------------------------------------ */

/* What is asked of the kernel: room when something waits, requests only when
 * nothing does.  Its end is always told. */
static void
client_watch(struct control_client *client)
{
	uint64_t now_ns = util_now_ns();
	uint32_t events = 0;

	if (client->dead)
		return;
	if (client->out != NULL)
		events = EPOLLOUT;
	else if ((client->wait == CONTROL_WAIT_NONE ||
		     client->wait == CONTROL_WAIT_RUN) &&
	    client->in_len < sizeof(client->in) && !client->ended)
		events = EPOLLIN;
	if (events != client->events)
		loop_io_change(loop_of(client), &client->io, events);
	client->events = events;
	if (client->line != NULL)
		return; /* what it leaves unread is bounded, and it cannot come back */
	if (client->out != NULL) {
		if (!loop_timer_is_set(&client->timer))
			loop_timer_set(loop_of(client), &client->timer,
			    now_ns + UNREAD_NS);
	} else if (client->wait != CONTROL_WAIT_NONE)
		loop_timer_clear(loop_of(client), &client->timer);
	else
		loop_timer_set(loop_of(client), &client->timer, now_ns + SILENCE_NS);
}

static void
flush(struct control_client *client)
{
	ssize_t n;

	while (client->out_at < client->out_len) {
		n = send(client->io.fd, client->out + client->out_at,
		    client->out_len - client->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n == -1) {
			client_drop(client);
			return;
		}
		client->out_at += (size_t)n;
		loop_timer_clear(loop_of(client), &client->timer);
	}
	free(client->out);
	client->out = NULL;
	client->out_at = client->out_len = 0;
}

void
control_client_send(struct control_client *client, const char *text, size_t len)
{
	char *out;

	if (client->dead)
		return;
	if (client->out_at > 0) {
		client->out_len -= client->out_at;
		memmove(client->out, client->out + client->out_at, client->out_len);
		client->out_at = 0;
	}
	out = realloc(client->out, client->out_len + len);
	if (out == NULL) {
		client_drop(client);
		return;
	}
	memcpy(out + client->out_len, text, len);
	client->out = out;
	client->out_len += len;
	flush(client);
	client_watch(client);
}

void
control_client_reply(struct control_client *client, json_t *reply)
{
	char *text = reply != NULL ? json_dumps(reply, JSON_COMPACT | REAL_DIGITS) : NULL;
	char *line;

	if (text == NULL) {
		client_drop(client);
		return;
	}
	line = util_asprintf("%s\n", text);
	free(text);
	control_client_send(client, line, strlen(line));
	free(line);
}

static void
refuse(struct control_client *client, const char *why)
{
	json_t *reply = json_pack("{s:b, s:s}", "ok", 0, "error", why);

	control_client_reply(client, reply);
	json_decref(reply);
}

/* --- what it says ------------------------------------------------------ */

static void
handle(struct control_client *client, size_t len)
{
	json_error_t error;
	json_t *request = json_loadb(client->in, len, JSON_REJECT_DUPLICATES, &error);

	if (client->wait == CONTROL_WAIT_RUN)
		oneoff_said(client, request);
	else if (json_is_object(request))
		control_command(client, request);
	else
		refuse(client, "a request is one JSON object on a line");
	json_decref(request);
}

/* When the next request may be taken up. */
static uint64_t *
free_ns_of(struct control_client *client)
{
	if (client->line != NULL)
		return &client->control->lines_free_ns;
	return client->may_change ? &client->free_ns : &client->control->free_ns;
}

void
control_client_charge(struct control_client *client, uint64_t since_ns)
{
	uint64_t now_ns = util_now_ns();

	*free_ns_of(client) = now_ns + PAUSE * (now_ns - since_ns);
}

/* One that an upgrade came in between. */
static void
take_up(struct control_client *client)
{
	json_t *request = client->request;

	client->request = NULL;
	control_command(client, request);
	json_decref(request);
}

/* The next request, when it is its turn. */
static void
client_next(struct control_client *client)
{
	uint64_t now_ns = util_now_ns();
	char *end;
	size_t len;

	if (client->dead || client->out != NULL ||
	    (client->wait != CONTROL_WAIT_NONE && client->wait != CONTROL_WAIT_RUN))
		return;
	if (client->request != NULL) {
		take_up(client);
		return;
	}
	end = memchr(client->in, '\n', client->in_len);
	if (end == NULL) {
		if (client->in_len == sizeof(client->in)) {
			refuse(client, "the request is too long");
			client_drop(client);
		} else if (client->ended)
			client_drop(client);
		return;
	}
	if (now_ns >= *free_ns_of(client)) {
		len = (size_t)(end - client->in) + 1;
		handle(client, len);
		client->in_len -= len;
		memmove(client->in, client->in + len, client->in_len);
		control_client_charge(client, now_ns);
	}
	if (!client->dead)
		loop_timer_set(loop_of(client), &client->turn, *free_ns_of(client));
}

static void
on_turn(void *owner)
{
	struct control_client *client = owner;

	if (client->dead) {
		client_free(client);
		return;
	}
	client_next(client);
	client_watch(client);
}

void
control_client_drop_unread(struct control_client *client)
{
	log_warn("%s does not read what it gets: dropped",
	    client->line != NULL ? "a worker that follows events" :
				   "a client of the control socket");
	client_drop(client);
}

static void
on_timer(void *owner)
{
	struct control_client *client = owner;

	if (client->out != NULL)
		control_client_drop_unread(client);
	else
		client_drop(client);
}

void
control_client_close_fds(struct control_client *client)
{
	for (int i = 0; i < client->fd_count; i++)
		close(client->fds[i]);
	client->fd_count = 0;
}

/* The last that came, of one who may run something; no others are kept. */
static void
take_fds(struct control_client *client, struct msghdr *msg)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(msg);
	int count, fd;

	if (header == NULL || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS)
		return;
	count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	control_client_close_fds(client);
	for (int i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(header) + (size_t)i * sizeof(fd), sizeof(fd));
		if (i < CONTROL_FDS)
			client->fds[client->fd_count++] = fd;
		else
			close(fd); /* the buffer's padding has room for one more */
	}
	if (!client->may_change || client->line != NULL ||
	    client->wait != CONTROL_WAIT_NONE)
		control_client_close_fds(client);
}

static void
receive(struct control_client *client)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = client->in + client->in_len,
		.iov_len = sizeof(client->in) - client->in_len };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(client->io.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n > 0)
		take_fds(client, &msg);
	if (n > 0)
		client->in_len += (size_t)n;
	else if (n == 0 && client->wait == CONTROL_WAIT_RUN)
		client_drop(client);
	else if (n == 0)
		client->ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		client_drop(client);
}

static void
on_io(void *owner, uint32_t events)
{
	struct control_client *client = owner;

	if (events & EPOLLOUT)
		flush(client);
	if (!client->dead && (events & EPOLLIN))
		receive(client);
	else if (events & (EPOLLHUP | EPOLLERR))
		client_drop(client); /* nobody is there to read */
	client_next(client);
	client_watch(client);
}

/* --- its begin --------------------------------------------------------- */

/* Those who may only look cannot keep out those who may do more. */
static bool
has_room(const struct control *control, bool may_change)
{
	const struct control_client *client;
	unsigned readers = 0;

	if (control->client_count >= CONTROL_CLIENTS_MAX)
		return false;
	TAILQ_FOREACH (client, &control->clients, entry)
		readers += !client->may_change && client->line == NULL;
	return may_change || readers < CONTROL_READERS_MAX;
}

void
control_client_open(struct control *control, int fd)
{
	static const char not_you[] = "{\"ok\":false,\"error\":\"permission denied\"}\n";
	static const char too_many[] = "{\"ok\":false,\"error\":\"too many clients\"}\n";
	bool may_change = false;

	if (!identify(control, fd, &may_change)) {
		send(fd, not_you, sizeof(not_you) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	if (!has_room(control, may_change)) {
		send(fd, too_many, sizeof(too_many) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	if (control_client_new(control, fd, may_change, NULL) == NULL)
		log_error("cannot watch a client of the control socket: %s",
		    strerror(errno));
}

struct control_client *
control_client_new(struct control *control, int fd, bool may_change,
    struct control_line *line)
{
	struct control_client *client = util_alloc(sizeof(*client));
	int error;

	client->control = control;
	client->may_change = may_change;
	client->line = line;
	client->io = (struct loop_io){ .fd = fd, .fn = on_io, .owner = client };
	client->timer.fn = on_timer;
	client->timer.owner = client;
	client->turn.fn = on_turn;
	client->turn.owner = client;
	TAILQ_INSERT_TAIL(&control->clients, client, entry);
	control->client_count += line == NULL;
	client->events = EPOLLIN;
	if (loop_io_add(loop_of(client), &client->io, EPOLLIN) == -1) {
		error = errno;
		client_free(client);
		errno = error;
		return NULL;
	}
	client_watch(client);
	return client;
}

void
control_client_resume(struct control_client *client, const char *in, const char *out,
    bool follows)
{
	size_t len = in != NULL ? strlen(in) : 0;

	if (len > sizeof(client->in))
		len = sizeof(client->in);
	if (len > 0)
		memcpy(client->in, in, len);
	client->in_len = len;
	if (follows)
		client->wait = CONTROL_WAIT_EVENTS;
	if (out != NULL)
		control_client_send(client, out, strlen(out));
	client_watch(client);
	if (!client->dead)
		loop_timer_set(loop_of(client), &client->turn, util_now_ns());
}

void
control_client_wait(struct control_client *client, enum control_wait wait)
{
	client->wait = wait;
	client_watch(client);
}

void
control_client_close(struct control_client *client)
{
	client_free(client);
}

void
control_client_close_all(struct control *control)
{
	struct control_client *client;

	while ((client = TAILQ_FIRST(&control->clients)) != NULL)
		client_free(client);
}

/* What it sent meanwhile comes next. */
void
control_client_done(struct control_client *client, json_t *reply)
{
	client->wait = CONTROL_WAIT_NONE;
	control_client_reply(client, reply);
	json_decref(reply);
	json_decref(client->request);
	client->request = NULL;
	if (!client->dead)
		loop_timer_set(loop_of(client), &client->turn, *free_ns_of(client));
	client_watch(client);
}
