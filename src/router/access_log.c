/* SPDX-License-Identifier: ISC */
#include "router/access_log.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/util.h"
#include "router/connection.h"
#include "router/generation.h"
#include "router/generation_board.h"
#include "router/listener.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"

/* --- destinations ------------------------------------------------------ */

void
access_log_init(struct access_log *log)
{
	memset(log, 0, sizeof(*log));
	TAILQ_INIT(&log->dests);
}

static struct access_dest *
find_dest(const struct access_log *log, uint32_t id)
{
	struct access_dest *dest;

	TAILQ_FOREACH (dest, &log->dests, entry)
		if (dest->id == id)
			return dest;
	return NULL;
}

void
access_log_add_dest(struct access_log *log, uint32_t id, int fd)
{
	struct access_dest *dest = find_dest(log, id);

	if (dest != NULL) {
		sink_replace(&dest->sink, fd);
		return;
	}
	dest = util_alloc(sizeof(*dest));
	dest->id = id;
	sink_open(&dest->sink, fd);
	TAILQ_INSERT_TAIL(&log->dests, dest, entry);
}

static void
remove_dest(struct access_log *log, struct access_dest *dest)
{
	TAILQ_REMOVE(&log->dests, dest, entry);
	log->dropped += dest->sink.dropped;
	sink_close(&dest->sink);
	free(dest);
}

bool
access_log_flush(struct access_log *log)
{
	struct access_dest *dest;
	bool left = false;

	TAILQ_FOREACH (dest, &log->dests, entry)
		if (dest->sink.len > 0 && sink_flush(&dest->sink))
			left = true;
	return left;
}

uint64_t
access_log_dropped(const struct access_log *log)
{
	const struct access_dest *dest;
	uint64_t sum = log->dropped;

	TAILQ_FOREACH (dest, &log->dests, entry)
		sum += dest->sink.dropped;
	return sum;
}

/* --- rules ------------------------------------------------------------- */

static void
free_rules(struct access_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		access_format_free(rules->list[i].format);
	free(rules->list);
	memset(rules, 0, sizeof(*rules));
}

void
access_log_close(struct access_log *log)
{
	struct access_dest *dest;

	free_rules(&log->rules);
	free_rules(&log->staged);
	access_format_free(log->span_format);
	log->span_format = NULL;
	log->spans = NULL;
	while ((dest = TAILQ_FIRST(&log->dests)) != NULL)
		remove_dest(log, dest);
}

/* The supervisor has compiled it before. */
static struct access_format *
compile(const char *text, size_t len)
{
	char *copy = util_alloc(len + 1), *why, unknown[ACCESS_WORD_SIZE];
	struct access_format *format;

	memcpy(copy, text, len);
	format = access_format_compile(copy, &why, unknown);
	if (format == NULL) {
		log_error("a format of the access log: %s", why);
		free(why);
	}
	free(copy);
	return format;
}

void
access_log_add_rule(struct access_log *log, const struct role_access_rule *role,
    size_t len)
{
	struct access_rules *staged = &log->staged;
	struct access_rule *rule, *list;

	if (len < sizeof(*role) || len != sizeof(*role) + role->format_len)
		return;
	list = reallocarray(staged->list, staged->count + 1, sizeof(*list));
	if (list == NULL)
		return;
	staged->list = list;
	rule = &list[staged->count++];
	memset(rule, 0, sizeof(*rule));
	rule->listener = role->listener;
	rule->inherits = role->dest == ROLE_ACCESS_INHERIT;
	rule->dest = find_dest(log, role->dest);
	strlcpy(rule->service, role->service, sizeof(rule->service));
	if (role->format_len > 0)
		rule->format = compile(role->format, role->format_len);
}

void
access_log_export(struct access_log *log, uint32_t dest)
{
	log->spans = find_dest(log, dest);
	if (log->spans != NULL && log->span_format == NULL)
		log->span_format = compile(ACCESS_SPAN_FORMAT,
		    strlen(ACCESS_SPAN_FORMAT));
}

void
access_log_assign_listener(const struct access_log *log, struct listener *listener)
{
	listener->access = NULL;
	for (size_t i = 0; i < log->rules.count; i++)
		if (log->rules.list[i].listener == listener->id)
			listener->access = &log->rules.list[i];
}

void
access_log_assign_service(const struct access_log *log, struct service *service)
{
	service->access = NULL;
	for (size_t i = 0; i < log->rules.count; i++)
		if (log->rules.list[i].listener == 0 &&
		    strcmp(log->rules.list[i].service, service->name) == 0)
			service->access = &log->rules.list[i];
}

