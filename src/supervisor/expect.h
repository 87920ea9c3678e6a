/* SPDX-License-Identifier: ISC */
/*
 * What the response to a health check must be: health_expect of poold.ini(5).
 *
 *	expect = status *( "," status ) [ '"' text '"' ]
 *	status = 3DIGIT / DIGIT "xx" / 3DIGIT "-" 3DIGIT
 *
 * with white space allowed around each part.  The text is everything between
 * the first quote and the last.
 */
#ifndef SUPERVISOR_EXPECT_H
#define SUPERVISOR_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/answer.h"
#include "supervisor/config_value.h"

#define EXPECT_RANGES_MAX 8
#define EXPECT_GOT_SIZE	  128

struct expect {
	struct {
		uint16_t from, to; /* both included */
	} ranges[EXPECT_RANGES_MAX];
	size_t range_count;
	const char *text; /* within the value; NULL: none is asked for */
	size_t text_len;
};

/* Reads a value.  Returns whether it is one; else why holds the reason. */
bool expect_parse(struct expect *expect, const char *value, char why[CONFIG_WHY_SIZE]);

/*
 * Whether the answer, of which nothing more will come, is what was expected.
 * got says what it was, for the log: "status 503", "no answer".
 */
bool expect_judge(const struct expect *expect, const struct answer *answer,
    char got[EXPECT_GOT_SIZE]);

#endif
