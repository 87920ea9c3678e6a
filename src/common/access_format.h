/* SPDX-License-Identifier: ISC */
/*
 * The format of an access log, compiled: text with $names in it, or the
 * members of a JSON object.  The supervisor compiles formats to check them, the
 * router to write lines by them (router/access_line.h).  poold.ini(5) describes
 * the names.
 */
#ifndef COMMON_ACCESS_FORMAT_H
#define COMMON_ACCESS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_LINE_MAX	 8192 /* bytes of a line, newline included */
#define ACCESS_VALUE_MAX 1024 /* bytes of one value from outside, as written */
#define ACCESS_OPS_MAX	 256
#define ACCESS_WORD_SIZE 65

/* How the router tells of a request that is recorded: see logger/otlp.h. */
#define ACCESS_SPAN_FORMAT                                                               \
	"json start_ns request_id span_id parent_id method path query protocol host "    \
	"status route service remote_addr remote_port local_addr local_port user_agent " \
	"bytes worker_pid worker_slot retries router_time queue_time service_time "      \
	"phases by reason listener"

enum access_name {
	ACCESS_LITERAL, /* not a name: text that stands there as it is */
	ACCESS_REMOTE_ADDR,
	ACCESS_REMOTE_PORT,
	ACCESS_LOCAL_ADDR,
	ACCESS_LOCAL_PORT,
	ACCESS_LISTENER,
	ACCESS_TIME_LOCAL,
	ACCESS_TIME_ISO8601,
	ACCESS_TIME_MS,
	ACCESS_START_NS,
	ACCESS_REQUEST,
	ACCESS_METHOD,
	ACCESS_TARGET,
	ACCESS_PATH,
	ACCESS_QUERY,
	ACCESS_PROTOCOL,
	ACCESS_HOST,
	ACCESS_FIELD, /* $http_NAME, $referer, $user_agent */
	ACCESS_STATUS,
	ACCESS_BYTES,
	ACCESS_SERVICE,
	ACCESS_ROUTE,
	ACCESS_WORKER_PID,
	ACCESS_WORKER_SLOT,
	ACCESS_RETRIES,
	ACCESS_REQUEST_ID,
	ACCESS_SPAN_ID,
	ACCESS_PARENT_ID,
	ACCESS_SAMPLED,
	ACCESS_ROUTER_TIME,
	ACCESS_QUEUE_TIME,
	ACCESS_SERVICE_TIME,
	ACCESS_TOTAL_TIME,
	ACCESS_PHASES,
	ACCESS_BY,
	ACCESS_REASON,
	ACCESS_REQUEST_NUMBER,
	ACCESS_KEEP,
	ACCESS_NAMES,
};

struct access_op {
	uint8_t name;	  /* enum access_name */
	bool quoted;	  /* text: it stands between double quotes */
	uint16_t off;	  /* in text: of a literal, or of the name of a field */
	uint16_t len;	  /* of that */
	uint16_t reserve; /* bytes that all behind it need at least */
};

struct access_format {
	bool json;
	uint16_t count;
	struct access_op *ops;
	char *text;
};

/*
 * Compiles "poold", "combined", "json", "json NAME ..." or text with $names.
 * Returns NULL with *why, which the caller frees, and the name that is none, or
 * "" when that is not the reason.
 */
struct access_format *access_format_compile(const char *text, char **why,
    char unknown[ACCESS_WORD_SIZE]);
void access_format_free(struct access_format *format); /* NULL is fine */

/* Name number i of those that a format may have, from 0, without the dollar
 * sign; NULL past the last. */
const char *access_format_name(size_t i);

#endif
