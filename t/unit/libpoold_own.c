/* SPDX-License-Identifier: ISC */
/* Workers that accept for themselves: alone, and on an inherited socket. */
#include "libpoold_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in own_address;

static void
own_start(bool inherited)
{
	static const int to_alone[1] = { FD_LOG };
	static const int to_inherited[2] = { FD_LOG, 3 };
	char name[] = "own", port[] = "0", *argv[] = { name, port, NULL };
	socklen_t len = sizeof(own_address);
	char pid[16];
	unsigned n;
	int fds[2];

	memset(&rig, 0, sizeof(rig));
	ck_assert_int_eq(pipe2(rig.log, O_CLOEXEC), 0);
	rig.listener = listener_make();
	fds[0] = rig.log[1];
	fds[1] = rig.listener;
	if ((rig.pid = fork()) == 0) {
		child_fds(fds, inherited ? to_inherited : to_alone, inherited ? 2 : 1);
		if (inherited) {
			snprintf(pid, sizeof(pid), "%d", getpid());
			setenv("LISTEN_PID", pid, 1);
			setenv("LISTEN_FDS", "1", 1);
		}
		_exit(rig_serve(inherited ? 1 : 2, argv));
	}
	if (inherited) {
		getsockname(rig.listener, (struct sockaddr *)&own_address, &len);
		close(rig.listener);
	} else {
		char line[256];

		readable(rig.log[0]);
		line[read(rig.log[0], line, sizeof(line) - 1)] = '\0';
		ck_assert_int_eq(sscanf(line, "listening on http://127.0.0.1:%u/", &n),
		    1);
		own_address = (struct sockaddr_in){ .sin_family = AF_INET,
			.sin_port = htons((uint16_t)n),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	}
	rig.client = client_connect(&own_address);
}

static void
setup_alone(void)
{
	own_start(false);
}

static void
setup_inherited(void)
{
	own_start(true);
}

static void
setup_alone_many(void)
{
	rig_serve = serve_many;
	own_start(false);
}

static void
setup_inherited_many(void)
{
	rig_serve = serve_many;
	own_start(true);
}

START_TEST(an_accepting_worker_answers_and_keeps)
{
	const char *text;

	for (int i = 0; i < 3; i++) {
		client_send(GET("/info?q=1"));
		text = received(rig.client);
		ck_assert_has(text, "HTTP/1.1 200 OK\r\n");
		ck_assert_has(text, " route= info=/info ");
		ck_assert_has(text, " client=127.0.0.1 port=1 local=127.0.0.1");
		ck_assert_has_not(text, "Connection:");
	}
}
END_TEST

START_TEST(the_trace_id_becomes_the_request_id)
{
	client_send("GET /hello HTTP/1.1\r\nHost: h\r\ntraceparent: 00-"
		    "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
		    "\r\n");
	ck_assert_has(received(rig.client),
	    "\r\nX-Request-Id: 0af7651916cd43dd8448eb211c80319c\r\n");
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	const char *text, *first, *second, *third;

	client_send(
	    GET("/hello") "POST /echo HTTP/1.1\r\nHost: h\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" GET(
			      "/empty") "GET /none HTTP/1.1\r\nHost: h\r\n"
					"Connection: close\r\n\r\n");
	text = received_all(rig.client);
	ck_assert_ptr_nonnull(first = strstr(text, "hello\n"));
	ck_assert_ptr_nonnull(second = strstr(first, "\r\n\r\nabc"));
	ck_assert_ptr_nonnull(third = strstr(second, " 204 "));
	ck_assert_ptr_nonnull(strstr(third, " 500 "));
}
END_TEST

START_TEST(a_head_may_come_in_pieces)
{
	for (const char *p = GET("/hello"); *p != '\0'; p++) {
		ck_assert_int_eq(send(rig.client, p, 1, 0), 1);
		usleep(1000);
	}
	ck_assert_has(received(rig.client), "hello\n");
}
END_TEST

START_TEST(a_large_body_is_read_whole)
{
	static char body[90000];
	const char *text;

	memset(body, 'b', sizeof(body) - 1);
	client_send("POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		    "Content-Length: 89999\r\n\r\n");
	client_send(body);
	text = received_all(rig.client);
	ck_assert_has(text, "\r\nContent-Length: 89999\r\n");
	ck_assert_uint_eq(strspn(strstr(text, "\r\n\r\n") + 4, "b"), 89999);
}
END_TEST

START_TEST(a_bad_request_is_refused_with_a_problem)
{
	const char *text;

	client_send("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1,1\r\n\r\n");
	text = received_all(rig.client);
	ck_assert_has(text, "HTTP/1.1 400 ");
	ck_assert_has(text, "\r\nContent-Type: application/problem+json\r\n");
	ck_assert_has(text, "\r\nConnection: close\r\n");
}
END_TEST

START_TEST(a_path_that_climbs_is_refused)
{
	client_send(GET("/a/../../b"));
	ck_assert_has(received_all(rig.client), "HTTP/1.1 400 ");
}
END_TEST

START_TEST(options_of_everything_is_answered)
{
	client_send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
	ck_assert_has(received(rig.client), "HTTP/1.1 204 ");
}
END_TEST

START_TEST(sigterm_serves_what_has_arrived)
{
	int second;

	client_send(GET("/hello"));
	ck_assert_has(received(rig.client), "hello\n");
	kill(rig.pid, SIGSTOP);
	client_send(GET("/hello"));
	second = client_connect(&own_address);
	ck_assert_int_gt(send(second, GET("/info"), strlen(GET("/info")), 0), 0);
	kill(rig.pid, SIGTERM);
	kill(rig.pid, SIGCONT);
	ck_assert_has(received_all(rig.client), "\r\nConnection: close\r\n");
	ck_assert_has(received_all(second), "HTTP/1.1 200 OK\r\n");
	/* It waits for clients to see the end, but not for long. */
	close(second);
	close(rig.client);
	ck_assert_int_eq(worker_wait(), 0);
}
END_TEST

START_TEST(an_idle_connection_is_closed_on_sigterm)
{
	client_send(GET("/hello"));
	ck_assert_has(received(rig.client), "hello\n");
	kill(rig.pid, SIGTERM);
	ck_assert_str_eq(received_all(rig.client), "");
	ck_assert_int_eq(worker_wait(), 0);
}
END_TEST

START_TEST(readiness_is_told_to_an_abstract_socket)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char name[64], text[64] = "";
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), len;

	len = snprintf(name, sizeof(name), "@check-libpoold-%d", getpid());
	memcpy(un.sun_path + 1, name + 1, (size_t)len - 1);
	ck_assert_int_eq(bind(sock, (struct sockaddr *)&un,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				 (size_t)len)),
	    0);
	setenv("NOTIFY_SOCKET", name, 1);
	own_start(true);
	readable(sock);
	ck_assert_int_gt(recv(sock, text, sizeof(text) - 1, 0), 0);
	ck_assert_str_eq(text, "READY=1");
	teardown();
}
END_TEST

