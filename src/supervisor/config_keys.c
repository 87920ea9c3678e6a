/* SPDX-License-Identifier: ISC */
#include "supervisor/config_keys.h"

#include <assert.h>
#include <string.h>

#include "common/logger.h"

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/local/libexec/poold"
#endif

#define SECOND INT64_C(1000) /* milliseconds */
#define HOUR   (3600 * SECOND)

static const char *const balance_words[] = {
	[CONFIG_BALANCE_ROUND_ROBIN] = "round-robin",
	[CONFIG_BALANCE_HOT] = "hot",
	NULL,
};
static const char *const scaling_words[] = {
	[CONFIG_SCALING_STATIC] = "static",
	[CONFIG_SCALING_DYNAMIC] = "dynamic",
	[CONFIG_SCALING_ONDEMAND] = "ondemand",
	NULL,
};
static const char *const reload_words[] = {
	[CONFIG_RELOAD_REPLACE] = "replace",
	[CONFIG_RELOAD_ROLLING] = "rolling",
	NULL,
};
static const char *const health_words[] = {
	[CONFIG_HEALTH_HTTP] = "http",
	[CONFIG_HEALTH_TCP] = "tcp",
	[CONFIG_HEALTH_WATCHDOG] = "watchdog",
	NULL,
};
static const char *const readers_words[] = {
	[CONFIG_READERS_GROUP] = "group",
	[CONFIG_READERS_ALL] = "all",
	NULL,
};
static const char *const right_words[] = {
	[CONFIG_RIGHT_OFF] = "off",
	[CONFIG_RIGHT_READ] = "read",
	[CONFIG_RIGHT_CHANGE] = "change",
	NULL,
};
static const char *const app_words[] = {
	[CONFIG_APP_PATH] = "path",
	[CONFIG_APP_MODULE] = "module",
	NULL,
};
static const char *const log_format_words[] = {
	[LOGGER_TEXT] = "text",
	[LOGGER_JSON] = "json",
	NULL,
};
static const char *const log_level_words[] = {
	[LOGGER_ERROR] = "error",
	[LOGGER_WARN] = "warn",
	[LOGGER_INFO] = "info",
	[LOGGER_DEBUG] = "debug",
	NULL,
};
static const char *const mode_words[] = {
	[CONFIG_MODE_LEASE] = "lease",
	[CONFIG_MODE_INHERIT] = "inherit",
	NULL,
};
static const char *const section_words[] = {
	[CONFIG_POOLD] = "poold",
	[CONFIG_LISTEN] = "listen",
	[CONFIG_SERVICE] = "service",
	[CONFIG_LANGUAGE] = "language",
};

#define POOLD(key) .section = CONFIG_POOLD, .offset = offsetof(struct config, key)
#define LISTEN(key) \
	.section = CONFIG_LISTEN, .offset = offsetof(struct config_listen, key)
#define SERVICE(key) \
	.section = CONFIG_SERVICE, .offset = offsetof(struct config_service, key)
#define LIMIT(key) SERVICE(limits.key)
#define LANGUAGE(key) \
	.section = CONFIG_LANGUAGE, .offset = offsetof(struct config_language, key)
#define MAY_BE_UNLIMITED (CONFIG_KEY_EMPTY | CONFIG_KEY_UNLIMITED)

