/* SPDX-License-Identifier: ISC */
#include "supervisor/json_text.h"

#include <stdlib.h>

#include "common/util.h"

json_t *
json_text(const char *text)
{
	json_t *json = text != NULL ? json_string(text) : json_null();
	char *copy;

	if (json != NULL)
		return json;
	copy = util_strdup(text);
	for (char *p = copy; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	json = json_string(copy);
	free(copy);
	return json;
}
