/* SPDX-License-Identifier: ISC */
#include "supervisor/event.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/util.h"
#include "supervisor/control_wait.h"
#include "supervisor/json_text.h"
#include "supervisor/supervisor.h"

json_t *
event_time(void)
{
	struct timespec ts;
	struct tm tm;
	char text[40];
	size_t len;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, sizeof(text) - len, ".%03ldZ", ts.tv_nsec / 1000000);
	return json_string(text);
}

static void
keep(struct events *events, char *line)
{
	char **place = &events->kept[events->count++ % EVENT_KEPT];

	free(*place);
	*place = line;
}

void
event_tell(struct supervisor *supervisor, const char *name, const char *service,
    const char *fields, ...)
{
	json_t *event = json_pack("{s:s, s:I, s:o, s:o}", "event", name, "id",
	    (json_int_t)supervisor->events.count + 1, "time", event_time(), "service",
	    json_text(service));
	json_t *more;
	json_error_t error;
	char *format, *text;
	va_list ap;

	if (event == NULL)
		return;
	if (fields != NULL) {
		format = util_asprintf("{%s}", fields);
		va_start(ap, fields);
		more = json_vpack_ex(&error, 0, format, ap);
		va_end(ap);
		free(format);
		if (more != NULL)
			json_object_update(event, more);
		json_decref(more);
	}
	text = json_dumps(event, JSON_COMPACT);
	json_decref(event);
	if (text == NULL)
		return;
	keep(&supervisor->events, util_asprintf("%s\n", text));
	free(text);
	control_wait_event(&supervisor->control,
	    supervisor->events.kept[(supervisor->events.count - 1) % EVENT_KEPT]);
}

void
events_free(struct events *events)
{
	for (size_t i = 0; i < EVENT_KEPT; i++)
		free(events->kept[i]);
	memset(events, 0, sizeof(*events));
}