/* clang-format off */
const struct config_key config_keys[] = {
	{ .name = "include", .section = CONFIG_POOLD, .type = CONFIG_INCLUDE,
	  .flags = CONFIG_KEY_REPEAT,
	  .help = "read more files here, by a pattern" },
	{ .name = "user", POOLD(user), .type = CONFIG_TEXT, .def = "",
	  .flags = CONFIG_KEY_EMPTY,
	  .help = "who the router, and services without a user, run as" },
	{ .name = "group", POOLD(group), .type = CONFIG_TEXT, .def = "",
	  .flags = CONFIG_KEY_EMPTY, .help = "primary group of that user" },
	{ .name = "pid_file", POOLD(pid_file), .type = CONFIG_PATH, .def = "",
	  .flags = CONFIG_KEY_EMPTY,
	  .help = "file that holds the supervisor's process id" },
	{ .name = "log", POOLD(log), .type = CONFIG_LOG, .def = "stderr",
	  .help = "where messages go" },
	{ .name = "log_format", POOLD(log_format), .type = CONFIG_ENUM,
	  .def = "text", .choices = log_format_words,
	  .help = "how lines of the log look" },
	{ .name = "log_level", POOLD(log_level), .type = CONFIG_ENUM,
	  .def = "info", .choices = log_level_words,
	  .help = "messages that matter less are left out" },
	{ .name = "access_log", POOLD(access_log), .type = CONFIG_ACCESS_LOG,
	  .def = "off", .help = "where one line for each request goes" },
	{ .name = "access_log_format", POOLD(access_log_format),
	  .type = CONFIG_FORMAT, .def = "poold",
	  .help = "how its lines look" },
	{ .name = "slow_log", POOLD(slow_log), .type = CONFIG_ACCESS_LOG,
	  .def = "off", .help = "where slow requests are described" },
	{ .name = "trace_sample", POOLD(trace_sample), .type = CONFIG_RATIO,
	  .def = "0", .help = "how many of the traces that begin here are recorded" },
	{ .name = "trace_export", POOLD(trace_export), .type = CONFIG_EXPORT,
	  .def = "off", .help = "who is told of requests that are recorded" },
	{ .name = "control", POOLD(control), .type = CONFIG_CONTROL, .def = "",
	  .flags = CONFIG_KEY_EMPTY, .help = "socket that poolctl talks to" },
	{ .name = "control_group", POOLD(control_group), .type = CONFIG_TEXT,
	  .def = "", .flags = CONFIG_KEY_EMPTY,
	  .help = "group whose members may use it" },
	{ .name = "control_readers", POOLD(control_readers), .type = CONFIG_ENUM,
	  .def = "group", .choices = readers_words,
	  .help = "who may look, but change nothing" },
	{ .name = "libexec", POOLD(libexec), .type = CONFIG_PATH,
	  .def = LIBEXECDIR, .help = "folder of the workers that are installed" },
	{ .name = "max_connections", POOLD(max_connections),
	  .type = CONFIG_INT, .def = "16384", .min = 1, .max = 1000000,
	  .help = "connections of clients, all listeners together" },
	{ .name = "max_connections_per_address",
	  POOLD(max_connections_per_address), .type = CONFIG_INT, .def = "0",
	  .min = 0, .max = 1000000,
	  .help = "of them from one address; 0: as many" },

	{ .name = "address", LISTEN(address), .type = CONFIG_ADDRESS,
	  .flags = CONFIG_KEY_REQUIRED, .help = "where to listen" },
	{ .name = "backlog", LISTEN(backlog), .type = CONFIG_INT, .def = "1024",
	  .min = 1, .max = 65535,
	  .help = "connections that the kernel keeps waiting to be accepted" },
	{ .name = "shared_trust", LISTEN(shared_trust), .type = CONFIG_BOOL,
	  .def = "no", .help = "let services of different users share it" },
	{ .name = "proxy_protocol", LISTEN(proxy_protocol), .type = CONFIG_BOOL,
	  .def = "no", .help = "connections begin with a PROXY header" },
	{ .name = "trusted", LISTEN(trusted), .type = CONFIG_TEXTS,
	  .flags = CONFIG_KEY_REPEAT,
	  .help = "address or network that may send PROXY headers" },
	{ .name = "head_timeout", LISTEN(head_timeout_ms),
	  .type = CONFIG_DURATION, .def = "10s", .min = 100, .max = HOUR,
	  .help = "time for the head of a request, from its first byte" },
	{ .name = "keepalive_timeout", LISTEN(keepalive_timeout_ms),
	  .type = CONFIG_DURATION, .def = "60s", .min = 0, .max = 24 * HOUR,
	  .help = "how long a connection may be idle" },
	{ .name = "keepalive_requests", LISTEN(keepalive_requests),
	  .type = CONFIG_INT, .def = "10000", .min = 1, .max = 1000000000,
	  .help = "requests on one connection" },
	{ .name = "access_log", LISTEN(access_log), .type = CONFIG_ACCESS_LOG,
	  .def = "", .flags = CONFIG_KEY_EMPTY,
	  .help = "where one line for each of its requests goes" },
	{ .name = "access_log_format", LISTEN(access_log_format),
	  .type = CONFIG_FORMAT, .def = "", .flags = CONFIG_KEY_EMPTY,
	  .help = "how these lines look" },

	{ .name = "listen", SERVICE(listen), .type = CONFIG_NAMES,
	  .flags = CONFIG_KEY_REPEAT, .help = "listeners that serve it" },
	{ .name = "route", SERVICE(routes), .type = CONFIG_ROUTE,
	  .flags = CONFIG_KEY_REPEAT | CONFIG_KEY_LIVE,
	  .help = "requests that go to it" },
	{ .name = "command", SERVICE(command), .type = CONFIG_COMMAND,
	  .help = "program of a worker" },
	{ .name = "language", SERVICE(language), .type = CONFIG_TEXT, .def = "",
	  .flags = CONFIG_KEY_EMPTY,
	  .help = "whose command starts the workers, instead of one of their own" },
	{ .name = "output", SERVICE(output), .type = CONFIG_OUTPUT, .def = "log",
	  .help = "where what the workers print goes" },
	{ .name = "app", SERVICE(app), .type = CONFIG_TEXT, .def = "",
	  .flags = CONFIG_KEY_EMPTY,
	  .help = "program, folder or module that the language's command is about" },
	{ .name = "preload", SERVICE(preload), .type = CONFIG_BOOL, .def = "no",
	  .help = "fork the workers from one that has everything loaded" },
	{ .name = "workers", SERVICE(workers), .type = CONFIG_INT, .def = "2",
	  .min = 1, .max = CONFIG_WORKERS_MAX, .help = "how many workers" },
	{ .name = "scaling", SERVICE(scaling), .type = CONFIG_ENUM,
	  .def = "static", .choices = scaling_words,
	  .help = "whether the number of workers follows the load" },
	{ .name = "workers_min", SERVICE(workers_min), .type = CONFIG_INT,
	  .def = "0", .min = 0, .max = CONFIG_WORKERS_MAX, .help = "the fewest workers" },
	{ .name = "workers_max", SERVICE(workers_max), .type = CONFIG_INT,
	  .def = "0", .min = 0, .max = CONFIG_WORKERS_MAX, .help = "the most workers" },
	{ .name = "workers_spare", SERVICE(workers_spare), .type = CONFIG_INT,
	  .def = "1", .min = 0, .max = CONFIG_WORKERS_MAX,
	  .help = "idle workers to have beyond the busy ones" },
	{ .name = "idle_timeout", SERVICE(idle_timeout_ms),
	  .type = CONFIG_DURATION, .def = "10s", .min = 100, .max = 24 * HOUR,
	  .help = "how long a worker is kept that is not needed" },
	{ .name = "spawn_rate", SERVICE(spawn_rate), .type = CONFIG_INT,
	  .def = "32", .min = 1, .max = 10000,
	  .help = "workers started in a second to follow the load" },
	{ .name = "max_requests", SERVICE(max_requests), .type = CONFIG_INT,
	  .def = "0", .min = 0, .max = INT64_C(1) << 50,
	  .help = "requests after which a worker is replaced; 0: any" },
	{ .name = "max_lifetime", SERVICE(max_lifetime_ms),
	  .type = CONFIG_DURATION, .def = "0", .min = 0, .max = 8784 * HOUR,
	  .help = "age at which a worker is replaced; 0: any" },
	{ .name = "max_memory", SERVICE(max_memory), .type = CONFIG_SIZE,
	  .def = "0", .min = 0, .max = INT64_C(1) << 50,
	  .help = "memory with which a worker is replaced; 0: any" },
	{ .name = "recycle_jitter", SERVICE(recycle_jitter), .type = CONFIG_INT,
	  .def = "10", .min = 0, .max = 100,
	  .help = "per cent that max_requests and max_lifetime vary" },
	{ .name = "reload", SERVICE(reload), .type = CONFIG_ENUM,
	  .def = "replace", .choices = reload_words,
	  .help = "how a new generation takes over" },
	{ .name = "reload_batch", SERVICE(reload_batch), .type = CONFIG_INT,
	  .def = "1", .min = 1, .max = 1024,
	  .help = "workers that take over at a time" },
	{ .name = "reload_grace", SERVICE(reload_grace_ms),
	  .type = CONFIG_DURATION, .def = "0", .min = 0, .max = HOUR,
	  .help = "how long new workers are on probation" },
	{ .name = "concurrency", SERVICE(concurrency), .type = CONFIG_INT,
	  .def = "1", .min = 1, .max = 1024,
	  .help = "requests that a worker handles at the same time" },
	{ .name = "balance", SERVICE(balance), .type = CONFIG_ENUM,
	  .def = "round-robin", .choices = balance_words,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "which of the idle workers gets the next request" },
	{ .name = "mode", SERVICE(mode), .type = CONFIG_ENUM, .def = "lease",
	  .choices = mode_words, .help = "how requests reach a worker" },
	{ .name = "user", SERVICE(user), .type = CONFIG_TEXT, .def = "",
	  .flags = CONFIG_KEY_EMPTY, .help = "who its workers run as" },
	{ .name = "group", SERVICE(group), .type = CONFIG_TEXT, .def = "",
	  .flags = CONFIG_KEY_EMPTY, .help = "primary group of its workers" },
	{ .name = "chdir", SERVICE(chdir), .type = CONFIG_PATH, .def = "",
	  .flags = CONFIG_KEY_EMPTY, .help = "folder its workers start in" },
	{ .name = "rlimit_as", LIMIT(rlimit_as), .type = CONFIG_SIZE,
	  .min = 1 << 20, .max = INT64_C(1) << 50, .def = "", .flags = MAY_BE_UNLIMITED,
	  .help = "address space of a worker" },
	{ .name = "rlimit_nofile", LIMIT(rlimit_nofile), .type = CONFIG_INT,
	  .min = 16, .max = INT64_C(1) << 30, .def = "", .flags = MAY_BE_UNLIMITED,
	  .help = "open files of a worker" },
	{ .name = "rlimit_cpu", LIMIT(rlimit_cpu_ms), .type = CONFIG_DURATION,
	  .min = SECOND, .max = 24 * 365 * HOUR, .def = "", .flags = MAY_BE_UNLIMITED,
	  .help = "CPU time of a worker, all its life" },
	{ .name = "rlimit_core", LIMIT(rlimit_core), .type = CONFIG_SIZE,
	  .min = 0, .max = INT64_C(1) << 50, .def = "", .flags = MAY_BE_UNLIMITED,
	  .help = "size of a worker's core file" },
	{ .name = "rlimit_nproc", LIMIT(rlimit_nproc), .type = CONFIG_INT,
	  .min = 1, .max = INT64_C(1) << 30, .def = "", .flags = MAY_BE_UNLIMITED,
	  .help = "processes of its user, wherever they come from" },
	{ .name = "nice", LIMIT(nice), .type = CONFIG_INT, .def = "",
	  .min = -20, .max = 19, .flags = CONFIG_KEY_EMPTY,
	  .help = "how much its workers give way to others" },
	{ .name = "cpu_affinity", LIMIT(cpu_affinity), .type = CONFIG_CPUS,
	  .def = "", .flags = CONFIG_KEY_EMPTY,
	  .help = "CPUs that its workers run on" },
	{ .name = "oom_score_adj", LIMIT(oom_score_adj), .type = CONFIG_INT,
	  .def = "", .min = -1000, .max = 1000, .flags = CONFIG_KEY_EMPTY,
	  .help = "whom the kernel kills first when memory runs out" },
	{ .name = "umask", LIMIT(umask), .type = CONFIG_OCTAL, .def = "",
	  .min = 0, .max = 0777, .flags = CONFIG_KEY_EMPTY,
	  .help = "permissions that new files do not get" },
	{ .name = "chroot", LIMIT(chroot), .type = CONFIG_PATH, .def = "",
	  .flags = CONFIG_KEY_EMPTY, .help = "root folder of its workers" },
	{ .name = "private_tmp", LIMIT(private_tmp), .type = CONFIG_BOOL,
	  .def = "no", .help = "give each worker a /tmp of its own" },
	{ .name = "cgroup_memory_max", LIMIT(cgroup_memory_max),
	  .type = CONFIG_SIZE, .min = 1 << 20, .max = INT64_C(1) << 50,
	  .def = "", .flags = MAY_BE_UNLIMITED,
	  .help = "memory of all its workers together" },
	{ .name = "cgroup_cpu_max", LIMIT(cgroup_cpu_max),
	  .type = CONFIG_PERCENT, .min = 1, .max = 100 * 1024,
	  .def = "", .flags = MAY_BE_UNLIMITED,
	  .help = "CPU time of all its workers together, of one CPU" },
	{ .name = "cgroup_pids_max", LIMIT(cgroup_pids_max),
	  .type = CONFIG_INT, .min = 1, .max = INT64_C(1) << 22,
	  .def = "", .flags = MAY_BE_UNLIMITED,
	  .help = "processes and threads of all its workers together" },
	{ .name = "env.NAME", SERVICE(env), .type = CONFIG_ENV,
	  .flags = CONFIG_KEY_REPEAT | CONFIG_KEY_EMPTY,
	  .help = "environment variable of its workers" },
	{ .name = "watch", SERVICE(watch), .type = CONFIG_PATHS,
	  .flags = CONFIG_KEY_REPEAT,
	  .help = "path whose change makes a reload restart it" },
	{ .name = "inherit_as", SERVICE(inherit_as), .type = CONFIG_NAMES,
	  .flags = CONFIG_KEY_REPEAT,
	  .help = "how a worker is told of the sockets that it inherits" },
	{ .name = "ready_after", SERVICE(ready_after_ms),
	  .type = CONFIG_DURATION, .def = "1s", .min = 0, .max = HOUR,
	  .help = "when a silent worker with mode = inherit is ready; 0: never" },
	{ .name = "stop_signal", SERVICE(stop_signal), .type = CONFIG_SIGNAL,
	  .def = "TERM", .min = 1, .help = "signal that stops a worker" },
	{ .name = "reload_signal", SERVICE(reload_signal), .type = CONFIG_SIGNAL,
	  .def = "none", .min = 0,
	  .help = "signal for a change of watched files" },
	{ .name = "start_timeout", SERVICE(start_timeout_ms),
	  .type = CONFIG_DURATION, .def = "10s", .min = 100, .max = HOUR,
	  .help = "time in which a worker must be ready" },
	{ .name = "stop_timeout", SERVICE(stop_timeout_ms),
	  .type = CONFIG_DURATION, .def = "10s", .min = 0, .max = 24 * HOUR,
	  .help = "time that a worker has to finish" },
	{ .name = "queue_limit", SERVICE(queue_limit), .type = CONFIG_INT,
	  .def = "1024", .min = 0, .max = 65536,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "requests that may wait for a worker" },
	{ .name = "queue_timeout", SERVICE(queue_timeout_ms),
	  .type = CONFIG_DURATION, .def = "30s", .min = 10, .max = HOUR,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "how long a request may wait for a worker" },
	{ .name = "request_timeout", SERVICE(request_timeout_ms),
	  .type = CONFIG_DURATION, .def = "60s", .min = 0, .max = 24 * HOUR,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "time that a worker has for a request; 0: any" },
	{ .name = "slow_threshold", SERVICE(slow_threshold_ms),
	  .type = CONFIG_DURATION, .def = "0", .min = 0, .max = 24 * HOUR,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "a request that takes longer is in the slow log; 0: none" },
	{ .name = "trace_signal", SERVICE(trace_signal), .type = CONFIG_SIGNAL,
	  .def = "none",
	  .flags = CONFIG_KEY_LEASE,
	  .help = "signal that makes a worker print its stack" },
	{ .name = "client_timeout", SERVICE(client_timeout_ms),
	  .type = CONFIG_DURATION, .def = "30s", .min = 100, .max = HOUR,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "how long a client may neither read nor send" },
	{ .name = "body_timeout", SERVICE(body_timeout_ms),
	  .type = CONFIG_DURATION, .def = "30s", .min = 100, .max = HOUR,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "time for a small body to arrive" },
	{ .name = "body_min_rate", SERVICE(body_min_rate),
	  .type = CONFIG_SIZE, .def = "256", .min = 0, .max = INT64_C(1) << 30,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "bytes a second at which it must arrive" },
	{ .name = "body_buffer", SERVICE(body_buffer), .type = CONFIG_SIZE,
	  .def = "64K", .min = 0, .max = 1 << 20,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "a body up to this size arrives before a worker is used" },
	{ .name = "max_body", SERVICE(max_body), .type = CONFIG_SIZE,
	  .def = "16M", .min = 0, .max = INT64_C(1) << 50,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "size of the largest body" },
	{ .name = "response_buffer", SERVICE(response_buffer), .type = CONFIG_SIZE,
	  .def = "16M", .min = 0, .max = INT64_C(64) << 30,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "what a worker may leave of responses to slow clients" },
	{ .name = "retries", SERVICE(retries), .type = CONFIG_INT, .def = "1",
	  .min = 0, .max = 100,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "how often a request is given to another worker" },
	{ .name = "breaker", SERVICE(breaker), .type = CONFIG_BOOL, .def = "yes",
	  .flags = CONFIG_KEY_LEASE,
	  .help = "refuse requests at once while the service is broken" },
	{ .name = "breaker_failures", SERVICE(breaker_failures),
	  .type = CONFIG_INT, .def = "50", .min = 0, .max = 100,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "percent of requests whose failure opens it; 0: none does" },
	{ .name = "breaker_requests", SERVICE(breaker_requests),
	  .type = CONFIG_INT, .def = "20", .min = 1, .max = 1000000,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "requests before their failures count" },
	{ .name = "breaker_window", SERVICE(breaker_window_ms),
	  .type = CONFIG_DURATION, .def = "10s", .min = 100, .max = HOUR,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "time over which requests are counted" },
	{ .name = "breaker_status", SERVICE(breaker_status), .type = CONFIG_INT,
	  .def = "0", .min = 0, .max = 599,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "lowest status of a response that has failed; 0: none" },
	{ .name = "breaker_time", SERVICE(breaker_time_ms),
	  .type = CONFIG_DURATION, .def = "5s", .min = 100, .max = HOUR,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "how long it stays open at first" },
	{ .name = "breaker_max_time", SERVICE(breaker_max_time_ms),
	  .type = CONFIG_DURATION, .def = "60s", .min = 100, .max = 24 * HOUR,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "how long it stays open at most" },
	{ .name = "breaker_trials", SERVICE(breaker_trials), .type = CONFIG_INT,
	  .def = "3", .min = 1, .max = 1024,
	  .flags = CONFIG_KEY_LEASE,
	  .help = "requests that try whether it is well again" },
	{ .name = "health_check", SERVICE(health_check), .type = CONFIG_TEXT,
	  .def = "", .flags = CONFIG_KEY_EMPTY,
	  .help = "path of a request that a healthy worker answers" },
	{ .name = "health_expect", SERVICE(health_expect), .type = CONFIG_TEXT,
	  .def = "200-399", .help = "status, and text, of a healthy answer" },
	{ .name = "health_type", SERVICE(health_type), .type = CONFIG_ENUM,
	  .def = "http", .choices = health_words,
	  .help = "how the health of workers is known" },
	{ .name = "health_interval", SERVICE(health_interval_ms),
	  .type = CONFIG_DURATION, .def = "5s", .min = 100, .max = HOUR,
	  .help = "time from one health check to the next" },
	{ .name = "health_timeout", SERVICE(health_timeout_ms),
	  .type = CONFIG_DURATION, .def = "500ms", .min = 10, .max = HOUR,
	  .help = "time in which a health check must be answered" },
	{ .name = "health_failures", SERVICE(health_failures), .type = CONFIG_INT,
	  .def = "3", .min = 1, .max = 1000,
	  .help = "failed checks in a row that make a worker sick" },
	{ .name = "health_successes", SERVICE(health_successes),
	  .type = CONFIG_INT, .def = "1", .min = 1, .max = 1000,
	  .help = "passed checks in a row that make a new worker ready" },
	{ .name = "outlier_failures", SERVICE(outlier_failures),
	  .type = CONFIG_INT, .def = "0", .min = 0, .max = 1000000,
	  .help = "5xx in a row after which a worker is recycled; 0: any" },
	{ .name = "control", SERVICE(control), .type = CONFIG_ENUM,
	  .def = "off", .choices = right_words,
	  .help = "whether its workers may see, or change, how poold runs" },
	{ .name = "required", SERVICE(required), .type = CONFIG_BOOL,
	  .def = "no", .flags = CONFIG_KEY_LIVE,
	  .help = "while it is down, poold as a whole is not ready" },
	{ .name = "description", SERVICE(description), .type = CONFIG_TEXT,
	  .def = "", .flags = CONFIG_KEY_EMPTY | CONFIG_KEY_LIVE,
	  .help = "what it is, for people" },
	{ .name = "example", SERVICE(examples), .type = CONFIG_TEXTS,
	  .flags = CONFIG_KEY_REPEAT | CONFIG_KEY_LIVE,
	  .help = "a request to try" },
	{ .name = "tags", SERVICE(tags), .type = CONFIG_NAMES,
	  .flags = CONFIG_KEY_REPEAT | CONFIG_KEY_LIVE,
	  .help = "words to select it by" },

	{ .name = "access_log", SERVICE(access_log), .type = CONFIG_ACCESS_LOG,
	  .def = "", .flags = CONFIG_KEY_EMPTY | CONFIG_KEY_LIVE | CONFIG_KEY_LEASE,
	  .help = "where one line for each of its requests goes" },
	{ .name = "access_log_format", SERVICE(access_log_format),
	  .type = CONFIG_FORMAT, .def = "",
	  .flags = CONFIG_KEY_EMPTY | CONFIG_KEY_LIVE | CONFIG_KEY_LEASE,
	  .help = "how these lines look" },
	{ .name = "server_timing", SERVICE(server_timing), .type = CONFIG_BOOL,
	  .def = "no",
	  .flags = CONFIG_KEY_LEASE,
	  .help = "tell clients where the time went" },

	{ .name = "command", LANGUAGE(command), .type = CONFIG_COMMAND,
	  .flags = CONFIG_KEY_REQUIRED,
	  .help = "how its programs are started, with {app} and the like" },
	{ .name = "app", LANGUAGE(app), .type = CONFIG_ENUM, .def = "path",
	  .choices = app_words, .help = "what the app of a service is" },
	{ .name = "option", LANGUAGE(options), .type = CONFIG_TEXTS,
	  .flags = CONFIG_KEY_REPEAT,
	  .help = "name and type of a key that its services may have" },
	{ .name = "preload", LANGUAGE(preload), .type = CONFIG_BOOL, .def = "no",
	  .help = "what a service says that does not say preload itself" },
};
/* clang-format on */

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX,
    "raise CONFIG_KEYS_MAX");

