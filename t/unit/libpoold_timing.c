/* SPDX-License-Identifier: ISC */
/* Where a request's time goes, and whose trace it belongs to. */
#include "libpoold_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/phases.h"

#define TRACE_ID "abababababababababababababababab"

static uint32_t
us_of(const char *name)
{
	struct phases phases;

	ck_assert_msg(phases_parse(&phases, rig.phases, strlen(rig.phases)), "%s",
	    rig.phases);
	for (uint32_t i = 0; i < phases.count; i++)
		if (strcmp(phases.list[i].name, name) == 0)
			return phases.list[i].us;
	ck_abort_msg("no phase %s in %s", name, rig.phases);
	return 0;
}

START_TEST(phases_of_one_name_add_up_and_come_behind_done)
{
	request(GET("/phases"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_uint_ge(us_of("db"), 12000);
	ck_assert_uint_lt(us_of("cache.get"), us_of("db"));
	us_of("late");
	request(GET("/hello"), LEASE_KEEP);
	done();
	ck_assert_str_eq(rig.phases, "");
}
END_TEST

START_TEST(a_request_has_eight_phases_at_most)
{
	request(GET("/phases?many"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 200);
	us_of("p5");
	ck_assert_has_not(rig.phases, "ninth");
}
END_TEST

START_TEST(the_phases_of_a_request_are_not_those_of_one_whose_client_left)
{
	request(GET("/phases"), LEASE_KEEP);
	done();
	lease_make(GET("/hello"), LEASE_KEEP, 0);
	shutdown(rig.client, SHUT_RDWR);
	lease_send(rig.queue[0], rig.leased);
	ck_assert_uint_eq(done().flags, LEASE_DONE_CLOSE);
	ck_assert_str_eq(rig.phases, "");
}
END_TEST

START_TEST(an_earlier_poold_is_told_no_phases)
{
	request(GET("/phases"), LEASE_KEEP);
	ck_assert_uint_eq(done().flags, LEASE_DONE_KEEP);
	ck_assert_str_eq(rig.phases, "");
	request(GET("/hello"), LEASE_KEEP);
	ck_assert_uint_eq(done().status, 200);
	ck_assert_uint_eq(LEASE_OWNER_WORKER(slot()->owner), WORKER);
}
END_TEST

START_TEST(the_client_is_told_where_the_time_went_if_poold_says_so)
{
	double router, queue, app, db, cache;
	const char *text;

	client_send(GET("/phases"));
	lease_make(GET("/phases"), LEASE_KEEP | LEASE_SERVER_TIMING, 0);
	packet.msg.accepted_ns -= 7000000;
	packet.msg.queued_ns -= 5000000;
	lease_send(rig.queue[0], rig.leased);
	done();
	text = strstr(received(rig.client), "\r\nServer-Timing: ");
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(sscanf(text,
			     "\r\nServer-Timing: router;dur=%lf, queue;dur=%lf, "
			     "app;dur=%lf, db;dur=%lf, cache.get;dur=%lf\r\n",
			     &router, &queue, &app, &db, &cache),
	    5);
	ck_assert_double_eq(router, 2);
	ck_assert_double_ge(queue, 5);
	ck_assert_double_ge(db, 12);
	ck_assert_double_ge(app, db + cache);
	ck_assert_has_not(text, "late");

	request(GET("/phases"), LEASE_KEEP);
	done();
	ck_assert_has_not(received(rig.client), "Server-Timing");
}
END_TEST

START_TEST(what_a_worker_calls_has_the_span_of_poold_as_its_parent)
{
	request(GET("/trace"), LEASE_KEEP);
	done();
	ck_assert_has(received(rig.client),
	    "\r\n\r\n00-" TRACE_ID "-cdcdcdcdcdcdcdcd-00");
	request(GET("/trace"), LEASE_KEEP | LEASE_SAMPLED);
	done();
	ck_assert_has(received(rig.client),
	    "\r\n\r\n00-" TRACE_ID "-cdcdcdcdcdcdcdcd-01");
}
END_TEST

START_TEST(without_a_span_of_poold_the_worker_begins_one)
{
	const char *text;

	request(GET("/trace"), LEASE_KEEP);
	done();
	text = received(rig.client);
	ck_assert_has(text, "\r\n\r\n00-" TRACE_ID "-");
	ck_assert_has_not(text, "-0000000000000000-");
}
END_TEST

void
suite_timing(Suite *suite)
{
	CASE(suite, "time", setup, phases_of_one_name_add_up_and_come_behind_done,
	    a_request_has_eight_phases_at_most,
	    the_phases_of_a_request_are_not_those_of_one_whose_client_left,
	    the_client_is_told_where_the_time_went_if_poold_says_so,
	    what_a_worker_calls_has_the_span_of_poold_as_its_parent);
	CASE(suite, "an earlier poold", setup_early, an_earlier_poold_is_told_no_phases,
	    without_a_span_of_poold_the_worker_begins_one);
}
