/* SPDX-License-Identifier: ISC */
/*
 * HTTP/1 heads (RFC 9110, RFC 9112): the one parser of router and libpoold.
 *
 * Strict where framing is at stake, since router and worker must never
 * disagree about where a request ends.  Nothing here allocates or does I/O.
 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/lease.h"

#define HTTP_LINE_MAX	  (8 * 1024)	   /* of the request line, no CRLF; else 414 */
#define HTTP_METHOD_MAX	  32		   /* bytes of a method; else 501 */
#define HTTP_HEAD_MAX	  LEASE_HEAD_MAX   /* bytes of a head; else 431 */
#define HTTP_FIELDS_MAX	  LEASE_FIELDS_MAX /* fields of a head; else 431 */
#define HTTP_PATH_MAX	  LEASE_PATH_MAX
#define HTTP_BODY_CHUNKED LEASE_BODY_CHUNKED

enum http_result {
	HTTP_OK,   /* the head is whole */
	HTTP_MORE, /* it is not: come back with more bytes */
	HTTP_BAD,  /* refuse it: status and reason say how and why */
};

enum http_method {
	HTTP_OTHER,
	HTTP_GET,
	HTTP_HEAD,
	HTTP_OPTIONS,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_PATCH,
	HTTP_CONNECT,
	HTTP_TRACE,
};

struct http_head {
	uint32_t head_len; /* leading empty lines and the final one included */
	uint64_t body_len; /* bytes, or HTTP_BODY_CHUNKED */
	enum http_method method_id;
	uint8_t minor;	      /* 0: HTTP/1.0, 1: HTTP/1.1 (and any later 1.x) */
	bool keep_alive;      /* by version and Connection (RFC 9112 section 9.3) */
	bool expect_continue; /* Expect: 100-continue on 1.1 */
	bool upgrade;	      /* Connection: upgrade with Upgrade, on 1.1 */
	bool asterisk;	      /* the target is "*"; only OPTIONS */
	struct lease_span method;
	struct lease_span target; /* as sent */
	struct lease_span path;	  /* raw path within the target; absolute-form
				   * without a path: len 0, meaning "/"; len 0
				   * for "*" too */
	struct lease_span query;  /* behind the '?'; len 0 when there is none */
	struct lease_span host;	  /* authority without userinfo: of the target
				   * if absolute, or of Host; len 0 if none */
	uint16_t field_count;
	struct lease_field fields[HTTP_FIELDS_MAX];
	/* HTTP_BAD: (else 0 and NULL) */
	uint16_t status;    /* 400, 414, 431, 501 or 505 */
	const char *reason; /* static, one line, for people */
};

/*
 * Parses the head of a request in buf[0, len).  Fills head; its spans are
 * offsets into buf.  The rules are those of RFC 9112 sections 2 to 7 and 9.3
 * and RFC 9110 sections 4.2, 5.5 and 7.2, in their strict reading: see
 * t/unit/check_http*.c, which have a test for each.  Bytes behind the head are
 * not looked at.  len may be larger than HTTP_HEAD_MAX; a head that does not
 * end within it is 431 (414 while still in the request line).
 *
 * A head is judged from left to right: HTTP_BAD comes with the first byte that
 * proves it (for the values of Host, Content-Length and Transfer-Encoding with
 * the end of their line), and neither verdict nor status depends on how many
 * bytes followed.  After HTTP_BAD the spans that were read before the fault
 * are set, for the log; the others are empty.
 */
enum http_result http_head_parse(struct http_head *head, const char *buf, size_t len);

/*
 * The value of the first field named name (case-insensitive), or NULL.  buf is
 * what head was parsed from.
 */
const struct lease_span *http_field_find(const struct lease_field *fields,
    size_t field_count, const char *buf, const char *name);

