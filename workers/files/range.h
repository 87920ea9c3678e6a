/* SPDX-License-Identifier: ISC */
/* Byte ranges (RFC 9110 section 14). */
#ifndef FILES_RANGE_H
#define FILES_RANGE_H

#include <stdint.h>

enum range_result {
	RANGE_WHOLE,	     /* ignore the field, send everything */
	RANGE_PART,	     /* send [start, start + len) */
	RANGE_UNSATISFIABLE, /* 416: none of it is within the file */
};

struct range {
	uint64_t start;
	uint64_t len;
};

/*
 * Reads the value of a Range field for a file of size bytes.  Other units,
 * what is not well-formed, and several ranges are ignored, as a server may.
 * *range is written only with RANGE_PART; its len is then at least 1.
 */
enum range_result range_parse(const char *value, uint64_t size, struct range *range);

#endif
