/* SPDX-License-Identifier: ISC */
/* Which members of the supervisor's structs have which keys in its state. */
#include "supervisor/pool.h"
#include "supervisor/state.h"
#include "supervisor/supervisor.h"

static const char *
worker_name(unsigned state)
{
	return state < WORKER_STATES ? worker_state_name((enum worker_state)state) : NULL;
}

static const char *
template_name(unsigned state)
{
	return state < TEMPLATE_STATES ? template_state_name((enum template_state)state) :
					 NULL;
}

static const char *
pool_name(unsigned state)
{
	return state < POOL_STATES ? pool_state_name((enum pool_state)state) : NULL;
}

static const char *
reason_name(unsigned reason)
{
	return tally_reason_name((enum tally_reason)reason);
}

static const char *
breaker_name(unsigned state)
{
	static const char *const names[] = {
		[ROLE_BREAKER_CLOSED] = "closed",
		[ROLE_BREAKER_OPEN] = "open",
		[ROLE_BREAKER_HALF_OPEN] = "half-open",
	};

	return state < ROLE_BREAKER_STATES ? names[state] : NULL;
}

/* clang-format off */
#define TABLE(name) \
	const struct record_table state_##name##_table = RECORD_TABLE(name##_keys)
#define KEY(type, key, member) \
	{ RECORD_KEY(RECORD_##type, key, OF, member) }
#define NEEDED(type, key, member) \
	{ RECORD_KEY(RECORD_##type, key, OF, member), .required = true }

#define OF struct state_head
static const struct record_key head_keys[] = {
	NEEDED(UNSIGNED, "format", format),
	NEEDED(TEXT, "version", version),
	NEEDED(TEXT, "config", config),
	KEY(FD, "log_fd", log_fd),
	KEY(FD, "pid_fd", pid_fd),
	KEY(UNSIGNED, "fd_limit", fd_limit),
	KEY(INT, "router_pid", router_pid),
	KEY(FD, "router_channel", router_channel),
	KEY(INT, "logger_pid", logger_pid),
	KEY(FD, "logger_channel", logger_channel),
};
TABLE(head);
#undef OF

#define OF struct supervisor
static const struct record_key supervisor_keys[] = {
	NEEDED(TEXT, "config_file", config_file),
	NEEDED(TEXT, "program", program),
	KEY(TEXT, "pid_path", pid_path),
	NEEDED(UNSIGNED, "next_id", next_id),
	NEEDED(TEXT, "log", logs.log),
	KEY(UNSIGNED, "access_last_id", logs.access.last_id),
	KEY(TEXT, "slow_log", logs.slow_log),
	KEY(FD, "slow_fd", logs.slow.fd),
	KEY(UNSIGNED, "log_next_id", logs.next_id),
	KEY(UNSIGNED, "log_dropped", logs.dropped),
	KEY(UNSIGNED, "logger_dropped", logger.dropped_before),
	KEY(BOOL, "systemd_ready", systemd.ready),
	KEY(TEXT, "systemd_note", systemd.note),
	NEEDED(FD, "notify_fd", notify.io.fd),
	NEEDED(CHARS, "notify_path", notify.path),
	KEY(UNSIGNED, "started_ns", started_ns),
	KEY(FD, "control_fd", control.socket.io.fd),
	KEY(TEXT, "control_path", control.socket.path),
	KEY(UNSIGNED, "control_dev", control.socket.dev),
	KEY(UNSIGNED, "control_ino", control.socket.ino),
	{ RECORD_KEY(RECORD_UNSIGNED, "control_group", OF, control.socket.group),
	    .always = true },
	KEY(BOOL, "control_all", control.socket.all),
	KEY(TEXT, "reload_failure", control.failure),
	KEY(FD, "figures_fd", figures.fd),
	KEY(UNSIGNED, "reloads_done", control.reloads.done),
	KEY(UNSIGNED, "reloads_failed", control.reloads.failed),
	KEY(UNSIGNED, "reload_last_ns", control.reloads.last_ns),
	KEY(UNSIGNED, "reload_done_ms", control.reloads.last_done_ms),
	KEY(UNSIGNED, "router_deaths", link.deaths),
	KEY(UNSIGNED, "router_epoch", link.epoch),
	KEY(UNSIGNED, "tables_version", link.version),
};
TABLE(supervisor);
#undef OF

#define OF struct log_dest
static const struct record_key log_dest_keys[] = {
	NEEDED(UNSIGNED, "id", id),
	NEEDED(TEXT, "text", text),
	KEY(FD, "fd", fd),
};
TABLE(log_dest);
#undef OF

#define OF struct log_source
static const struct record_key log_source_keys[] = {
	NEEDED(UNSIGNED, "id", id),
	KEY(UNSIGNED, "kind", kind),
	KEY(UNSIGNED, "dest", dest),
	NEEDED(FD, "fd", fd),
	KEY(UNSIGNED, "pool", pool),
	KEY(UNSIGNED, "slot", slot),
	KEY(INT, "pid", pid),
	NEEDED(TEXT, "name", name),
};
TABLE(log_source);
#undef OF

#define OF struct listener
static const struct record_key listener_keys[] = {
	NEEDED(UNSIGNED, "id", id),
	NEEDED(TEXT, "address", text),
	NEEDED(FD, "fd", fd),
	KEY(BOOL, "routed", routed),
	KEY(BOOL, "inherited", inherited),
};
TABLE(listener);
#undef OF

#define OF struct access_target
static const struct record_key access_keys[] = {
	NEEDED(TEXT, "text", text),
	NEEDED(UNSIGNED, "id", id),
	KEY(FD, "fd", fd),
};
TABLE(access);
#undef OF

#define OF struct inherited
static const struct record_key inherited_keys[] = {
	NEEDED(FD, "fd", fd),
	KEY(TEXT, "name", name),
};
TABLE(inherited);
#undef OF

#define OF struct service
#define REPLACED(key, reason)                                                 \
	KEY(UNSIGNED, "replaced_" key, tally.replaced[TALLY_##reason])
static const struct record_key service_keys[] = {
	NEEDED(TEXT, "name", name),
	NEEDED(UNSIGNED, "generations", generations),
	{ RECORD_KEY(RECORD_ENUM, "breaker", OF, breaker), .name_of = breaker_name },
	KEY(BOOL, "drained", drained),
	KEY(UNSIGNED, "ended_requests", tally.ended.requests),
	KEY(UNSIGNED, "ended_errors", tally.ended.errors),
	KEY(UNSIGNED, "ended_bytes", tally.ended.bytes),
	KEY(UNSIGNED, "restarts", tally.restarts),
	KEY(UNSIGNED, "ended_cpu_us", tally.ended_cpu_us),
	KEY(UNSIGNED, "checks_failed", tally.checks_failed),
	REPLACED("exit", EXIT), REPLACED("signal", SIGNAL),
	REPLACED("timeout", TIMEOUT), REPLACED("start_timeout", START_TIMEOUT),
	REPLACED("health", HEALTH), REPLACED("outlier", OUTLIER),
	REPLACED("max_requests", MAX_REQUESTS), REPLACED("max_lifetime", MAX_LIFETIME),
	REPLACED("max_memory", MAX_MEMORY), REPLACED("contract", CONTRACT),
	KEY(UNSIGNED, "figures_index", figures.index),
	KEY(UNSIGNED, "figures_serial", figures.serial),
};
TABLE(service);
#undef REPLACED
#undef OF

#define OF struct pool
static const struct record_key pool_keys[] = {
	NEEDED(UNSIGNED, "id", id),
	NEEDED(UNSIGNED, "number", number),
	{ RECORD_KEY(RECORD_ENUM, "state", OF, state), .required = true,
	    .name_of = pool_name },
	NEEDED(UNSIGNED, "worker_count", worker_count),
	KEY(UNSIGNED, "target", strength.target),
	KEY(UNSIGNED, "by_hand", strength.by_hand),
	KEY(BOOL, "was_ready", was_ready),
	KEY(BOOL, "start_failed", start_failed),
	KEY(UNSIGNED, "checks_failed", health.failed),
	KEY(UNSIGNED, "unwell_ns", health.unwell_ns),
	KEY(FD, "queue_router", queue[POOL_ROUTER_END]),
	KEY(FD, "queue_worker", queue[POOL_WORKER_END]),
	KEY(FD, "done_router", done[POOL_ROUTER_END]),
	KEY(FD, "done_worker", done[POOL_WORKER_END]),
	KEY(UNSIGNED, "uid", account.uid),
	KEY(UNSIGNED, "gid", account.gid),
	KEY(TEXT, "user", account.name),
	{ RECORD_KEY(RECORD_ENUM, "template_state", OF, template.state),
	    .name_of = template_name },
	KEY(INT, "template_pid", template.pid),
	KEY(FD, "template_channel", template.channel.io.fd),
	KEY(FD, "template_failure", template.failure.fd),
	KEY(UNSIGNED, "template_timer_ns", template.timer.deadline_ns),
	KEY(UNSIGNED, "template_serial", template.serial),
	KEY(UNSIGNED, "template_failures", template.failures),
	KEY(UNSIGNED, "template_spawned_ns", template.spawned_ns),
	KEY(UNSIGNED, "template_ready_ns", template.ready_ns),
	KEY(BOOL, "template_was_ready", template.was_ready),
	KEY(FD, "board", board_fd),
	KEY(UNSIGNED, "board_magic", board.layout.magic),
	KEY(UNSIGNED, "board_protocol", board.layout.protocol),
	KEY(UNSIGNED, "board_size", board.layout.size),
	KEY(UNSIGNED, "board_flags", board.layout.flags),
	KEY(UNSIGNED, "board_generation", board.layout.generation),
	KEY(UNSIGNED, "board_worker_count", board.layout.worker_count),
	KEY(UNSIGNED, "board_worker_off", board.layout.worker_off),
	KEY(UNSIGNED, "board_worker_size", board.layout.worker_size),
	KEY(UNSIGNED, "board_slot_count", board.layout.slot_count),
	KEY(UNSIGNED, "board_slot_off", board.layout.slot_off),
	KEY(UNSIGNED, "board_slot_size", board.layout.slot_size),
	KEY(UNSIGNED, "board_rest_max", board.layout.rest_max),
};
TABLE(pool);
#undef OF

#define OF struct state_pool
static const struct record_key pool_more_keys[] = {
	KEY(TEXT, "config", config),
	NEEDED(TEXT, "files", files),
	KEY(TEXT, "groups", groups),
	KEY(BOOL, "current", current),
};
TABLE(pool_more);
#undef OF

#define OF struct state_event
static const struct record_key event_keys[] = {
	NEEDED(UNSIGNED, "id", id),
	NEEDED(TEXT, "text", text),
};
TABLE(event);
#undef OF

#define OF struct oneoff
static const struct record_key oneoff_keys[] = {
	NEEDED(TEXT, "service", service),
	NEEDED(INT, "pid", pid),
	KEY(FD, "client", client_fd),
	KEY(FD, "failure", failure.fd),
	KEY(UNSIGNED, "began_ns", began_ns),
};
TABLE(oneoff);
#undef OF

#define OF struct worker
static const struct record_key slot_keys[] = {
	NEEDED(UNSIGNED, "slot", slot),
};
TABLE(slot);

static const struct record_key worker_keys[] = {
	NEEDED(UNSIGNED, "slot", slot),
	{ RECORD_KEY(RECORD_ENUM, "state", OF, state), .required = true,
	    .name_of = worker_name },
	KEY(INT, "pid", pid),
	KEY(FD, "control", control.fd),
	KEY(FD, "rest", rest_fd),
	KEY(FD, "failure", failure.fd),
	KEY(UNSIGNED, "timer_ns", timer.deadline_ns),
	KEY(UNSIGNED, "spawned_ns", spawned_ns),
	KEY(UNSIGNED, "ready_ns", ready_ns),
#ifdef RECORD_TEST_NEXT /* another version, as the tests build it */
	{ RECORD_KEY(RECORD_UNSIGNED, "deaths", OF, failures), .was = "failures" },
#else
	KEY(UNSIGNED, "failures", failures),
#endif
	KEY(UNSIGNED, "barren", barren),
	KEY(UNSIGNED, "barren_since_ns", barren_since_ns),
	KEY(UNSIGNED, "checks_passed", health.passed),
	KEY(UNSIGNED, "checks_failed", health.failed),
	KEY(UNSIGNED, "check_first", health.first_serial),
	KEY(UNSIGNED, "check_last", health.last_serial),
	KEY(CHARS, "check_got", health.got),
	KEY(BOOL, "abort", health.abort),
	KEY(FD, "line", line.fd),
	KEY(UNSIGNED, "line_number", line.number),
	KEY(TEXT, "line_in", line.in),
	KEY(TEXT, "line_out", line.out),
	KEY(TEXT, "line_request", line.request),
	KEY(BOOL, "line_follows", line.follows),
	KEY(UNSIGNED, "requests_max", requests_max),
	KEY(UNSIGNED, "lifetime_ns", lifetime_ns),
	KEY(BOOL, "awaits_fork", awaits_fork),
	KEY(BOOL, "is_forking", is_forking),
	KEY(UNSIGNED, "log_source", log_id),
	KEY(BOOL, "timed_out", timed_out),
	KEY(BOOL, "asked_to_leave", asked_to_leave),
	KEY(BOOL, "leaving", leaving),
	{ RECORD_KEY(RECORD_ENUM, "reason", OF, reason), .name_of = reason_name },
};
TABLE(worker);
#undef OF
