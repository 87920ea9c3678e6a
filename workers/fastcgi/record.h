/* SPDX-License-Identifier: ISC */
/* The records of FastCGI 1.0, as a web server writes and reads them. */
#ifndef FASTCGI_RECORD_H
#define FASTCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_HEADER	   8
#define RECORD_CONTENT_MAX 65528 /* what we write at most: needs no padding */
#define RECORD_ID	   1	 /* of our requests: one at a time */

/* Section 8. */
enum record_type {
	RECORD_BEGIN_REQUEST = 1,
	RECORD_ABORT_REQUEST = 2,
	RECORD_END_REQUEST = 3,
	RECORD_PARAMS = 4,
	RECORD_STDIN = 5,
	RECORD_STDOUT = 6,
	RECORD_STDERR = 7,
	RECORD_GET_VALUES = 9,
};

enum record_protocol_status {
	RECORD_COMPLETE = 0,
	RECORD_NO_MULTIPLEXING = 1,
	RECORD_OVERLOADED = 2,
	RECORD_UNKNOWN_ROLE = 3,
};

/* Writes the header of a record without padding.  len <= 65535. */
void record_header(char out[RECORD_HEADER], enum record_type type, unsigned id,
    size_t len);

/* The record that begins a request, for a responder that keeps its connection. */
#define RECORD_BEGIN_SIZE (RECORD_HEADER + 8)
void record_begin(char out[RECORD_BEGIN_SIZE]);

/* Bytes of a name-value pair (section 3.4), and the pair itself: returns the place
 * behind. */
size_t record_pair_size(size_t name_len, size_t value_len);
char *record_pair(char *out, const char *name, size_t name_len, const char *value,
    size_t value_len);

/* What is known in the middle of the stream; zeroed at its start. */
struct record_reader {
	unsigned char header[RECORD_HEADER];
	size_t header_len;
	size_t content_left, padding_left;
	unsigned char body[8]; /* the first bytes of the content */
	size_t body_len;
};

/* A part of a record's content, as it came. */
struct record_part {
	unsigned type, id; /* type: enum record_type, or anything */
	const char *data;
	size_t len;
	bool last; /* the content ends with it */
};

/*
 * Takes the next part out of buf[0, len), which both move.  Returns 1; 0 when all
 * was taken and there is none yet; -1 when this is not FastCGI 1.
 */
int record_next(struct record_reader *reader, const char **buf, size_t *len,
    struct record_part *part);

/* With the last part of an END_REQUEST: its two numbers.  False: it is too short. */
bool record_end(const struct record_reader *reader, uint32_t *app_status,
    unsigned *protocol_status);

#endif
