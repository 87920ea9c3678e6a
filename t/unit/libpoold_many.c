/* SPDX-License-Identifier: ISC */
/* Several requests at a time, and requests that another program answers. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/util.h"
#include "libpoold_rig.h"

#define HELD_MAX 4
#define TEXT	 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* --- the worker ------------------------------------------------------- */

static struct poold_request *held[HELD_MAX];
static int held_count;

/* As another program would that has the socket: reads len bytes, answers. */
static size_t
answer_elsewhere(int fd, size_t len)
{
	char head[1024];

	if (len > 0 && recv(fd, head, len, 0) != (ssize_t)len)
		abort();
	if (send(fd, TEXT, strlen(TEXT), MSG_NOSIGNAL) != (ssize_t)strlen(TEXT))
		abort();
	return strlen(TEXT);
}

static void
tell_head(struct poold_request *req)
{
	size_t len;
	bool in_socket;
	const char *head = poold_head(req, &len, &in_socket);
	char text[256];
	int n;

	n = snprintf(text, sizeof(text), "in_socket=%d head=%.*s", in_socket, (int)len,
	    head);
	poold_respond(req, 200, "text/plain", text, (size_t)n);
	poold_finish(req);
}

/* As another program would that has no socket. */
static void
answer_raw(struct poold_request *req)
{
	const char *close = poold_param(req, "close");
	const char *status = poold_param(req, "status");

	if (poold_respond_raw(req, status == NULL ? 200 : atoi(status), TEXT,
		strlen(TEXT), close == NULL) == -1 &&
	    errno == EINVAL)
		poold_respond(req, 500, NULL, "invalid", 7);
	poold_finish(req);
}

/* As another program would: says how long it will be, and never comes to more. */
static void
announce(struct poold_request *req)
{
	uint64_t word = LEASE_ANSWER(123, true, 200);
	off_t offset;
	int fd = poold_answer_fd(req, &offset);

	if (fd == -1 || pwrite(fd, &word, sizeof(word), offset) != sizeof(word))
		abort();
	held[held_count++] = req;
}

/* Requests that are passed on; false: it is none. */
static bool
pass_on(struct poold_request *req, const char *path)
{
	int fd = poold_client_fd(req);
	bool in_socket;
	size_t len;

	if (poold_head(req, &len, &in_socket) == NULL)
		return false;
	if (strcmp(path, "/head") == 0) {
		tell_head(req);
		return true;
	}
	if (strcmp(path, "/raw") == 0) {
		answer_raw(req);
		return true;
	}
	poold_lend(req);
	if (strcmp(path, "/announced") == 0)
		announce(req);
	else if (strcmp(path, "/exact") == 0)
		poold_release(req, 200, answer_elsewhere(fd, in_socket ? len : 0), true);
	else if (strcmp(path, "/less") == 0)
		poold_release(req, 200, answer_elsewhere(fd, 0), true);
	else if (strcmp(path, "/more") == 0)
		poold_release(req, 200, answer_elsewhere(fd, in_socket ? len + 1 : 1),
		    true);
	else if (strcmp(path, "/let-go") == 0) {
		if (poold_detach_raw(req, 101) == -1)
			abort();
		answer_elsewhere(fd, in_socket ? len : 0);
		poold_release(req, 101, 0, false);
	} else
		return strcmp(path, "/announced") == 0;
	return true;
}

static void
serve_request(struct poold_request *req)
{
	const char *path = poold_path(req);

	if (pass_on(req, path))
		return;
	if (strcmp(path, "/hold") == 0 && held_count < HELD_MAX) {
		held[held_count++] = req;
		return;
	}
	if (strcmp(path, "/go") == 0)
		while (held_count > 0) {
			poold_respond(held[--held_count], 200, NULL, "held", 4);
			poold_finish(held[held_count]);
		}
	handler(req, NULL);
	poold_finish(req);
}

static int
serve(int argc, char **argv, void (*prepare)(struct poold_worker *))
{
	struct poold_worker *w;
	struct poold_request *req;
	struct pollfd pfd = { .events = POLLIN };
	int status;

	if ((w = poold_worker_open(argc, argv, &status)) == NULL)
		return status;
	if (prepare != NULL)
		prepare(w);
	pfd.fd = poold_worker_fd(w);
	for (;;) {
		if ((req = poold_worker_next(w)) != NULL)
			serve_request(req);
		else if (errno == ESHUTDOWN)
			break;
		else
			poll(&pfd, 1, -1);
	}
	poold_worker_close(w);
	return 0;
}

int
serve_many(int argc, char **argv)
{
	return serve(argc, argv, NULL);
}

static int
serve_peeking(int argc, char **argv)
{
	return serve(argc, argv, poold_worker_peek);
}

