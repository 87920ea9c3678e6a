/* SPDX-License-Identifier: ISC */
/* Which members of the router's structs have which keys in a handover. */
#include "router/connection.h"
#include "router/generation.h"
#include "router/handover.h"
#include "router/listener.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"

static const char *
state_name(unsigned state)
{
	static const char *const names[] = {
		[CONNECTION_READING] = "reading",
		[CONNECTION_BODY] = "body",
		[CONNECTION_WAITING] = "waiting",
		[CONNECTION_LEASED] = "leased",
		[CONNECTION_SENDING] = "sending",
		[CONNECTION_LINGER] = "linger",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

static const char *
breaker_name(unsigned state)
{
	static const char *const names[] = {
		[BREAKER_CLOSED] = "closed",
		[BREAKER_OPEN] = "open",
		[BREAKER_DOWN] = "down",
		[BREAKER_HALF_OPEN] = "half-open",
	};

	return state < BREAKER_STATES ? names[state] : NULL;
}

/* clang-format off */
#define TABLE(name) \
	const struct record_table handover_##name##_table = RECORD_TABLE(name##_keys)
#define KEY(type, key, member) \
	{ RECORD_KEY(RECORD_##type, key, OF, member) }
#define NEEDED(type, key, member) \
	{ RECORD_KEY(RECORD_##type, key, OF, member), .required = true }

#define OF struct handed_hello
static const struct record_key hello_keys[] = {
	NEEDED(UNSIGNED, "protocol", protocol),
};
TABLE(hello);
#undef OF

#define OF struct handed_count
static const struct record_key count_keys[] = {
	NEEDED(UNSIGNED, "count", count),
};
TABLE(count);
#undef OF

#define OF struct router
static const struct record_key router_keys[] = {
	NEEDED(UNSIGNED, "epoch", epoch),
	NEEDED(UNSIGNED, "counter", counter),
};
TABLE(router);
#undef OF

#define OF struct listener
static const struct record_key listener_keys[] = {
	NEEDED(UNSIGNED, "id", id),
	KEY(CHARS, "name", name),
	KEY(BOOL, "is_unix", is_unix),
	KEY(UNSIGNED, "head_timeout_ns", settings.head_timeout_ns),
	KEY(UNSIGNED, "keepalive_timeout_ns", settings.keepalive_timeout_ns),
	KEY(UNSIGNED, "keepalive_requests", settings.keepalive_requests),
};
TABLE(listener);
#undef OF

#define OF struct service
#define BUCKET(n)                                                             \
	KEY(UNSIGNED, "number" #n, breaker.buckets[n].number),                \
	KEY(UNSIGNED, "successes" #n, breaker.buckets[n].successes),          \
	KEY(UNSIGNED, "failures" #n, breaker.buckets[n].failures)
static const struct record_key service_keys[] = {
	NEEDED(CHARS, "name", name),
	{ RECORD_KEY(RECORD_ENUM, "breaker", OF, breaker.state),
	    .name_of = breaker_name },
	KEY(UNSIGNED, "round", breaker.round),
	KEY(UNSIGNED, "in_flight", breaker.in_flight),
	KEY(UNSIGNED, "successes", breaker.successes),
	KEY(UNSIGNED, "open_ns", breaker.open_ns),
	KEY(UNSIGNED, "until_ns", breaker.until_ns),
	KEY(UNSIGNED, "failed", breaker.failed),
	KEY(UNSIGNED, "ended", breaker.ended),
	BUCKET(0), BUCKET(1), BUCKET(2), BUCKET(3), BUCKET(4),
	BUCKET(5), BUCKET(6), BUCKET(7), BUCKET(8), BUCKET(9),
};
_Static_assert(BREAKER_BUCKETS == 10, "a line for each bucket");
TABLE(service);
#undef BUCKET
#undef OF

#define OF struct generation
static const struct record_key generation_keys[] = {
	NEEDED(UNSIGNED, "id", id),
	NEEDED(UNSIGNED, "sequence", sequence),
	KEY(UNSIGNED, "taken_sequence", taken_sequence),
	{ RECORD_KEY(RECORD_UNSIGNED, "mean_ns", OF, mean_ns), .always = true },
	KEY(INT, "stranger", stranger),
	KEY(UNSIGNED, "late_count", late_count),
	KEY(BOOL, "orphans", orphans),
};
TABLE(generation);
#undef OF

#define OF struct handed_generation
static const struct record_key generation_more_keys[] = {
	KEY(BOOL, "current", current),
};
TABLE(generation_more);
#undef OF

#define OF struct handed_worker
static const struct record_key worker_keys[] = {
	NEEDED(UNSIGNED, "generation", generation),
	NEEDED(UNSIGNED, "slot", slot),
	NEEDED(INT, "pid", pid),
	KEY(UNSIGNED, "failures", failures),
};
TABLE(worker);
#undef OF

#define OF struct request
static const struct record_key request_keys[] = {
	KEY(UNSIGNED, "leased_ns", leased_ns),
	KEY(UNSIGNED, "wait_until_ns", wait_until_ns),
	KEY(UNSIGNED, "reported_ns", reported_ns),
	KEY(UNSIGNED, "slow_ns", slow_ns),
	KEY(UNSIGNED, "progress_ns", progress_ns),
	KEY(UNSIGNED, "acked", acked),
	KEY(UNSIGNED, "received", received),
	KEY(UNSIGNED, "retries", retries),
	KEY(UNSIGNED, "refusals", refusals),
	KEY(UNSIGNED, "breaker_round", breaker_round),
	KEY(BOOL, "counted", counted),
	KEY(BOOL, "sampled", sampled),
	KEY(UNSIGNED, "written_before", before.written),
	KEY(UNSIGNED, "consumed_before", before.consumed),
	NEEDED(UNSIGNED, "flags", msg.flags),
	KEY(UNSIGNED, "serial", msg.serial),
	KEY(UNSIGNED, "sequence", msg.sequence),
	KEY(UNSIGNED, "slot", msg.slot),
	KEY(UNSIGNED, "accepted_ns", msg.accepted_ns),
	KEY(UNSIGNED, "queued_ns", msg.queued_ns),
	KEY(BYTES, "id", msg.request_id),
	KEY(BYTES, "span_id", msg.span_id),
	KEY(UNSIGNED, "prefix_len", msg.prefix_len),
	KEY(UNSIGNED, "body_max", msg.body_max),
};
TABLE(request);
#undef OF

#define OF struct handed_request
static const struct record_key request_more_keys[] = {
	NEEDED(CHARS, "service", service),
	KEY(UNSIGNED, "generation", generation),
};
TABLE(request_more);
#undef OF

#define OF struct connection
static const struct record_key connection_keys[] = {
	{ RECORD_KEY(RECORD_ENUM, "state", OF, state), .required = true,
	    .name_of = state_name },
	KEY(UNSIGNED, "deadline_ns", deadline_ns),
	KEY(UNSIGNED, "wait_until_ns", wait_until_ns),
	KEY(UNSIGNED, "head_deadline_ns", head_deadline_ns),
	KEY(UNSIGNED, "consumed", consumed),
#ifdef RECORD_TEST_NEXT /* another version, as the tests build it */
	{ RECORD_KEY(RECORD_UNSIGNED, "answered", OF, requests), .was = "requests" },
#else
	KEY(UNSIGNED, "requests", requests),
#endif
	KEY(UNSIGNED, "peeked", peeked),
	KEY(UNSIGNED, "peeks", peeks),
	KEY(UNSIGNED, "discarded", discarded),
	KEY(BOOL, "tracked", tracked),
	KEY(BOOL, "lowat_set", lowat_set),
	KEY(BOOL, "was_leased", was_leased),
	KEY(BOOL, "ended", ended),
	KEY(BOOL, "idle", is_idle),
	KEY(BOOL, "proxy_pending", proxy_pending),
	KEY(BOOL, "rest_keep", rest_keep),
	KEY(UNSIGNED, "client_timeout_ns", client_timeout_ns),
	KEY(UNSIGNED, "client_family", client.family),
	KEY(UNSIGNED, "client_port", client.port),
	KEY(BYTES, "client_addr", client.addr),
	KEY(UNSIGNED, "local_family", local.family),
	KEY(UNSIGNED, "local_port", local.port),
	KEY(BYTES, "local_addr", local.addr),
};
TABLE(connection);
#undef OF

#define OF struct handed_connection
static const struct record_key connection_more_keys[] = {
	NEEDED(UNSIGNED, "listener", listener),
	KEY(UNSIGNED, "rest_generation", rest_generation),
	KEY(UNSIGNED, "rest_worker", rest_worker),
	KEY(UNSIGNED, "rest_off", rest_off),
	KEY(UNSIGNED, "rest_left", rest_left),
};
TABLE(connection_more);
#undef OF
