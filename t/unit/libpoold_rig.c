/* SPDX-License-Identifier: ISC */
#include "libpoold_rig.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/msg.h"
#include "common/util.h"

#define FD_SPARE  64 /* descriptors of a child are parked from here on */
#define TEXT_SIZE (256 * 1024)

/* --- the worker ------------------------------------------------------- */

static void
answer_echo(struct poold_request *req)
{
	const void *body;
	size_t len;

	if ((body = poold_body(req, 100000, &len)) == NULL)
		poold_problem(req, errno == EMSGSIZE ? 413 : 400, "%s", strerror(errno));
	else
		poold_respond(req, 200, "text/plain", body, len);
}

static void
answer_info(struct poold_request *req)
{
	const char *q = poold_param(req, "q"), *user = poold_form(req, "user");
	const char *agent = poold_header(req, "user-agent");
	char text[1024];
	int len;

	len = snprintf(text, sizeof(text),
	    "method=%s target=%s path=%s route=%s info=%s query=%s host=%s "
	    "q=%s user=%s agent=%s client=%s port=%d local=%s id=%s",
	    poold_method(req), poold_target(req), poold_path(req), poold_route(req),
	    poold_path_info(req), poold_query(req), poold_host(req), q != NULL ? q : "-",
	    user != NULL ? user : "-", agent != NULL ? agent : "-",
	    poold_client_address(req), poold_client_port(req) > 0,
	    poold_local_address(req), poold_request_id(req));
	poold_respond(req, 200, "text/plain", text, (size_t)len);
}

static void
answer_stream(struct poold_request *req)
{
	poold_start(req, 200, "text/plain", -1);
	poold_write(req, "one", 3);
	poold_write(req, "two", 3);
	poold_end(req);
}

static void
answer_half(struct poold_request *req)
{
	poold_start(req, 200, "text/plain", 10);
	poold_write(req, "12345", 5);
}

static void
answer_file(struct poold_request *req)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	uint64_t len = poold_param(req, "long") != NULL ? 20 : 4;

	if (write(fd, "0123456789", 10) == 10)
		poold_respond_file(req, 200, "text/plain", fd, 3, len);
	close(fd);
}

static void
answer_fields(struct poold_request *req)
{
	char large[9000];
	int n = 0;

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	n += poold_set_header(req, "X-One", "a\r\nX-Evil: 1") == -1 && errno == EINVAL;
	n += poold_set_header(req, "X One", "a") == -1 && errno == EINVAL;
	n += poold_set_header(req, "content-length", "1") == -1 && errno == EINVAL;
	n += poold_set_header(req, "X-Large", large) == 0;
	n += poold_set_header(req, "X-Large", large) == -1 && errno == EMSGSIZE;
	n += poold_respond(req, 99, NULL, NULL, 0) == -1 && errno == EINVAL;
	n += poold_respond(req, 200, "a\nb", NULL, 0) == -1 && errno == EINVAL;
	n += poold_respond(req, n == 7 ? 200 : 500, NULL, "x", 1) == 0;
	n += poold_respond(req, 200, NULL, "y", 1) == -1 && errno == EALREADY;
	n += poold_set_header(req, "X-Late", "z") == -1 && errno == EALREADY;
	if (n != 10)
		abort();
}

/* db twice, with something else between, 12 ms in all; late when the response is
 * begun; and what is no name, or one too many. */
static void
answer_phases(struct poold_request *req)
{
	char name[16];
	int n = 0;

	n += poold_phase(req, "db") == 0;
	poll(NULL, 0, 6);
	n += poold_phase(req, "cache.get") == 0;
	n += poold_phase(req, "db") == 0;
	poll(NULL, 0, 6);
	n += poold_phase(req, NULL) == 0;
	n += poold_phase(req, "") == -1 && errno == EINVAL;
	n += poold_phase(req, "a b") == -1 && errno == EINVAL;
	n += poold_phase(req, "a=b") == -1 && errno == EINVAL;
	n += poold_phase(req, "123456789012345678901234567890123") == -1 &&
	    errno == EINVAL;
	if (poold_param(req, "many") != NULL) {
		for (int i = 0; i < 6; i++) {
			snprintf(name, sizeof(name), "p%d", i);
			n += poold_phase(req, name) == 0;
		}
		n += poold_phase(req, "ninth") == -1 && errno == ENOSPC;
	}
	if (n != (poold_param(req, "many") != NULL ? 15 : 8))
		abort();
	poold_start(req, 200, "text/plain", -1);
	poold_phase(req, poold_param(req, "many") == NULL ? "late" : NULL);
	poold_write(req, "x", 1);
	poold_end(req);
}

