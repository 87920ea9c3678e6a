/* SPDX-License-Identifier: ISC */
/* Text of any origin as a JSON string. */
#ifndef SUPERVISOR_JSON_TEXT_H
#define SUPERVISOR_JSON_TEXT_H

#include <jansson.h>

/* What is not UTF-8 becomes question marks.  NULL: null.  New reference. */
json_t *json_text(const char *text);

#endif
