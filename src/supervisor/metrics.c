/* SPDX-License-Identifier: ISC */
#include "supervisor/metrics.h"

#include <jansson.h>

#include "supervisor/supervisor.h"

json_t *
metrics_count(uint64_t count)
{
	return json_integer(count < INT64_MAX ? (json_int_t)count : INT64_MAX);
}

void
metrics_add(json_t *samples, json_t *labels, json_t *value)
{
	json_array_append_new(samples,
	    json_pack("{s:o, s:o}", "labels", labels != NULL ? labels : json_object(),
		"value", value));
}

static void
add_families(json_t *families, struct supervisor *supervisor, const struct metric *table,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *samples = json_array();

		table[i].collect(&table[i], supervisor, samples);
		json_array_append_new(families,
		    json_pack("{s:s, s:s, s:s, s:o}", "name", table[i].name, "type",
			table[i].type, "help", table[i].help, "samples", samples));
	}
}

json_t *
metrics_families(struct supervisor *supervisor)
{
	json_t *families = json_array();

	usage_begin(&supervisor->usage);
	add_families(families, supervisor, metrics_of_services,
	    metrics_of_services_count);
	add_families(families, supervisor, metrics_of_poold, metrics_of_poold_count);
	return families;
}
