/* SPDX-License-Identifier: ISC */
/* The life of a leased worker. */
#include "libpoold_rig.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/msg.h"

START_TEST(nothing_is_taken_before_go)
{
	struct lease_signal ready;

	rig_prepare(0);
	if ((rig.pid = fork()) == 0)
		worker_run();
	request(GET("/hello"), LEASE_KEEP);
	readable(rig.control[0]);
	ck_assert_int_eq(recv(rig.control[0], &ready, sizeof(ready), 0), sizeof(ready));
	ck_assert(quiet(rig.done[0]));
	signal_send(LEASE_GO);
	ck_assert_uint_eq(done().status, 200);
	teardown();
}
END_TEST

START_TEST(a_kick_is_ignored)
{
	struct lease_signal kick = { .type = LEASE_KICK };

	ck_assert_int_eq(msg_send(rig.queue[0], &kick, sizeof(kick), 0), 0);
	ck_assert(quiet(rig.done[0]));
	request(GET("/hello"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 200);
}
END_TEST

START_TEST(a_check_is_answered_on_control)
{
	int sv[2];
	const char *text = GET("/hello");

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	ck_assert_int_eq(send(sv[0], text, strlen(text), 0), (ssize_t)strlen(text));
	lease_make(text, 0, 0);
	packet.msg.type = LEASE_CHECK;
	lease_send(rig.control[0], sv[1]);
	ck_assert_uint_eq(done_from(rig.control[0]).status, 200);
	ck_assert_has(received(sv[0]), "hello\n");
	ck_assert_uint_eq(slot()->owner, 0);
	ck_assert_uint_eq(worker()->requests, 0);
}
END_TEST

START_TEST(stop_serves_what_is_queued)
{
	kill(rig.pid, SIGSTOP);
	for (int i = 0; i < 3; i++)
		client_send(GET("/hello"));
	for (int i = 0; i < 3; i++) {
		lease_make(GET("/hello"), LEASE_KEEP, 0);
		packet.msg.serial = 77;
		lease_send(rig.queue[0], rig.leased);
	}
	signal_send(LEASE_STOP);
	kill(rig.pid, SIGCONT);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(done().status, 200);
	ck_assert_int_eq(worker_wait(), 0);
	ck_assert_uint_eq(worker()->state, LEASE_WORKER_NONE);
}
END_TEST

START_TEST(the_control_word_makes_a_busy_worker_look)
{
	kill(rig.pid, SIGSTOP);
	client_send(GET("/hello"));
	lease_make(GET("/hello"), LEASE_KEEP, 0);
	lease_send(rig.queue[0], rig.leased);
	worker()->control = LEASE_CONTROL_LOOK;
	signal_send(LEASE_STOP);
	kill(rig.pid, SIGCONT);
	ck_assert_uint_eq(done().status, 200);
	ck_assert_int_eq(worker_wait(), 0);
	ck_assert_uint_eq(worker()->control, LEASE_CONTROL_LOOK);
}
END_TEST

START_TEST(a_stop_is_seen_behind_a_check)
{
	const char *text = GET("/long");
	uint64_t serial;
	int sv[2];

	request(text, LEASE_KEEP);
	serial = packet.msg.serial;
	while (worker()->state != LEASE_WORKER_BUSY)
		poll(NULL, 0, 1);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	lease_make(text, 0, 0);
	packet.msg.type = LEASE_CHECK;
	packet.msg.serial = 4;
	lease_send(rig.control[0], sv[1]);
	signal_send(LEASE_STOP);
	worker()->control = LEASE_CONTROL_LOOK;
	ck_assert_uint_eq(done_from(rig.control[0]).flags, LEASE_DONE_REFUSED);
	packet.msg.serial = serial;
	ck_assert_uint_eq(done().status, 200);
	ck_assert_int_eq(worker_wait(), 0);
}
END_TEST

START_TEST(a_retired_queue_is_served_to_its_end)
{
	kill(rig.pid, SIGSTOP);
	request(GET("/hello"), LEASE_KEEP);
	shutdown(rig.queue[0], SHUT_WR);
	kill(rig.pid, SIGCONT);
	ck_assert_uint_eq(done().status, 200);
	ck_assert_int_eq(worker_wait(), 0);
}
END_TEST

START_TEST(the_end_of_control_ends_the_worker)
{
	close(rig.control[0]);
	/* The test's own copy of the worker's end keeps nothing alive. */
	ck_assert_int_eq(worker_wait(), 0);
}
END_TEST

START_TEST(sigterm_ends_a_waiting_worker)
{
	kill(rig.pid, SIGTERM);
	ck_assert_int_eq(worker_wait(), 0);
}
END_TEST

START_TEST(poold_stop_ends_the_worker_after_the_request)
{
	request(GET("/stop"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 200);
	ck_assert_int_eq(worker_wait(), 0);
}
END_TEST

START_TEST(an_unknown_protocol_is_refused)
{
	rig_prepare(0);
	if ((rig.pid = fork()) == 0) {
		setenv("POOLD_PROTOCOL", "2", 1);
		worker_run();
	}
	ck_assert_int_eq(worker_wait(), 76);
}
END_TEST

START_TEST(a_scoreboard_that_lies_is_refused)
{
	rig_prepare(0);
	rig.board->slot_count = LEASE_SLOTS_MAX;
	if ((rig.pid = fork()) == 0)
		worker_run();
	ck_assert_int_eq(worker_wait(), 76);
}
END_TEST

START_TEST(the_title_says_what_the_worker_does)
{
	char path[64], text[256] = "";
	FILE *file;

	request(GET("/hello"), LEASE_KEEP);
	done();
	snprintf(path, sizeof(path), "/proc/%d/cmdline", rig.pid);
	for (int i = 0;
	     i < WAIT_MS && strcmp(text, "poold: test worker 3 (idle, 1 request)") != 0;
	     i++) {
		usleep(1000);
		ck_assert_ptr_nonnull(file = fopen(path, "r"));
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
	}
	ck_assert_str_eq(text, "poold: test worker 3 (idle, 1 request)");
}
END_TEST

START_TEST(no_descriptor_is_left_behind)
{
	char path[64];
	ssize_t n;
	char target[64];
	int count = 0;

	for (int i = 0; i < 20; i++) {
		request(GET("/hello"), LEASE_KEEP);
		done();
		(void)received(rig.client);
	}
	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", rig.pid, fd);
		n = readlink(path, target, sizeof(target));
		count += n > 0;
	}
	/* 0, 1, 2, four of the contract, the log, epoll and eventfd */
	ck_assert_int_eq(count, 10);
}
END_TEST

START_TEST(a_hot_worker_takes_one_lease_after_the_other)
{
	for (int i = 0; i < 3; i++) {
		request(GET("/hello"), LEASE_KEEP);
		ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
		ck_assert_has(received(rig.client), "hello\n");
	}
}
END_TEST

/* What the worker said its answer to text would be, and what the client got. */
static void
ck_assert_announced(const char *text, unsigned status)
{
	struct lease_done said;

	request(text, LEASE_KEEP);
	said = done();
	ck_assert_uint_eq(LEASE_ANSWER_BYTES(slot()->answer), said.bytes);
	ck_assert_uint_eq(LEASE_ANSWER_STATUS(slot()->answer), status);
	ck_assert_uint_eq(LEASE_ANSWER_KEEP(slot()->answer),
	    said.flags == LEASE_DONE_KEEP);
	ck_assert_uint_eq(strlen(received(rig.client)), said.bytes);
}

START_TEST(the_length_of_an_answer_is_announced)
{
	ck_assert_announced(GET("/hello"), 200);
	ck_assert_announced("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n", 200);
	ck_assert_announced(GET("/file"), 200);
	ck_assert_announced(GET("/empty"), 204);
}
END_TEST

START_TEST(an_answer_that_breaks_off_is_shorter_than_announced)
{
	struct lease_done said;

	request(GET("/half"), LEASE_KEEP);
	said = done();
	ck_assert_uint_eq(LEASE_ANSWER_BYTES(slot()->answer), said.bytes + 5);
}
END_TEST

START_TEST(a_length_that_is_not_known_is_not_announced)
{
	request(GET("/hello"), LEASE_KEEP);
	done();
	request(GET("/stream"), LEASE_KEEP);
	done();
	ck_assert_uint_eq(LEASE_ANSWER_BYTES(slot()->answer), 0);
}
END_TEST

static void
setup_many(void)
{
	rig_serve = serve_many;
	setup();
}

void
suite_contract(Suite *suite)
{
	CASE(suite, "the contract", setup, a_kick_is_ignored,
	    a_check_is_answered_on_control, stop_serves_what_is_queued,
	    the_control_word_makes_a_busy_worker_look, a_stop_is_seen_behind_a_check,
	    a_retired_queue_is_served_to_its_end, the_end_of_control_ends_the_worker,
	    sigterm_ends_a_waiting_worker, poold_stop_ends_the_worker_after_the_request,
	    the_title_says_what_the_worker_does, no_descriptor_is_left_behind,
	    the_length_of_an_answer_is_announced,
	    an_answer_that_breaks_off_is_shorter_than_announced,
	    a_length_that_is_not_known_is_not_announced);
	CASE(suite, "the contract, several", setup_many, a_kick_is_ignored,
	    a_check_is_answered_on_control, stop_serves_what_is_queued,
	    the_control_word_makes_a_busy_worker_look,
	    a_retired_queue_is_served_to_its_end, the_end_of_control_ends_the_worker,
	    sigterm_ends_a_waiting_worker, poold_stop_ends_the_worker_after_the_request,
	    the_title_says_what_the_worker_does, the_length_of_an_answer_is_announced,
	    an_answer_that_breaks_off_is_shorter_than_announced,
	    a_length_that_is_not_known_is_not_announced);
	CASE(suite, "the contract, hot", setup_hot, a_kick_is_ignored,
	    a_hot_worker_takes_one_lease_after_the_other, stop_serves_what_is_queued);
	CASE(suite, "a worker's start", NULL, nothing_is_taken_before_go,
	    an_unknown_protocol_is_refused, a_scoreboard_that_lies_is_refused);
}
