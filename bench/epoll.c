/* SPDX-License-Identifier: ISC */
/*
 * The least that answers the requests of bench/run: an epoll loop in each of
 * some processes, which share a port by SO_REUSEPORT.  It shows what the kernel
 * alone costs.  It trusts its clients and is no server for anything else.
 *
 *	epoll PORT PROCESSES
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define PROCESSES_MAX 64
#define EVENTS_MAX    64
#define BUF_SIZE      (128 * 1024) /* a head and a body of 64 KiB fit */

struct answer {
	const char *path;
	size_t size; /* of the body */
	char *text;  /* head and body */
	size_t len;
};

struct client {
	int fd;
	const struct answer *answer; /* what is being sent, or NULL */
	size_t sent;
	size_t len; /* in buf: the part of a request */
	char *buf;  /* NULL until a request comes in parts */
};

static struct answer answers[] = {
	{ .path = "/64 ", .size = 64 },
	{ .path = "/16k ", .size = 16 * 1024 },
	{ .path = "/1m ", .size = 1024 * 1024 },
};

static void
answers_make(void)
{
	char head[128];
	size_t i, head_len;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		head_len = (size_t)snprintf(head, sizeof(head),
		    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
		    "Content-Length: %zu\r\n\r\n",
		    answers[i].size);
		answers[i].len = head_len + answers[i].size;
		if ((answers[i].text = malloc(answers[i].len)) == NULL)
			err(EX_OSERR, NULL);
		memcpy(answers[i].text, head, head_len);
		memset(answers[i].text + head_len, 'x', answers[i].size);
	}
}

/* The answer for "METHOD PATH HTTP/1.1", or NULL. */
static const struct answer *
answer_find(const char *request, size_t len)
{
	const char *path = memchr(request, ' ', len);
	size_t i, left;

	if (path == NULL)
		return NULL;
	left = len - (size_t)(++path - request);
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (left > strlen(answers[i].path) &&
		    memcmp(path, answers[i].path, strlen(answers[i].path)) == 0)
			return &answers[i];
	return NULL;
}

/* How long the request at buf is, body included; 0: its head goes on. */
static size_t
request_len(const char *buf, size_t len)
{
	static const char name[] = "\r\nContent-Length:";
	const char *end = memmem(buf, len, "\r\n\r\n", 4), *field;
	size_t body = 0;

	if (end == NULL)
		return 0;
	end += 4;
	field = memmem(buf, (size_t)(end - buf), name, sizeof(name) - 1);
	if (field != NULL)
		body = strtoul(field + sizeof(name) - 1, NULL, 10);
	return (size_t)(end - buf) + body;
}

static void
client_close(struct client *client)
{
	close(client->fd);
	free(client->buf);
	free(client);
}

/* Sends what is left of the answer.  -1: the client is gone. */
static int
client_send(struct client *client, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
	const struct answer *answer = client->answer;
	size_t begun = client->sent;
	ssize_t n;

	while (client->sent < answer->len) {
		n = send(client->fd, answer->text + client->sent,
		    answer->len - client->sent, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN)
			return -1;
		if (n == -1) {
			event.events = EPOLLOUT;
			return epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
		}
		client->sent += (size_t)n;
	}
	client->answer = NULL;
	client->sent = 0;
	return begun == 0 ? 0 : epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

/* Keeps len bytes of a request that goes on.  -1: it is too long. */
static int
client_keep(struct client *client, const char *buf, size_t len)
{
	if (client->buf == NULL && (client->buf = malloc(BUF_SIZE)) == NULL)
		return -1;
	if (client->buf != buf)
		memcpy(client->buf, buf, len);
	client->len = len;
	return len < BUF_SIZE ? 0 : -1;
}

/* Reads and answers one request.  wrk does not pipeline.  -1: the end. */
static int
client_read(struct client *client, int epoll)
{
	static char shared[BUF_SIZE];
	char *buf = client->len > 0 ? client->buf : shared;
	size_t len = client->len, wanted;
	ssize_t n;

	n = recv(client->fd, buf + len, BUF_SIZE - len, 0);
	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	len += (size_t)n;
	wanted = request_len(buf, len);
	if (wanted == 0 || wanted > len)
		return client_keep(client, buf, len);
	client->len = 0;
	client->answer = answer_find(buf, len);
	return client->answer == NULL ? -1 : client_send(client, epoll);
}

static void
client_accept(int listener, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct client *client;
	int fd, one = 1;

	/* cppcheck-suppress nullPointer */
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1)
		return;
	if ((client = calloc(1, sizeof(*client))) == NULL)
		err(EX_OSERR, NULL);
	client->fd = fd;
	event.data.ptr = client;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1)
		client_close(client);
}

static int
listener_open(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd, one = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == -1 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1 ||
	    listen(fd, 1024) == -1)
		err(EX_UNAVAILABLE, "127.0.0.1:%u", port);
	return fd;
}

static void
serve(int listener)
{
	struct epoll_event events[EVENTS_MAX], event = { .events = EPOLLIN };
	struct client *client;
	int epoll = epoll_create1(EPOLL_CLOEXEC), i, n, r;

	if (epoll == -1 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == -1)
		err(EX_OSERR, "epoll");
	for (;;) {
		n = epoll_wait(epoll, events, EVENTS_MAX, -1);
		for (i = 0; i < n; i++) {
			client = events[i].data.ptr;
			if (client == NULL) {
				client_accept(listener, epoll);
				continue;
			}
			r = client->answer != NULL ? client_send(client, epoll) :
						     client_read(client, epoll);
			if (r == -1)
				client_close(client);
		}
	}
}

/* A process of its own for the listener; it ends with its parent. */
static pid_t
process_start(int listener, pid_t parent, const sigset_t *signals)
{
	pid_t pid = fork();

	if (pid == -1)
		err(EX_OSERR, "fork");
	if (pid > 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
		_exit(EX_OSERR);
	sigprocmask(SIG_UNBLOCK, signals, NULL);
	serve(listener);
	_exit(0);
}

int
main(int argc, char **argv)
{
	int listeners[PROCESSES_MAX], count, i, port, signal;
	pid_t pids[PROCESSES_MAX], parent = getpid();
	sigset_t signals;

	port = argc == 3 ? atoi(argv[1]) : 0;
	count = argc == 3 ? atoi(argv[2]) : 0;
	if (port < 1 || port > UINT16_MAX || count < 1 || count > PROCESSES_MAX)
		errx(EX_USAGE, "usage: epoll PORT PROCESSES");
	answers_make();
	/* All before the first child, so that a taken port is told at once. */
	for (i = 0; i < count; i++)
		listeners[i] = listener_open((uint16_t)port);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (i = 0; i < count; i++)
		pids[i] = process_start(listeners[i], parent, &signals);
	/* Told to stop, or a process died: then all end. */
	sigwait(&signals, &signal);
	for (i = 0; i < count; i++)
		kill(pids[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	return 0;
}