void
handler(struct poold_request *req, void *arg)
{
	const char *path = poold_path(req);

	(void)arg;
	if (strcmp(path, "/hello") == 0)
		poold_respond(req, 200, "text/plain", "hello\n", 6);
	else if (strcmp(path, "/echo") == 0)
		answer_echo(req);
	else if (strncmp(path, "/info", 5) == 0)
		answer_info(req);
	else if (strcmp(path, "/stream") == 0)
		answer_stream(req);
	else if (strcmp(path, "/half") == 0)
		answer_half(req);
	else if (strcmp(path, "/file") == 0)
		answer_file(req);
	else if (strcmp(path, "/fields") == 0)
		answer_fields(req);
	else if (strcmp(path, "/phases") == 0)
		answer_phases(req);
	else if (strcmp(path, "/trace") == 0)
		poold_respond(req, 200, NULL, poold_traceparent(req),
		    strlen(poold_traceparent(req)));
	else if (strcmp(path, "/empty") == 0)
		poold_respond(req, 204, NULL, NULL, 0);
	else if (strcmp(path, "/long") == 0) {
		while (!poold_stopping())
			poll(NULL, 0, 1);
		poold_respond(req, 200, NULL, "long", 4);
	} else if (strcmp(path, "/stop") == 0) {
		poold_respond(req, 200, NULL, "stop", 4);
		poold_stop();
	} else if (strcmp(path, "/none") != 0)
		poold_problem(req, 404, "no \"%s\"\xff", path);
}

static int
serve_one(int argc, char **argv)
{
	return poold_serve(argc, argv, handler, NULL);
}

int (*rig_serve)(int argc, char **argv) = serve_one;

/* --- descriptors ------------------------------------------------------ */

static void
log_line(const char *line, void *arg)
{
	(void)arg;
	if (write(FD_LOG, line, strlen(line)) == -1 || write(FD_LOG, "\n", 1) == -1)
		return;
}

/* In a child: makes fds[i] descriptor to[i], closes all others, and leaves
 * nothing else of this process behind. */