void
access_log_commit(struct router *router)
{
	struct access_log *log = &router->access_log;
	struct access_dest *dest, *next;
	struct listener *listener;
	struct service *service;

	free_rules(&log->rules);
	log->rules = log->staged;
	memset(&log->staged, 0, sizeof(log->staged));
	TAILQ_FOREACH (listener, &router->listeners, entry)
		access_log_assign_listener(log, listener);
	TAILQ_FOREACH (service, &router->services, entry)
		access_log_assign_service(log, service);
	TAILQ_FOREACH (dest, &log->dests, entry)
		dest->wanted = false;
	for (size_t i = 0; i < log->rules.count; i++)
		if (log->rules.list[i].dest != NULL)
			log->rules.list[i].dest->wanted = true;
	if (log->spans != NULL)
		log->spans->wanted = true;
	TAILQ_FOREACH_SAFE (dest, &log->dests, entry, next)
		if (!dest->wanted)
			remove_dest(log, dest);
}

/* --- lines ------------------------------------------------------------- */

/* Where a line about this goes, and how it looks; false: nowhere. */
static bool
find_log(const struct listener *listener, const struct service *service,
    struct access_dest **dest, const struct access_format **format)
{
	const struct access_rule *rule = service != NULL ? service->access : NULL;
	const struct access_rule *below = listener->access;

	*dest = rule != NULL && !rule->inherits ? rule->dest :
	    below != NULL			? below->dest :
						  NULL;
	*format = rule != NULL && rule->format != NULL ? rule->format :
	    below != NULL			       ? below->format :
							 NULL;
	return *dest != NULL && *format != NULL;
}

static void
add_line(struct access_log *log, struct access_dest *dest,
    const struct access_format *format, const struct access_entry *entry)
{
	char line[ACCESS_LINE_MAX];

	sink_add(&dest->sink, line, access_line_write(line, format, entry, &log->clock));
}

static void
write_line(const struct connection *connection, const struct service *service,
    struct access_entry *entry)
{
	const struct listener *listener = connection->listener;
	struct access_log *log = &connection->router->access_log;
	const struct access_format *format;
	struct access_dest *dest;
	bool logged = find_log(listener, service, &dest, &format);
	bool recorded = log->spans != NULL && (entry->msg->flags & LEASE_SAMPLED) != 0;

	if (!logged && !recorded)
		return;
	entry->client = &connection->client;
	entry->local = &connection->local;
	entry->listener = listener->name;
	entry->number = connection->requests;
	entry->service = service != NULL ? service->name : NULL;
	if (logged)
		add_line(log, dest, format, entry);
	if (recorded)
		add_line(log, log->spans, log->span_format, entry);
}

static uint64_t
ns_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? to_ns - from_ns : 0;
}

void
access_log_describe(struct access_entry *entry, struct access_times *times,
    const struct request *request)
{
	uint64_t now_ns = request->service->router->loop.now_ns;

	*entry = (struct access_entry){ .head = request_head(request),
		.head_len = request->msg.head_len,
		.msg = &request->msg,
		.parsed = true,
		/* tail begins with the fields; malloc and the struct align it */
		.fields = (const void *)request->tail,
		.path = request->tail + request->path_off,
		.phases = request->phases,
		.slot = ACCESS_NO_SLOT,
		.retries = request->retries };
	if (request->msg.queued_ns == 0)
		return; /* its body did not come */
	entry->times = times;
	*times = (struct access_times){
		.router = ns_between(request->msg.accepted_ns, request->msg.queued_ns),
		.queue = ns_between(request->msg.queued_ns, now_ns),
	};
}

/* The same when some worker had it; service_us is what that told, or 0. */
static void
describe_leased(struct access_entry *entry, struct access_times *times,
    const struct request *request, uint32_t service_us)
{
	uint64_t now_ns = request->service->router->loop.now_ns;
	uint64_t taken_ns = generation_board_taken_ns(request);
	uint64_t told_ns = (uint64_t)service_us * 1000;

	access_log_describe(entry, times, request);
	entry->slot = generation_board_owner(request->generation, request);
	times->queue = ns_between(request->msg.queued_ns, taken_ns);
	times->service = ns_between(taken_ns, now_ns);
	/* ours has the time in it that DONE waited to be read */
	if (told_ns > 0 && told_ns < times->service)
		times->service = told_ns;
}

void
access_log_done(const struct request *request, const struct lease_done *done,
    pid_t sender, bool keep)
{
	struct access_entry entry;
	struct access_times times;

	describe_leased(&entry, &times, request, done->service_us);
	entry.status = done->status;
	entry.bytes = done->bytes;
	entry.pid = sender;
	entry.keep = keep;
	write_line(request->connection, request->service, &entry);
}

void
access_log_cut(const struct request *request)
{
	struct access_entry entry;
	struct access_times times;

	describe_leased(&entry, &times, request, 0);
	entry.status = 502;
	entry.by_router = true;
	entry.reason = "the worker died in the middle of its response";
	write_line(request->connection, request->service, &entry);
}

void
access_log_answer(const struct connection *connection, const struct service *service,
    struct access_entry *entry)
{
	entry->slot = ACCESS_NO_SLOT;
	entry->by_router = true;
	write_line(connection, service, entry);
}