/*
 * The one canonical path of a raw path: percent-decoded once except %2F (kept,
 * as "%2F"), dot segments and repeated slashes resolved (RFC 3986 section
 * 5.2.4).  Slashes are merged before dot segments are resolved: "/a//../b" is
 * "/b".  Writes at most size bytes to out, no NUL, and its length to out_len;
 * the result is never longer than raw (an empty raw is "/"), so a size of
 * HTTP_PATH_MAX is always enough for what http_head_parse found.
 * *encoded_slash says whether out holds a "%2F" (or "%2f"): one that was met,
 * or one that came out of "%252F", which out could not tell from the other.
 * Returns NULL, or why the path is refused (static): NUL, control characters
 * or backslash once decoded, a bad "%", a path that climbs above the root, dot
 * segments that appear only after decoding twice, raw_len over size.  out_len
 * and encoded_slash are meaningless then.
 */
const char *http_path_canonical(const char *raw, size_t raw_len, char *out, size_t size,
    size_t *out_len, bool *encoded_slash);

/*
 * Reads an authority "host[:port]" from p[0, end), which is not empty, as far
 * as it goes.  Returns where it ends, or NULL when it is broken; *whole is
 * false when end cut off its host.  An empty host is broken (RFC 9110 section
 * 4.2.1 forbids it in http URIs, and ":80" in Host names nobody), so are IPv6
 * zones and IPvFuture; an empty port is not.
 */
const char *http_authority_scan(const char *p, const char *end, bool *whole);

/*
 * Splits an authority "host[:port]" (as found by http_head_parse, hence valid)
 * into host (brackets of an IPv6 literal kept) and port (0: none given, or
 * given as 0).
 */
void http_authority_split(const char *authority, size_t len, size_t *host_len,
    uint16_t *port);

/* The decoder of chunked bodies (RFC 9112 section 7.1). */
#define HTTP_CHUNK_EXT_MAX     1024 /* bytes of extensions of one chunk */
#define HTTP_CHUNK_TRAILER_MAX 8192 /* bytes of all trailer fields */

struct http_chunked {
	uint8_t state;
	uint8_t digits;	  /* hex digits of the size read so far */
	bool done;	  /* the last chunk and its trailers were read */
	uint32_t ext_len; /* extension or trailer bytes seen, for their limits */
	uint64_t left;	  /* bytes left of the current chunk */
};

/* Ready for the first byte of a body; all bytes 0 is the same. */
void http_chunked_init(struct http_chunked *c);

/*
 * Decodes what it can of in[0, in_len) into out[0, out_size); out may be in.
 * *used is how many bytes of in were read (never beyond the body's end); less
 * than in_len means that out is full or the body is over.  Returns the bytes
 * written to out, which may be 0 when more input is needed; -1, then and ever
 * after, when the coding is broken or a limit is passed.  c->done says that
 * the body is over.  Trailer fields are checked and dropped.
 */
ssize_t http_chunked_decode(struct http_chunked *c, const char *in, size_t in_len,
    size_t *used, char *out, size_t out_size);

/* "Not Found" for 404; "Unknown" for what is not registered. */
const char *http_reason(unsigned status);

/* Whether text[0, len) is word, in any mix of (ASCII) cases. */
bool http_word_is(const char *text, size_t len, const char *word);

/*
 * Cuts the next element off a comma-separated list, for values without quoted
 * strings: [*start, returned pointer), without the white space around it.
 * *value is where to go on, NULL behind the last element.  Empty elements come
 * as such; an empty list has one.
 */
const char *http_list_next(const char **value, const char *end, const char **start);

/* Classes of characters: http_class[(unsigned char)c] & HTTP_CLASS_... */
enum http_class {
	HTTP_CLASS_TOKEN = 1 << 0, /* RFC 9110 section 5.6.2 */
	HTTP_CLASS_VALUE = 1 << 1, /* of field values: visible, SP, HTAB, 80-FF */
	HTTP_CLASS_HOST = 1 << 2,  /* of RFC 3986 reg-name, but for "%" */
	HTTP_CLASS_PATH = 1 << 3,  /* of paths, as browsers send them */
	HTTP_CLASS_QUERY = 1 << 4, /* of queries, as browsers send them */
	HTTP_CLASS_HEX = 1 << 5,
};
extern const uint8_t http_class[256];

/* The value of a hex digit, or -1. */
int http_hex(char c);

#endif