START_TEST(running_out_of_descriptors_does_not_stop_the_worker)
{
	const struct rlimit limit = { 24, 24 };
	int clients[40];

	ck_assert_int_eq(prlimit(rig.pid, RLIMIT_NOFILE, &limit, NULL), 0);
	client_send(GET("/hello"));
	ck_assert_has(received(rig.client), "hello\n");
	for (int i = 0; i < 40; i++)
		clients[i] = client_connect(&own_address);
	usleep(50000);
	for (int i = 0; i < 39; i++)
		close(clients[i]);
	close(rig.client);
	rig.client = clients[39];
	client_send(GET("/hello"));
	ck_assert_has(received(rig.client), "hello\n");
}
END_TEST

static int
serve_status(int argc, char *argument)
{
	char name[] = "own", *argv[] = { name, argument, NULL };
	static const int to[1] = { FD_LOG };

	memset(&rig, 0, sizeof(rig));
	ck_assert_int_eq(pipe2(rig.log, O_CLOEXEC), 0);
	if ((rig.pid = fork()) == 0) {
		child_fds(&rig.log[1], to, 1);
		_exit(rig_serve(argc, argv));
	}
	return worker_wait();
}

START_TEST(a_bad_address_is_a_usage_error)
{
	static char bad[][32] = { "", "x", "1:2:3", "[::1]", "999.1.1.1:80",
		"127.0.0.1:65536", "unix:", "[::1]:x", "[:9" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(serve_status(2, bad[i]) == 64, "%s", bad[i]);
	ck_assert_int_eq(serve_status(1, NULL), 64);
}
END_TEST

START_TEST(a_port_that_is_taken_is_unavailable)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	int listener = listener_make();
	char port[16];

	getsockname(listener, (struct sockaddr *)&in, &len);
	snprintf(port, sizeof(port), "%u", ntohs(in.sin_port));
	ck_assert_int_eq(serve_status(2, port), 69);
}
END_TEST

void
suite_own(Suite *suite)
{
	CASE(suite, "alone", setup_alone, an_accepting_worker_answers_and_keeps,
	    the_trace_id_becomes_the_request_id, pipelined_requests_are_answered_in_order,
	    a_head_may_come_in_pieces, a_large_body_is_read_whole,
	    a_bad_request_is_refused_with_a_problem, a_path_that_climbs_is_refused,
	    options_of_everything_is_answered, sigterm_serves_what_has_arrived,
	    an_idle_connection_is_closed_on_sigterm,
	    running_out_of_descriptors_does_not_stop_the_worker);
	CASE(suite, "inherited", setup_inherited, an_accepting_worker_answers_and_keeps,
	    sigterm_serves_what_has_arrived, an_idle_connection_is_closed_on_sigterm);
	CASE(suite, "alone, several", setup_alone_many,
	    an_accepting_worker_answers_and_keeps, the_trace_id_becomes_the_request_id,
	    pipelined_requests_are_answered_in_order, a_head_may_come_in_pieces,
	    a_large_body_is_read_whole, a_bad_request_is_refused_with_a_problem,
	    a_path_that_climbs_is_refused, options_of_everything_is_answered,
	    sigterm_serves_what_has_arrived, an_idle_connection_is_closed_on_sigterm,
	    running_out_of_descriptors_does_not_stop_the_worker);
	CASE(suite, "inherited, several", setup_inherited_many,
	    an_accepting_worker_answers_and_keeps, sigterm_serves_what_has_arrived,
	    an_idle_connection_is_closed_on_sigterm);
	CASE(suite, "an accepting worker's start", NULL,
	    readiness_is_told_to_an_abstract_socket, a_bad_address_is_a_usage_error,
	    a_port_that_is_taken_is_unavailable);
}