void
child_fds(const int *fds, const int *to, int count)
{
	for (int i = 0; i < count; i++)
		ck_assert_int_ne(fcntl(fds[i], F_DUPFD, FD_SPARE + 100 + i), -1);
	closefrom(FD_SPARE + 100 + count);
	for (int i = 0; i < count; i++)
		dup2(FD_SPARE + 100 + i, to[i]);
	for (int fd = 3; fd < FD_SPARE + 100 + count; fd++) {
		bool wanted = false;

		for (int i = 0; i < count; i++)
			wanted = wanted || fd == to[i];
		if (!wanted)
			close(fd);
	}
	/* Check's own handlers are none of the program's. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	poold_set_log(log_line, NULL);
}

void
readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	ck_assert_msg(poll(&pfd, 1, WAIT_MS) == 1, "nothing came within %d ms", WAIT_MS);
}

bool
quiet(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 50) == 0;
}

/* --- router and supervisor -------------------------------------------- */

struct rig rig;
struct lease_packet packet;

struct lease_worker *
worker(void)
{
	struct lease_board board = { (char *)rig.board, *rig.board };

	return lease_worker_at(&board, WORKER);
}

struct lease_slot *
slot(void)
{
	struct lease_board board = { (char *)rig.board, *rig.board };

	return lease_slot_at(&board, SLOT);
}

static void
board_make(uint32_t flags)
{
	struct lease_scoreboard head = { .magic = LEASE_MAGIC,
		.protocol = LEASE_PROTOCOL,
		.flags = flags,
		.generation = 1,
		.worker_count = 4,
		.worker_off = 64,
		.worker_size = sizeof(struct lease_worker),
		.slot_count = 8,
		.slot_off = 64 + 4 * sizeof(struct lease_worker),
		.slot_size = rig.early ? LEASE_SLOT_MIN : sizeof(struct lease_slot) };

	head.size = head.slot_off + 8 * (uint64_t)head.slot_size;
	rig.board_fd = memfd_create("scoreboard", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(rig.board_fd, (off_t)head.size), 0);
	rig.board = mmap(NULL, head.size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    rig.board_fd, 0);
	ck_assert_ptr_ne(rig.board, MAP_FAILED);
	memcpy(rig.board, &head, sizeof(head));
}

void
worker_run(void)
{
	static const int to[5] = { 3, 4, 5, 6, FD_LOG };
	char name[] = "worker", *argv[] = { name, NULL };
	int fds[5] = { rig.queue[1], rig.control[1], rig.board_fd, rig.done[1],
		rig.log[1] };

	child_fds(fds, to, 5);
	if (getenv("POOLD_PROTOCOL") == NULL)
		setenv("POOLD_PROTOCOL", "1", 1);
	setenv("POOLD_FDS", "3,4,5,6", 1);
	setenv("POOLD_SERVICE", "test", 1);
	setenv("POOLD_SLOT", "3", 1);
	_exit(rig_serve(1, argv));
}

void
signal_send(uint16_t type)
{
	struct lease_signal message = { .type = type };

	ck_assert_int_eq(msg_send(rig.control[0], &message, sizeof(message), 0), 0);
}

int
listener_make(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

int
client_connect(const struct sockaddr_in *in)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (const struct sockaddr *)in, sizeof(*in)), 0);
	return fd;
}

/* A new client connection, and the router's end of it. */
static void
client_make(void)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	getsockname(rig.listener, (struct sockaddr *)&in, &len);
	rig.client = client_connect(&in);
	rig.leased = accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ne(rig.leased, -1);
}

void
rig_prepare(uint32_t flags)
{
	bool early = rig.early;

	memset(&rig, 0, sizeof(rig));
	rig.early = early;
	ck_assert_int_eq(msg_pair(rig.queue), 0);
	ck_assert_int_eq(msg_pair(rig.control), 0);
	ck_assert_int_eq(msg_pair(rig.done), 0);
	ck_assert_int_eq(pipe2(rig.log, O_CLOEXEC | O_NONBLOCK), 0);
	board_make(flags);
	rig.listener = listener_make();
	client_make();
}

static void
rig_start(uint32_t flags)
{
	struct lease_signal ready = { 0 };

	rig_prepare(flags);
	if ((rig.pid = fork()) == 0)
		worker_run();
	readable(rig.control[0]);
	ck_assert_int_eq(recv(rig.control[0], &ready, sizeof(ready), 0), sizeof(ready));
	ck_assert_uint_eq(ready.type, LEASE_READY);
	ck_assert_int_eq((pid_t)ready.pid, rig.pid);
	signal_send(LEASE_GO);
}

void
setup(void)
{
	rig_start(0);
}

void
setup_hot(void)
{
	rig_start(LEASE_BALANCE_HOT);
}

void
setup_early(void)
{
	rig.early = true;
	rig_start(0);
}

/* The worker's exit status; 128 + n when signal n ended it. */
int
worker_wait(void)
{
	int status = -1;

	for (int i = 0; i < WAIT_MS && waitpid(rig.pid, &status, WNOHANG) == 0; i++)
		usleep(1000);
	rig.pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    WIFSIGNALED(status)	 ? 128 + WTERMSIG(status) :
				   -1;
}

void
teardown(void)
{
	if (rig.pid > 0) {
		kill(rig.pid, SIGKILL);
		waitpid(rig.pid, NULL, 0);
	}
}

