/* SPDX-License-Identifier: ISC */
#include "logger/otlp.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

enum { KIND_INTERNAL = 1, KIND_SERVER = 2 };
enum { STATUS_UNSET = 0, STATUS_ERROR = 2 };

#define MAX_SECONDS 1e7 /* longer than any request */

/* --- attributes -------------------------------------------------------- */

/* 64-bit integers are strings in OTLP/JSON. */
static json_t *
number_text(uint64_t n)
{
	return json_sprintf("%" PRIu64, n);
}

static void
add_attribute(json_t *list, const char *key, const char *type, json_t *value)
{
	json_array_append_new(list,
	    json_pack("{s:s, s:{s:o}}", "key", key, "value", type, value));
}

static void
add_text(json_t *list, const char *key, const json_t *value)
{
	if (json_is_string(value))
		add_attribute(list, key, "stringValue",
		    json_string(json_string_value(value)));
}

static void
add_number(json_t *list, const char *key, const json_t *value)
{
	if (json_is_integer(value))
		add_attribute(list, key, "intValue",
		    number_text((uint64_t)json_integer_value(value)));
}

/* "HTTP/1.1" is version 1.1 of the protocol http. */
static void
add_version(json_t *list, const json_t *protocol)
{
	const char *text = json_string_value(protocol);
	const char *slash = text != NULL ? strchr(text, '/') : NULL;

	if (slash != NULL)
		add_attribute(list, "network.protocol.version", "stringValue",
		    json_string(slash + 1));
}

/* "example.org:8080" is an address and a port. */
static void
add_server(json_t *list, const json_t *host)
{
	const char *text = json_string_value(host), *colon;

	if (text == NULL)
		return;
	colon = strrchr(text, ':');
	if (colon != NULL && strchr(colon, ']') != NULL)
		colon = NULL; /* of an IPv6 address */
	add_attribute(list, "server.address", "stringValue",
	    json_stringn(text, colon != NULL ? (size_t)(colon - text) : strlen(text)));
	if (colon != NULL && colon[1] != '\0')
		add_attribute(list, "server.port", "intValue", json_string(colon + 1));
}

/* By the semantic conventions for HTTP servers. */
static json_t *
attributes_of(const json_t *line)
{
	static const struct {
		const char *key, *name;
	} texts[] = {
		{ "http.request.method", "method" },
		{ "url.path", "path" },
		{ "url.query", "query" },
		{ "http.route", "route" },
		{ "client.address", "remote_addr" },
		{ "network.peer.address", "remote_addr" },
		{ "network.local.address", "local_addr" },
		{ "user_agent.original", "user_agent" },
		{ "poold.service", "service" },
		{ "poold.listener", "listener" },
		{ "poold.answered_by", "by" },
		{ "poold.refusal", "reason" },
	}, numbers[] = {
		{ "http.response.status_code", "status" },
		{ "http.response.size", "bytes" },
		{ "network.peer.port", "remote_port" },
		{ "network.local.port", "local_port" },
		{ "poold.worker.pid", "worker_pid" },
		{ "poold.worker.slot", "worker_slot" },
		{ "http.request.resend_count", "retries" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		add_text(list, texts[i].key, json_object_get(line, texts[i].name));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		add_number(list, numbers[i].key, json_object_get(line, numbers[i].name));
	add_attribute(list, "url.scheme", "stringValue", json_string("http"));
	add_server(list, json_object_get(line, "host"));
	add_version(list, json_object_get(line, "protocol"));
	return list;
}

/* --- spans ------------------------------------------------------------- */

static json_t *
span(const char *trace, const char *id, const char *parent, const char *name, int kind,
    uint64_t begin_ns, uint64_t end_ns)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o}", "traceId", trace,
	    "spanId", id, "name", name, "kind", kind, "startTimeUnixNano",
	    number_text(begin_ns), "endTimeUnixNano", number_text(end_ns));

	if (parent != NULL)
		json_object_set_new(object, "parentSpanId", json_string(parent));
	return object;
}

/* One below that of the request: INTERNAL, with an id of its own. */
static void
add_child(json_t *list, const char *trace, const char *parent, const char *name,
    uint64_t begin_ns, uint64_t end_ns)
{
	uint8_t bytes[8];
	char id[17];

	util_random(bytes, sizeof(bytes));
	util_hex(bytes, sizeof(bytes), id);
	json_array_append_new(list,
	    span(trace, id, parent, name, KIND_INTERNAL, begin_ns, end_ns));
}

