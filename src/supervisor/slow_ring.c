/* SPDX-License-Identifier: ISC */
#include "supervisor/slow_ring.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "common/util.h"
#include "supervisor/event.h"
#include "supervisor/json_text.h"
#include "supervisor/slow_log.h"

/* One text a line; null when it may not be read. */
static json_t *
stack_json(const char *stack)
{
	json_t *lines;
	char line[256];
	size_t len;

	if (*stack == '\0')
		return json_null();
	lines = json_array();
	for (; *stack != '\0'; stack += len + (stack[len] == '\n')) {
		len = strcspn(stack, "\n");
		strlcpy(line, stack, len + 1 < sizeof(line) ? len + 1 : sizeof(line));
		json_array_append_new(lines, json_text(line));
	}
	return lines;
}

/* "?" is what may not be read. */
static json_t *
known_text(const char *text)
{
	return strcmp(text, "?") == 0 ? json_null() : json_text(text);
}

static json_t *
entry_json(const struct slow_entry *entry, uint64_t id)
{
	char call[SLOW_CALL_MAX];

	return json_pack(
	    "{s:I, s:o, s:s, s:i, s:i, s:f, s:o, s:o, s:b, s:o, s:o, s:o, s:o}", "id",
	    (json_int_t)id, "time", event_time(), "service", entry->service, "slot",
	    (int)entry->worker, "pid", (int)entry->pid, "request_seconds",
	    slow_log_seconds(entry), "request", json_text(entry->request), "request_id",
	    json_text(entry->id[0] != '\0' ? entry->id : NULL), "killed",
	    strcmp(entry->what, "killed") == 0, "wchan", known_text(entry->look->wchan),
	    "syscall", known_text(slow_log_call(entry->look, call)), "stack",
	    stack_json(entry->look->stack), "trace_signal", json_text(entry->trace));
}

void
slow_ring_keep(struct slow_ring *ring, const struct slow_entry *entry)
{
	json_t *json = entry_json(entry, ring->count + 1);
	json_t **place;

	if (json == NULL)
		return;
	place = &ring->kept[ring->count++ % SLOW_RING_KEPT];
	json_decref(*place);
	*place = json;
}

/* "GET /search?..." */
static json_t *
without_query(json_t *entry)
{
	json_t *copy = json_copy(entry);
	const char *request = json_string_value(json_object_get(entry, "request"));
	const char *query = request != NULL ? strchr(request, '?') : NULL;
	char *text;

	if (copy != NULL && query != NULL) {
		text = util_asprintf("%.*s?...", (int)(query - request), request);
		json_object_set_new(copy, "request", json_text(text));
		free(text);
	}
	return copy;
}

json_t *
slow_ring_list(const struct slow_ring *ring, uint64_t since, const char *service,
    bool queries)
{
	uint64_t first = ring->count > SLOW_RING_KEPT ? ring->count - SLOW_RING_KEPT : 0;
	json_t *list = json_array(), *entry;
	const char *name;

	for (uint64_t i = since > first ? since : first; i < ring->count; i++) {
		entry = ring->kept[i % SLOW_RING_KEPT];
		name = json_string_value(json_object_get(entry, "service"));
		if (service == NULL || (name != NULL && strcmp(name, service) == 0))
			json_array_append_new(list,
			    queries ? json_incref(entry) : without_query(entry));
	}
	return list;
}

void
slow_ring_free(struct slow_ring *ring)
{
	for (size_t i = 0; i < SLOW_RING_KEPT; i++)
		json_decref(ring->kept[i]);
	memset(ring, 0, sizeof(*ring));
}
