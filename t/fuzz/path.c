/* SPDX-License-Identifier: ISC */
/*
 * The canonical path, on which routing is decided.  Whatever a client sends
 * must come out in the one form that routes are compared with, or not at all.
 */
#include "common/http.h"
#include "t/fuzz/fuzz.h"

/* Room for any input: only the length of the raw path is limited. */
#define OUT_MAX 65536

/* Whether text has the segment "", "." or "..", but for a final empty one. */
static bool
has_dots(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		const char *segment = text + ++i; /* behind a slash */
		const char *slash = memchr(segment, '/', len - i);
		size_t n = slash != NULL ? (size_t)(slash - segment) : len - i;

		if ((n == 0 && slash != NULL) || (n == 1 && segment[0] == '.') ||
		    (n == 2 && memcmp(segment, "..", 2) == 0))
			return true;
		i += n;
	}
	return false;
}

static bool
has_text(const char *text, size_t len, const char *part)
{
	return memmem(text, len, part, strlen(part)) != NULL;
}

/* Decodes once more, as a careless program behind poold may. */
static size_t
decode(const char *text, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%' && len - i > 2 && http_hex(text[i + 1]) >= 0 &&
		    http_hex(text[i + 2]) >= 0) {
			out[n++] = (char)(http_hex(text[i + 1]) << 4 |
			    http_hex(text[i + 2]));
			i += 2;
		} else {
			out[n++] = text[i];
		}
	}
	return n;
}

static bool
climbs(const char *text, size_t len)
{
	return has_text(text, len, "/../") ||
	    (len >= 3 && memcmp(text + len - 3, "/..", 3) == 0);
}

static void
canonical_check(const char *raw, size_t raw_len, const char *out, size_t len,
    bool encoded_slash)
{
	static char again[OUT_MAX];
	size_t again_len = 0;
	bool again_slash;

	FUZZ_CHECK(len > 0 && out[0] == '/');
	FUZZ_CHECK(len <= (raw_len > 0 ? raw_len : 1));
	FUZZ_CHECK(!has_dots(out, len));
	FUZZ_CHECK(memchr(out, '\\', len) == NULL);
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK((unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
	FUZZ_CHECK(
	    encoded_slash || (!has_text(out, len, "%2F") && !has_text(out, len, "%2f")));
	FUZZ_CHECK(!climbs(again, decode(out, len, again)));
	/* Decoding "%25" makes a percent sign that did not stand there. */
	if (has_text(raw, raw_len, "%25"))
		return;
	FUZZ_CHECK(
	    http_path_canonical(out, len, again, len, &again_len, &again_slash) == NULL);
	FUZZ_CHECK(again_len == len && memcmp(again, out, len) == 0);
	FUZZ_CHECK(again_slash == has_text(out, len, "%2F"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size > 0 ? size : 1, len = 0;
	char *raw, *out;
	const char *why;
	bool encoded_slash = false;

	if (size > OUT_MAX)
		return 0;
	raw = fuzz_copy(data, size);
	out = malloc(room);
	FUZZ_CHECK(out != NULL);
	why = http_path_canonical(raw, size, out, room, &len, &encoded_slash);
	if (why == NULL)
		canonical_check(raw, size, out, len, encoded_slash);
	else
		FUZZ_CHECK(size > 0 && why[0] != '\0');
	/* One byte less of room than there may be need for is refused. */
	FUZZ_CHECK(
	    http_path_canonical(raw, size, out, room - 1, &len, &encoded_slash) != NULL);
	free(out);
	free(raw);
	return 0;
}