static int
serve_lending(int argc, char **argv)
{
	return serve(argc, argv, poold_worker_heads);
}

static void
setup_two(void)
{
	setenv("POOLD_CONCURRENCY", "2", 1);
	rig_serve = serve_many;
	setup();
}

static void
setup_peeking(void)
{
	rig_serve = serve_peeking;
	setup();
}

static void
setup_lending(void)
{
	rig_serve = serve_lending;
	setup();
}

/* --- several at a time ------------------------------------------------- */

static struct lease_slot *
slot_at(uint32_t n)
{
	struct lease_board board = { (char *)rig.board, *rig.board };

	return lease_slot_at(&board, n);
}

static void
lease_in(uint32_t n, const char *text)
{
	client_send(text);
	lease_make(text, LEASE_KEEP, 0);
	packet.msg.slot = n;
	lease_send(rig.queue[0], rig.leased);
}

static bool
is_taken(uint32_t n)
{
	for (int i = 0; i < WAIT_MS && slot_at(n)->owner == 0; i++)
		usleep(1000);
	return LEASE_OWNER_WORKER(slot_at(n)->owner) == WORKER;
}

START_TEST(a_worker_with_several_says_so)
{
	lease_in(0, GET("/hold"));
	ck_assert(is_taken(0));
	while (worker()->state != LEASE_WORKER_BUSY)
		usleep(1000);
	ck_assert_uint_eq(worker()->lease_slot, LEASE_SLOT_SEVERAL);
	ck_assert_uint_eq(worker()->serial, 0);
	ck_assert_uint_eq(worker()->started_ns, slot_at(0)->taken_ns);
	lease_in(SLOT, GET("/hello"));
	ck_assert_uint_eq(done().status, 200);
	/* its word comes after its DONE */
	for (int i = 0; i < WAIT_MS && worker()->requests == 0; i++)
		usleep(1000);
	ck_assert_uint_eq(worker()->state, LEASE_WORKER_BUSY);
	ck_assert_uint_eq(worker()->started_ns, slot_at(0)->taken_ns);
	ck_assert(slot()->answer & LEASE_ANSWER_OVER);
	ck_assert(!(slot_at(0)->answer & LEASE_ANSWER_OVER));
}
END_TEST

START_TEST(a_check_is_answered_meanwhile)
{
	const char *text = GET("/hello");
	int sv[2];

	lease_in(0, GET("/hold"));
	lease_in(1, GET("/hold"));
	ck_assert(is_taken(0));
	ck_assert(is_taken(1));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	ck_assert_int_eq(send(sv[0], text, strlen(text), 0), (ssize_t)strlen(text));
	lease_make(text, 0, 0);
	packet.msg.type = LEASE_CHECK;
	lease_send(rig.control[0], sv[1]);
	ck_assert_uint_eq(done_from(rig.control[0]).status, 200);
	ck_assert_has(received(sv[0]), "hello\n");
}
END_TEST

START_TEST(no_more_are_taken_than_there_is_room_for)
{
	struct pollfd queue = { .fd = rig.queue[1], .events = POLLIN };

	lease_in(0, GET("/hold"));
	ck_assert(is_taken(0));
	lease_in(1, GET("/hold"));
	ck_assert(is_taken(1));
	lease_in(2, GET("/go"));
	ck_assert(quiet(rig.done[0]));
	ck_assert_uint_eq(slot_at(2)->owner, 0);
	ck_assert_int_eq(poll(&queue, 1, 0), 1); /* others could take it */
}
END_TEST

START_TEST(what_is_in_hand_is_finished_after_stop)
{
	lease_in(0, GET("/hold"));
	ck_assert(is_taken(0));
	kill(rig.pid, SIGSTOP);
	lease_in(SLOT, GET("/go"));
	signal_send(LEASE_STOP);
	kill(rig.pid, SIGCONT);
	for (int i = 0; i < WAIT_MS && !(slot()->answer & LEASE_ANSWER_OVER); i++)
		usleep(1000);
	ck_assert_int_eq(worker_wait(), 0);
	ck_assert(slot_at(0)->answer & LEASE_ANSWER_OVER);
	ck_assert_has(received(rig.client), "held");
}
END_TEST

/* --- passing on -------------------------------------------------------- */

START_TEST(a_connection_that_was_read_exactly_is_kept)
{
	struct lease_done d;

	for (int i = 0; i < 2; i++) {
		request(GET("/exact"), LEASE_KEEP);
		d = done();
		ck_assert_uint_eq(d.flags, LEASE_DONE_KEEP);
		ck_assert_uint_eq(d.status, 200);
		ck_assert_uint_eq(d.bytes, strlen(received(rig.client)));
	}
}
END_TEST