/* Seconds in nanoseconds; 0 for what is no time. */
static uint64_t
ns_of(const json_t *seconds)
{
	double value = json_number_value(seconds);

	return value > 0 && value < MAX_SECONDS ? (uint64_t)(value * 1e9 + 0.5) : 0;
}

/*
 * The worker tells how long each phase was, not when: they are shown one after
 * the other from the moment it took the request.
 */
static void
add_phases(json_t *list, json_t *line, const char *trace, const char *parent,
    uint64_t begin_ns)
{
	const char *name;
	json_t *phases = json_object_get(line, "phases"), *seconds;

	json_object_foreach(phases, name, seconds)
	{
		uint64_t end_ns = begin_ns + ns_of(seconds);

		add_child(list, trace, parent, name, begin_ns, end_ns);
		begin_ns = end_ns;
	}
}

/* Queue, worker and phases. */
static void
add_children(json_t *list, json_t *line, const char *trace, const char *parent,
    uint64_t begin_ns)
{
	uint64_t queued_ns = begin_ns + ns_of(json_object_get(line, "router_time"));
	uint64_t taken_ns = queued_ns + ns_of(json_object_get(line, "queue_time"));
	uint64_t end_ns = taken_ns + ns_of(json_object_get(line, "service_time"));
	uint8_t bytes[8];
	char worker[17];

	if (json_is_null(json_object_get(line, "queue_time")))
		return;
	add_child(list, trace, parent, "queue", queued_ns, taken_ns);
	if (end_ns == taken_ns)
		return;
	util_random(bytes, sizeof(bytes));
	util_hex(bytes, sizeof(bytes), worker);
	json_array_append_new(list,
	    span(trace, worker, parent, "worker", KIND_INTERNAL, taken_ns, end_ns));
	add_phases(list, line, trace, worker, taken_ns);
}

/* "GET /api": what is asked for is no name, since there is no end to it. */
static json_t *
name_of(const json_t *line)
{
	const char *method = json_string_value(json_object_get(line, "method"));
	const char *route = json_string_value(json_object_get(line, "route"));

	return json_sprintf("%s%s%s", method != NULL ? method : "HTTP",
	    route != NULL ? " " : "", route != NULL ? route : "");
}

static json_t *
server_span(json_t *line, const char *trace, const char *id, uint64_t begin_ns)
{
	const char *parent = json_string_value(json_object_get(line, "parent_id"));
	json_int_t status = json_integer_value(json_object_get(line, "status"));
	uint64_t end_ns = begin_ns + ns_of(json_object_get(line, "router_time")) +
	    ns_of(json_object_get(line, "queue_time")) +
	    ns_of(json_object_get(line, "service_time"));
	json_t *object = span(trace, id, parent, "", KIND_SERVER, begin_ns, end_ns);

	json_object_set_new(object, "name", name_of(line));
	json_object_set_new(object, "attributes", attributes_of(line));
	json_object_set_new(object, "status",
	    json_pack("{s:i}", "code", status >= 500 ? STATUS_ERROR : STATUS_UNSET));
	return object;
}

static bool
is_hex(const char *text, size_t len)
{
	return text != NULL && strlen(text) == len &&
	    strspn(text, "0123456789abcdef") == len;
}

bool
otlp_add(struct otlp *otlp, const char *text, size_t len)
{
	json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *trace = json_string_value(json_object_get(line, "request_id"));
	const char *id = json_string_value(json_object_get(line, "span_id"));
	json_int_t begin_ns = json_integer_value(json_object_get(line, "start_ns"));
	bool valid = is_hex(trace, 32) && is_hex(id, 16) && begin_ns > 0;

	if (valid) {
		if (otlp->spans == NULL)
			otlp->spans = json_array();
		json_array_append_new(otlp->spans,
		    server_span(line, trace, id, (uint64_t)begin_ns));
		add_children(otlp->spans, line, trace, id, (uint64_t)begin_ns);
		otlp->count++;
	}
	json_decref(line);
	return valid;
}

char *
otlp_take(struct otlp *otlp)
{
	json_t *resource, *message;
	char *text;

	if (otlp->spans == NULL)
		return NULL;
	resource = json_array();
	add_attribute(resource, "service.name", "stringValue", json_string("poold"));
	add_attribute(resource, "service.version", "stringValue",
	    json_string(PACKAGE_VERSION));
	message = json_pack("{s:[{s:{s:o}, s:[{s:{s:s, s:s}, s:o}]}]}", "resourceSpans",
	    "resource", "attributes", resource, "scopeSpans", "scope", "name", "poold",
	    "version", PACKAGE_VERSION, "spans", otlp->spans);
	otlp->spans = NULL;
	otlp->count = 0;
	text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	return text;
}
