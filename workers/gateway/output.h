/* SPDX-License-Identifier: ISC */
/* The head of what a CGI or FastCGI program writes (RFC 3875 section 6). */
#ifndef GATEWAY_OUTPUT_H
#define GATEWAY_OUTPUT_H

#include <stdint.h>
#include <sys/types.h>

/* Of a head; libpoold must have room for it, with some bytes more for each
 * field. */
#define OUTPUT_HEAD_MAX	  (15 * 1024)
#define OUTPUT_FIELDS_MAX 100

struct output_field {
	const char *name, *value;
};

struct output_head {
	int status;				       /* of Status; 0: none */
	const char *location;			       /* NULL: none */
	const char *type;			       /* of Content-Type; NULL: none */
	int64_t length;				       /* of Content-Length; -1: none */
	struct output_field fields[OUTPUT_FIELDS_MAX]; /* the others */
	size_t field_count;
};

/*
 * Parses the head at the start of buf, which it changes and which head then
 * points into.  Returns its length with the empty line at its end; 0 when more
 * must be read; -1 when it is malformed or too long, *why (static) says how.
 * Fields that are about a connection are left out.
 */
ssize_t output_parse(char *buf, size_t len, struct output_head *head, const char **why);

/*
 * The status in the first line of what an nph- program writes, which is HTTP.
 * 0 when more must be read; -1 when it is no status line.
 */
int output_raw_status(const char *buf, size_t len);

#endif
