/* SPDX-License-Identifier: ISC */
/* One leased request: its parts, its body, its response. */
#include "libpoold_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/util.h"

/* --- leased: one request ---------------------------------------------- */

START_TEST(a_lease_is_answered_on_the_clients_socket)
{
	struct lease_done d;
	const char *text;

	request(GET("/hello"), LEASE_KEEP);
	d = done();
	text = received(rig.client);
	ck_assert_ptr_eq(strstr(text, "HTTP/1.1 200 OK\r\nDate: "), text);
	ck_assert_has(text, "\r\nContent-Type: text/plain\r\n");
	ck_assert_has(text, "\r\nContent-Length: 6\r\n");
	ck_assert_has(text, "\r\nX-Request-Id: abababababababababababababababab\r\n");
	ck_assert_has(text, "\r\n\r\nhello\n");
	ck_assert_has_not(text, "Connection:");
	ck_assert_uint_eq(d.status, 200);
	ck_assert_uint_eq(d.flags, LEASE_DONE_KEEP);
	ck_assert_uint_eq(d.bytes, strlen(text));
}
END_TEST

START_TEST(the_scoreboard_names_the_owner_and_counts)
{
	request(GET("/hello"), LEASE_KEEP);
	done();
	ck_assert(LEASE_OWNER_IS(slot()->owner, packet.msg.serial));
	ck_assert_uint_eq(LEASE_OWNER_WORKER(slot()->owner), WORKER);
	ck_assert_uint_ge(slot()->taken_ns, packet.msg.leased_ns);
	ck_assert_uint_eq(worker()->serial, packet.msg.serial);
	ck_assert_uint_eq(worker()->lease_slot, SLOT);
	ck_assert_uint_eq(worker()->requests, 1);
	ck_assert_uint_gt(worker()->bytes, 6);
	request(GET("/none"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 500);
	ck_assert_uint_eq(worker()->requests, 2);
	ck_assert_uint_eq(worker()->errors, 1);
	for (int i = 0; i < WAIT_MS && worker()->state != LEASE_WORKER_IDLE; i++)
		usleep(1000);
	ck_assert_uint_eq(worker()->state, LEASE_WORKER_IDLE);
}
END_TEST

START_TEST(a_connection_is_not_kept_when_the_router_does_not_allow_it)
{
	request(GET("/hello"), 0);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
	ck_assert_has(received(rig.client), "\r\nConnection: close\r\n");
}
END_TEST

START_TEST(only_the_bytes_of_one_request_are_read)
{
	char next[64] = "";

	request(GET("/hello"), LEASE_KEEP);
	client_send("NEXT");
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_int_eq(recv(rig.leased, next, sizeof(next) - 1, 0), 4);
	ck_assert_str_eq(next, "NEXT");
}
END_TEST

START_TEST(pipelined_requests_are_leased_one_by_one)
{
	client_send(GET("/hello"));
	client_send(GET("/hello"));
	for (int i = 0; i < 2; i++) {
		lease_make(GET("/hello"), LEASE_KEEP, 0);
		lease_send(rig.queue[0], rig.leased);
		ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
		ck_assert_has(received(rig.client), "hello\n");
	}
}
END_TEST

START_TEST(the_handler_sees_the_parts_of_the_request)
{
	const char *text = "POST http://Example.org:81/info//a%20b/../c?q=x+%41"
			   "&r&q=2 HTTP/1.1\r\nHost: other\r\nUser-Agent:  me \r\n"
			   "Content-Type: application/x-www-form-urlencoded\r\n"
			   "Content-Length: 13\r\n\r\nuser=a%26b&x=";

	client_send(text);
	lease_make(text, LEASE_KEEP, 5);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	text = received(rig.client);
	ck_assert_has(text, "\r\n\r\nmethod=POST ");
	ck_assert_has(text,
	    " target=http://Example.org:81/info//a%20b/../c?q=x+%41&r&q=2 ");
	ck_assert_has(text, " path=/info/c route=/info info=/c ");
	ck_assert_has(text, " query=q=x+%41&r&q=2 host=Example.org:81 q=x A ");
	ck_assert_has(text, " user=a&b agent=me client=127.0.0.1 port=1 ");
	ck_assert_has(text, " id=abababababababababababababababab");
}
END_TEST

START_TEST(the_root_route_leaves_the_path_whole)
{
	client_send(GET("/info/x"));
	lease_make(GET("/info/x"), 0, 1);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_has(received(rig.client), " route= info=/info/x ");
}
END_TEST

START_TEST(a_replayed_head_is_read_from_the_message)
{
	lease_make(GET("/hello"), LEASE_KEEP | LEASE_REPLAY, 0);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().status, 200);
	ck_assert_has(received(rig.client), "hello\n");
}
END_TEST