/* Builds the lease of the request in text, as the router would. */
void
lease_make(const char *text, uint32_t flags, uint16_t prefix_len)
{
	struct lease_msg *msg = &packet.msg;
	struct http_head *head = &packet.head;
	size_t path_len, fields_len;
	bool slash;

	ck_assert_int_eq(http_head_parse(head, text, strlen(text)), HTTP_OK);
	ck_assert_ptr_null(http_path_canonical(text + head->path.off, head->path.len,
	    packet.path, sizeof(packet.path), &path_len, &slash));
	memset(msg, 0, sizeof(*msg));
	msg->type = LEASE_LEASE;
	msg->header_len = rig.early ? LEASE_MSG_MIN : sizeof(*msg);
	msg->flags = flags | (head->expect_continue ? LEASE_EXPECT : 0) |
	    (head->minor == 0 ? LEASE_HTTP10 : 0);
	msg->serial = LEASE_SERIAL(1, ++rig.counter);
	msg->sequence = rig.counter;
	msg->body_len = head->body_len;
	msg->body_max = UINT64_MAX;
	msg->accepted_ns = msg->queued_ns = msg->leased_ns = util_now_ns();
	memset(msg->request_id, 0xab, sizeof(msg->request_id));
	memset(msg->span_id, 0xcd, sizeof(msg->span_id));
	msg->client = (struct lease_addr){ .family = LEASE_FAMILY_INET,
		.port = 1234,
		.addr = { 127, 0, 0, 1 } };
	msg->local = msg->client;
	msg->slot = SLOT;
	msg->head_len = head->head_len;
	msg->method = head->method;
	msg->target = head->target;
	msg->query = head->query;
	msg->host = head->host;
	msg->path_len = (uint16_t)path_len;
	msg->prefix_len = prefix_len;
	msg->field_count = head->field_count;
	fields_len = head->field_count * sizeof(head->fields[0]);
	memcpy(packet.rest, head->fields, fields_len);
	memcpy(packet.rest + fields_len, packet.path, path_len);
	packet.rest_len = fields_len + path_len;
	if (flags & LEASE_REPLAY) {
		memcpy(packet.rest + packet.rest_len, text, head->head_len);
		packet.rest_len += head->head_len;
	}
}

void
lease_send(int sock, int fd)
{
	struct iovec iov[2] = { { &packet.msg, packet.msg.header_len },
		{ packet.rest, packet.rest_len } };

	ck_assert_int_eq(msg_sendv(sock, iov, 2, &fd, fd == -1 ? 0 : 1, 0), 0);
}

void
client_send(const char *text)
{
	ck_assert_int_eq(send(rig.client, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* The client sends text; its connection is leased. */
void
request(const char *text, uint32_t flags)
{
	client_send(text);
	lease_make(text, flags, 0);
	lease_send(rig.queue[0], rig.leased);
}

struct lease_done
done_from(int sock)
{
	struct lease_done d = { 0 };
	struct iovec iov[2] = { { &d, sizeof(d) }, { rig.phases, LEASE_PHASES_SIZE } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	readable(sock);
	n = recvmsg(sock, &msg, 0);
	ck_assert_int_ge(n, sizeof(d));
	rig.phases[(size_t)n - sizeof(d)] = '\0';
	ck_assert_uint_eq(d.type, LEASE_DONE);
	ck_assert_uint_eq(d.serial, packet.msg.serial);
	ck_assert_uint_eq(d.slot, SLOT);
	return d;
}

struct lease_done
done(void)
{
	return done_from(rig.done[0]);
}

/* What the client has received, as a string; valid until the next call. */
const char *
received(int fd)
{
	static char text[TEXT_SIZE];
	ssize_t n;

	readable(fd);
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* All that comes until the end of file. */
const char *
received_all(int fd)
{
	static char text[TEXT_SIZE];
	size_t len = 0;
	ssize_t n;

	do {
		readable(fd);
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	text[len] = '\0';
	return text;
}

TCase *
case_make(Suite *suite, const char *name, void (*up)(void), const TTest *const *tests,
    size_t count)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 20);
	if (up != NULL)
		tcase_add_checked_fixture(tcase, up, teardown);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return tcase;
}