static bool
key_matches(const struct config_key *key, const char *name, size_t len)
{
	if (key->type == CONFIG_ENV)
		return len >= 4 && memcmp(name, "env.", 4) == 0;
	return strlen(key->name) == len && memcmp(key->name, name, len) == 0;
}

const struct config_key *
config_key_find(enum config_section section, const char *name)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].section == section &&
		    key_matches(&config_keys[i], name, strlen(name)))
			return &config_keys[i];
	return NULL;
}

bool
config_key_known(const char *name, size_t len)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (key_matches(&config_keys[i], name, len))
			return true;
	return false;
}

size_t
config_key_index(const struct config_key *key)
{
	return (size_t)(key - config_keys);
}

const struct config_origin *
config_key_origin(enum config_section section, const char *name,
    const struct config_origin *at)
{
	at += config_key_index(config_key_find(section, name));
	return at->file != NULL ? at : NULL;
}

const struct config_origin *
config_service_origin(const struct config_service *service, const char *name)
{
	const struct config_origin *at = config_key_origin(CONFIG_SERVICE, name,
	    service->at);

	return at != NULL ? at : &service->origin;
}

const char *
config_section_word(enum config_section section)
{
	return section_words[section];
}

#define WORD_MAX 64 /* longer words are nobody's slip of the pen */