START_TEST(a_lease_without_its_descriptor_is_refused)
{
	struct lease_done d;

	lease_make(GET("/hello"), LEASE_KEEP, 0);
	lease_send(rig.queue[0], -1);
	d = done();
	ck_assert_uint_eq(d.flags, LEASE_DONE_REFUSED);
	ck_assert_uint_eq(d.status, 0);
	ck_assert_uint_eq(worker()->requests, 0);
	request(GET("/hello"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 200);
}
END_TEST

START_TEST(a_lease_whose_lengths_disagree_is_refused)
{
	lease_make(GET("/hello"), LEASE_KEEP, 0);
	packet.msg.path_len++;
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_REFUSED);
	lease_make(GET("/hello"), LEASE_KEEP, 0);
	packet.msg.method.off = (uint16_t)packet.msg.head_len;
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_REFUSED);
	lease_make(GET("/hello"), LEASE_KEEP, 0);
	packet.msg.head_len = LEASE_HEAD_MAX + 1;
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_REFUSED);
	ck_assert(quiet(rig.client));
}
END_TEST

START_TEST(a_client_that_left_is_reported_as_close)
{
	lease_make(GET("/hello"), LEASE_KEEP, 0);
	close(rig.client);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
}
END_TEST

START_TEST(a_non_blocking_client_socket_is_served_as_well)
{
	fcntl(rig.leased, F_SETFL, O_NONBLOCK);
	lease_make(GET("/hello"), LEASE_KEEP, 0);
	lease_send(rig.queue[0], rig.leased);
	usleep(20000);
	client_send(GET("/hello"));
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
}
END_TEST

/* --- leased: bodies --------------------------------------------------- */

START_TEST(a_body_is_read_whole)
{
	request("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
		"12345",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received(rig.client), "\r\n\r\n12345");
}
END_TEST

