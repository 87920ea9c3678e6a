/* SPDX-License-Identifier: ISC */
/*
 * Access logs: any format for any request.  The first byte of the input says
 * what the rest is:
 *   'p' the text of phases behind a DONE: what is taken is what would be written
 *   else a format, up to a zero byte, and the head of a request.  If it compiles,
 *       the line is one line, no longer than the longest, without a byte that
 *       does not print; a line of JSON is JSON.
 */
#include <jansson.h>

#include "common/http.h"
#include "common/lease_head.h"
#include "router/access_line.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static void
phases_run(const char *text, size_t len)
{
	char again[LEASE_PHASES_SIZE];
	struct phases phases;

	if (!phases_parse(&phases, text, len)) {
		FUZZ_CHECK(phases.count == 0);
		return;
	}
	FUZZ_CHECK(phases_format(&phases, again) == len);
	FUZZ_CHECK(memcmp(again, text, len) == 0);
	for (uint32_t i = 0; i < phases.count; i++)
		FUZZ_CHECK(phases_name_valid(phases.list[i].name));
}

static void
line_check(const char *line, size_t len, bool json)
{
	json_t *object;

	FUZZ_CHECK(len > 0 && len <= ACCESS_LINE_MAX && line[len - 1] == '\n');
	for (size_t i = 0; i < len - 1; i++)
		FUZZ_CHECK((unsigned char)line[i] >= ' ' && line[i] != 0x7f &&
		    (json || (unsigned char)line[i] < 0x80));
	if (!json)
		return;
	object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_CHECK(json_is_object(object));
	json_decref(object);
}

/* The head, parsed if it is one; else what there is of it. */
static void
line_run(const struct access_format *format, const char *head, size_t len)
{
	static struct http_head parsed;
	static struct access_clock hours;
	static char line[ACCESS_LINE_MAX];
	struct access_times times = { 1, 2000, UINT64_MAX / 8 };
	struct lease_addr addr = { .family = LEASE_FAMILY_INET6, .port = UINT16_MAX };
	struct phases phases = { .count = 1,
		.list = { { .name = "db", .us = UINT32_MAX } } };
	struct lease_msg msg = { .accepted_ns = 1 };
	struct access_entry entry = { .client = &addr,
		.local = &addr,
		.listener = "main",
		.head = head,
		.head_len = len,
		.msg = &msg,
		.slot = ACCESS_NO_SLOT,
		.bytes = UINT64_MAX,
		.reason = "no HTTP" };

	memset(addr.addr, 0xff, sizeof(addr.addr));
	if (http_head_parse(&parsed, head, len) == HTTP_OK) {
		(void)lease_head_fill(&msg, &parsed, head, 1);
		entry.parsed = true;
		entry.fields = parsed.fields;
		entry.path = "/";
		entry.service = "a";
		entry.times = &times;
		entry.phases = &phases;
	}
	line_check(line, access_line_write(line, format, &entry, &hours), format->json);
}

static bool
prints(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy, *why = NULL, unknown[ACCESS_WORD_SIZE];
	struct access_format *format;
	const char *head;

	if (size == 0 || size > 60000)
		return 0;
	copy = fuzz_copy(data, size);
	if (*copy == 'p')
		phases_run(copy + 1, size - 1);
	/* what is not a name stands in the line as it is: a configuration has no
	 * control characters */
	else if ((head = memchr(copy, '\0', size)) != NULL && prints(copy)) {
		head++;
		format = access_format_compile(copy, &why, unknown);
		FUZZ_CHECK((format == NULL) == (why != NULL));
		if (format != NULL)
			line_run(format, head, size - (size_t)(head - copy));
		access_format_free(format);
		free(why);
	}
	free(copy);
	return 0;
}