/*
 * Optimal string alignment: insertions, deletions, substitutions and swaps of
 * neighbours, each at cost 1.  WORD_MAX for words too long to compare.
 */
static size_t
edit_distance(const char *a, const char *b)
{
	size_t d[3][WORD_MAX + 1]; /* the row before the last, last, current */
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len >= WORD_MAX || b_len >= WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = d[1][j] = d[2][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = d[i % 3];
		const size_t *up = d[(i - 1) % 3];
		const size_t *upup = d[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && upup[j - 2] + 1 < best)
				best = upup[j - 2] + 1;
			row[j] = best;
		}
	}
	return d[a_len % 3][b_len];
}

const char *
config_nearest(const char *word, const char *(*next)(const void *arg, size_t i),
    const void *arg)
{
	/* A third of the word may be wrong; one letter always may. */
	size_t limit = strlen(word) < 6 ? 1 : strlen(word) / 3;
	size_t best = limit + 1;
	const char *name, *nearest = NULL;

	for (size_t i = 0; (name = next(arg, i)) != NULL; i++) {
		size_t distance = edit_distance(word, name);

		if (distance < best && distance < strlen(name)) {
			best = distance;
			nearest = name;
		}
	}
	return nearest;
}

static const char *
key_next(const void *arg, size_t i)
{
	const enum config_section *section = arg;

	for (size_t k = 0; k < config_key_count; k++)
		if (config_keys[k].section == *section && i-- == 0)
			return config_keys[k].name;
	return NULL;
}

const char *
config_key_nearest(enum config_section section, const char *word)
{
	return config_nearest(word, key_next, &section);
}

static const char *
section_next(const void *arg, size_t i)
{
	(void)arg;
	return i < sizeof(section_words) / sizeof(section_words[0]) ? section_words[i] :
								      NULL;
}

const char *
config_section_nearest(const char *word)
{
	return config_nearest(word, section_next, NULL);
}