START_TEST(a_chunked_body_is_decoded_and_ends_the_connection)
{
	request("POST /echo HTTP/1.1\r\nHost: h\r\n"
		"Transfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
	ck_assert_has(received(rig.client), "\r\n\r\nabcde");
}
END_TEST

START_TEST(a_body_over_the_limit_is_refused_unread)
{
	request("POST /echo HTTP/1.1\r\nHost: h\r\n"
		"Content-Length: 100001\r\n\r\n",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
	ck_assert_has(received(rig.client), "HTTP/1.1 413 ");
}
END_TEST

START_TEST(a_broken_chunked_body_is_an_error)
{
	request("POST /echo HTTP/1.1\r\nHost: h\r\n"
		"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
	ck_assert_has(received(rig.client), "HTTP/1.1 400 ");
}
END_TEST

START_TEST(an_unread_body_is_drained)
{
	char next[8];

	request("POST /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
		"12345",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_int_eq(recv(rig.leased, next, sizeof(next), MSG_DONTWAIT), -1);
}
END_TEST

START_TEST(a_body_that_does_not_come_ends_the_connection)
{
	request("POST /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
		"123",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
}
END_TEST

START_TEST(the_client_is_told_to_continue_when_the_body_is_read)
{
	request("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
		"Expect: 100-continue\r\n\r\n",
	    LEASE_KEEP);
	ck_assert_str_eq(received(rig.client), "HTTP/1.1 100 Continue\r\n\r\n");
	client_send("ok");
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received(rig.client), "\r\n\r\nok");
}
END_TEST

START_TEST(a_body_that_is_not_wanted_is_not_asked_for)
{
	request("POST /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
		"Expect: 100-continue\r\n\r\n",
	    LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
	ck_assert_has(received(rig.client), "\r\nConnection: close\r\n");
}
END_TEST

/* --- leased: responses ------------------------------------------------ */

START_TEST(a_stream_is_chunked_in_1_1)
{
	request(GET("/stream"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received(rig.client), "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
}
END_TEST

START_TEST(a_stream_ends_with_the_connection_in_1_0)
{
	const char *text;

	request("GET /stream HTTP/1.0\r\n\r\n", LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
	text = received(rig.client);
	ck_assert_has(text, "\r\nConnection: close\r\n");
	ck_assert_has(text, "\r\n\r\nonetwo");
	ck_assert_has_not(text, "chunked");
}
END_TEST

START_TEST(a_kept_1_0_connection_is_said_to_be_kept)
{
	request("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received(rig.client), "\r\nConnection: keep-alive\r\n");
}
END_TEST

START_TEST(head_gets_the_length_and_no_body)
{
	const char *text;

	request("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n", LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	text = received(rig.client);
	ck_assert_has(text, "\r\nContent-Length: 6\r\n");
	ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	request("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n", LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	text = received(rig.client);
	ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
}
END_TEST

START_TEST(no_content_has_no_length)
{
	const char *text;

	request(GET("/empty"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	text = received(rig.client);
	ck_assert_has(text, "HTTP/1.1 204 No Content\r\n");
	ck_assert_has_not(text, "Content-Length");
}
END_TEST

START_TEST(an_unfinished_response_is_cut)
{
	struct lease_done d;

	request(GET("/half"), LEASE_KEEP);
	d = done();
	ck_assert_uint_eq(d.flags, LEASE_DONE_CLOSE);
	ck_assert_uint_eq(d.status, 200);
	ck_assert_has(received_all(rig.client), "\r\n\r\n12345");
}
END_TEST

START_TEST(a_handler_that_says_nothing_causes_a_500)
{
	request(GET("/none"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received(rig.client), "HTTP/1.1 500 ");
}
END_TEST

START_TEST(a_problem_is_valid_json)
{
	const char *text;

	request(GET("/nothing"), LEASE_KEEP);
	done();
	text = received(rig.client);
	ck_assert_has(text, "\r\nContent-Type: application/problem+json\r\n");
	ck_assert_has(text,
	    "{\"type\":\"about:blank\",\"title\":\"Not Found\","
	    "\"status\":404,\"detail\":\"no \\\"/nothing\\\"\\ufffd\"}\n");
}
END_TEST

START_TEST(a_part_of_a_file_is_sent)
{
	request(GET("/file"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_has(received_all((shutdown(rig.leased, SHUT_WR), rig.client)),
	    "\r\nContent-Length: 4\r\n");
}
END_TEST

START_TEST(a_file_shorter_than_said_is_cut)
{
	request(GET("/file?long"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
	ck_assert_has(received_all(rig.client), "\r\n\r\n3456789");
}
END_TEST

START_TEST(bad_fields_are_refused)
{
	const char *text;

	request(GET("/fields"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 200);
	text = received(rig.client);
	ck_assert_has(text, "\r\nX-Large: xxx");
	ck_assert_has_not(text, "Evil");
}
END_TEST

void
suite_request(Suite *suite)
{
	CASE(suite, "a request", setup, a_lease_is_answered_on_the_clients_socket,
	    the_scoreboard_names_the_owner_and_counts,
	    a_connection_is_not_kept_when_the_router_does_not_allow_it,
	    only_the_bytes_of_one_request_are_read,
	    pipelined_requests_are_leased_one_by_one,
	    the_handler_sees_the_parts_of_the_request,
	    the_root_route_leaves_the_path_whole,
	    a_replayed_head_is_read_from_the_message,
	    a_lease_without_its_descriptor_is_refused,
	    a_lease_whose_lengths_disagree_is_refused,
	    a_client_that_left_is_reported_as_close,
	    a_non_blocking_client_socket_is_served_as_well);
	CASE(suite, "a body", setup, a_body_is_read_whole,
	    a_chunked_body_is_decoded_and_ends_the_connection,
	    a_body_over_the_limit_is_refused_unread, a_broken_chunked_body_is_an_error,
	    an_unread_body_is_drained, a_body_that_does_not_come_ends_the_connection,
	    the_client_is_told_to_continue_when_the_body_is_read,
	    a_body_that_is_not_wanted_is_not_asked_for);
	CASE(suite, "a response", setup, a_stream_is_chunked_in_1_1,
	    a_stream_ends_with_the_connection_in_1_0,
	    a_kept_1_0_connection_is_said_to_be_kept, head_gets_the_length_and_no_body,
	    no_content_has_no_length, an_unfinished_response_is_cut,
	    a_handler_that_says_nothing_causes_a_500, a_problem_is_valid_json,
	    a_part_of_a_file_is_sent, a_file_shorter_than_said_is_cut,
	    bad_fields_are_refused);
}