START_TEST(what_came_behind_the_request_does_not_count)
{
	client_send(GET("/exact") GET("/exact"));
	lease_make(GET("/exact"), LEASE_KEEP, 0);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
}
END_TEST

START_TEST(a_connection_that_was_not_read_is_closed)
{
	request(GET("/less"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
}
END_TEST

START_TEST(a_connection_that_was_read_further_is_closed)
{
	client_send(GET("/more") GET("/more"));
	lease_make(GET("/more"), LEASE_KEEP, 0);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
}
END_TEST

START_TEST(a_lease_without_keep_is_closed)
{
	request(GET("/exact"), 0);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
}
END_TEST

START_TEST(a_head_is_given_as_it_came)
{
	request(GET("/head?a=b"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received(rig.client), "in_socket=1 head=" GET("/head?a=b"));
}
END_TEST

START_TEST(a_head_that_is_not_in_the_socket_is_told)
{
	lease_make(GET("/head"), LEASE_KEEP | LEASE_REPLAY, 0);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().status, 200);
	ck_assert_has(received(rig.client), "in_socket=0 head=" GET("/head"));
	lease_make(GET("/exact"), LEASE_KEEP | LEASE_REPLAY, 0);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
}
END_TEST

START_TEST(who_answers_itself_after_all_reads_the_head)
{
	request("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received(rig.client), "\r\n\r\nabc");
	request(GET("/none"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 500);
	ck_assert_has(received(rig.client), " 500 ");
	request(GET("/hello"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
}
END_TEST

START_TEST(a_connection_can_be_let_go)
{
	struct lease_done d;

	request(GET("/let-go"), LEASE_KEEP);
	d = done();
	ck_assert_uint_eq(d.flags, LEASE_DONE_DETACHED);
	ck_assert_uint_eq(d.status, 101);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
}
END_TEST

/* --- lending ----------------------------------------------------------- */

START_TEST(a_head_that_was_read_is_given_as_it_came)
{
	request(GET("/head?a=b"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received(rig.client), "in_socket=0 head=" GET("/head?a=b"));
}
END_TEST

START_TEST(what_another_made_is_sent)
{
	struct lease_done d;

	request(GET("/raw?status=418"), LEASE_KEEP);
	d = done();
	ck_assert_uint_eq(d.flags, LEASE_DONE_KEEP);
	ck_assert_uint_eq(d.status, 418);
	ck_assert_uint_eq(d.bytes, strlen(TEXT));
	ck_assert_str_eq(received(rig.client), TEXT);
	ck_assert_uint_eq(slot()->answer,
	    LEASE_ANSWER(strlen(TEXT), 1, 418) | LEASE_ANSWER_OVER);
	request(GET("/raw?close"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
}
END_TEST

START_TEST(a_status_that_is_none_is_refused)
{
	request(GET("/raw?status=1000"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 500);
	ck_assert_has(received(rig.client), "\r\n\r\ninvalid");
}
END_TEST

START_TEST(another_may_say_how_long_its_answer_is)
{
	request(GET("/announced"), LEASE_KEEP);
	for (int i = 0; i < WAIT_MS && slot()->answer == 0; i++)
		usleep(1000);
	ck_assert_uint_eq(slot()->answer, LEASE_ANSWER(123, 1, 200));
}
END_TEST

START_TEST(a_body_that_was_not_read_is_the_other_ones)
{
	request("POST /exact HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
}
END_TEST

void
suite_many(Suite *suite)
{
	CASE(suite, "several at a time", setup_two, a_worker_with_several_says_so,
	    a_check_is_answered_meanwhile, no_more_are_taken_than_there_is_room_for,
	    what_is_in_hand_is_finished_after_stop);
	CASE(suite, "passing on", setup_peeking,
	    a_connection_that_was_read_exactly_is_kept,
	    what_came_behind_the_request_does_not_count,
	    a_connection_that_was_not_read_is_closed,
	    a_connection_that_was_read_further_is_closed, a_lease_without_keep_is_closed,
	    a_head_is_given_as_it_came, a_head_that_is_not_in_the_socket_is_told,
	    who_answers_itself_after_all_reads_the_head, a_connection_can_be_let_go);
	CASE(suite, "lending", setup_lending, a_head_that_was_read_is_given_as_it_came,
	    what_another_made_is_sent, a_status_that_is_none_is_refused,
	    another_may_say_how_long_its_answer_is,
	    a_connection_that_was_read_exactly_is_kept,
	    what_came_behind_the_request_does_not_count,
	    a_connection_that_was_read_further_is_closed, a_lease_without_keep_is_closed,
	    a_body_that_was_not_read_is_the_other_ones, a_connection_can_be_let_go);
}
