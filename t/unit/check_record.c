/* SPDX-License-Identifier: ISC */
/* Records: what one version of poold leaves to another. */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/record.h"

struct thing {
	uint8_t small;
	uint16_t middle;
	uint32_t large;
	uint64_t huge;
	int number;
	bool yes;
	int fd;
	char *text;
	char name[8];
	uint8_t bytes[4];
	unsigned colour;
};

static const char *
colour_name(unsigned colour)
{
	static const char *const names[] = { "red", "green" };

	return colour < 2 ? names[colour] : NULL;
}

#define KEY(type, key, member)                              \
	{                                                   \
		RECORD_KEY(type, key, struct thing, member) \
	}

static const struct record_key keys[] = {
	KEY(RECORD_UNSIGNED, "small", small),
	KEY(RECORD_UNSIGNED, "middle", middle),
	{ RECORD_KEY(RECORD_UNSIGNED, "large", struct thing, large), .required = true },
	KEY(RECORD_UNSIGNED, "huge", huge),
	KEY(RECORD_INT, "number", number),
	KEY(RECORD_BOOL, "yes", yes),
	KEY(RECORD_FD, "fd", fd),
	KEY(RECORD_TEXT, "text", text),
	KEY(RECORD_CHARS, "name", name),
	KEY(RECORD_BYTES, "bytes", bytes),
	{ RECORD_KEY(RECORD_ENUM, "colour", struct thing, colour),
	    .name_of = colour_name },
};
static const struct record_table table = RECORD_TABLE(keys);

static const struct thing empty = { .fd = -1 };

/* Reads a record of one section; returns why not, which the caller frees. */
static char *
read_thing(const char *bytes, size_t len, const struct record_table *with,
    struct thing *thing, struct record_fds *fds)
{
	char *text = malloc(len + 1), *why = NULL;
	struct record_reader reader;
	struct record record;

	memcpy(text, bytes, len);
	record_open(&reader, text, len);
	*thing = empty;
	if (record_next(&reader, &record, &why))
		record_get(&reader, &record, with, thing, &why);
	if (fds != NULL)
		*fds = reader.fds;
	else
		record_close(&reader);
	free(text);
	return why;
}

static char *
read_text(const char *text, struct thing *thing)
{
	return read_thing(text, strlen(text), &table, thing, NULL);
}

START_TEST(what_is_written_reads_back)
{
	struct thing thing = { 255, 65535, UINT32_MAX, UINT64_MAX, -5, true, 17,
		(char *)(uintptr_t) "two\nlines \\n and a backslash \\", "seven..",
		{ 0, 1, 0xab, 0xff }, 1 };
	struct record_writer writer = { 0 };
	struct record_fds fds;
	struct thing back;
	char *why;

	record_begin(&writer, "thing");
	record_put(&writer, &table, &thing);
	ck_assert(!writer.failed);
	ck_assert_uint_eq(writer.fds.count, 1);
	ck_assert_int_eq(writer.fds.fds[0], 17);
	why = read_thing(writer.text, writer.len, &table, &back, &fds);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(back.small, 255);
	ck_assert_uint_eq(back.middle, 65535);
	ck_assert_uint_eq(back.large, UINT32_MAX);
	ck_assert_uint_eq(back.huge, UINT64_MAX);
	ck_assert_int_eq(back.number, -5);
	ck_assert(back.yes);
	ck_assert_int_eq(back.fd, 17);
	ck_assert_str_eq(back.text, thing.text);
	ck_assert_str_eq(back.name, "seven..");
	ck_assert_mem_eq(back.bytes, thing.bytes, 4);
	ck_assert_uint_eq(back.colour, 1);
	ck_assert_uint_eq(fds.count, 1);
	free(fds.fds);
	free(back.text);
	record_writer_free(&writer);
}
END_TEST

START_TEST(zero_is_left_out_unless_required)
{
	struct record_writer writer = { 0 };

	record_begin(&writer, "thing");
	record_put(&writer, &table, &empty);
	ck_assert_uint_eq(writer.fds.count, 0);
	ck_assert_uint_eq(writer.len, strlen("[thing]\nlarge 0\ncolour red\n"));
	ck_assert_mem_eq(writer.text, "[thing]\nlarge 0\ncolour red\n", writer.len);
	record_writer_free(&writer);
}
END_TEST

START_TEST(unknown_keys_are_skipped_and_order_does_not_matter)
{
	struct thing thing;

	ck_assert_ptr_null(
	    read_text("[thing]\nnovelty a b c\nhuge 7\nlarge 3\n", &thing));
	ck_assert_uint_eq(thing.large, 3);
	ck_assert_uint_eq(thing.huge, 7);
	ck_assert_int_eq(thing.fd, -1);
}
END_TEST

START_TEST(a_required_key_that_is_missing_is_named)
{
	struct thing thing;
	char *why = read_text("[thing]\nhuge 7\n", &thing);

	ck_assert_str_eq(why, "line 1: [thing] has no 'large'");
	free(why);
}
END_TEST

START_TEST(a_renamed_key_is_found_by_its_old_name)
{
	static const struct record_key renamed[] = {
		{ RECORD_KEY(RECORD_UNSIGNED, "big", struct thing, large), .was = "large",
		    .required = true },
	};
	static const struct record_table with = RECORD_TABLE(renamed);
	const char *old = "[thing]\nlarge 3\n", *new = "[thing]\nlarge 3\nbig 4\n";
	struct thing thing;

	ck_assert_ptr_null(read_thing(old, strlen(old), &with, &thing, NULL));
	ck_assert_uint_eq(thing.large, 3);
	ck_assert_ptr_null(read_thing(new, strlen(new), &with, &thing, NULL));
	ck_assert_uint_eq(thing.large, 4);
}
END_TEST

static const char *const bad_values[] = {
	"small 256",
	"middle 65536",
	"large 4294967296",
	"huge 18446744073709551616",
	"huge -1",
	"huge 0x10",
	"huge ",
	"huge 1 2",
	"number 2147483648",
	"number x",
	"number +1",
	"fd -2",
	"yes maybe",
	"name eight...",
	"bytes 0001ab",
	"bytes 0001abf",
	"bytes 0001abgg",
	"bytes 0001ab f",
	"bytes 0001abff00",
	"colour blue",
};

START_TEST(a_value_that_does_not_fit_is_refused)
{
	struct thing thing;
	char text[128], *why;

	snprintf(text, sizeof(text), "[thing]\nlarge 1\n%s\n", bad_values[_i]);
	/* the last of equal keys does not count, so large comes first */
	if (strncmp(bad_values[_i], "large", 5) == 0)
		snprintf(text, sizeof(text), "[thing]\n%s\n", bad_values[_i]);
	why = read_text(text, &thing);
	ck_assert_msg(why != NULL, "%s was taken", bad_values[_i]);
	free(why);
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
} bad_texts[] = {
#define BAD(text)                       \
	{                               \
		text, sizeof(text) - 1, \
	}
	BAD("large 1\n"),
	BAD("\n[thing]\nlarge 1\n"),
	BAD("[]\nlarge 1\n"),
	BAD("[thing\nlarge 1\n"),
	BAD("[thing]\nlarge 1"),
	BAD("[thing]\nlarge\n"),
	BAD("[thing]\n large 1\n"),
	BAD("[thing]\n\nlarge 1\n"),
	BAD("[thing]\nlarge 1\0\n"),
	BAD("[th\0ing]\nlarge 1\n"),
	BAD("[thing]\ntext a\\b\nlarge 1\n"),
	BAD("[thing]\ntext a\\\nlarge 1\n"),
	BAD("\377\376"),
	BAD("\0"),
};

START_TEST(bytes_that_are_no_records_are_refused)
{
	struct thing thing;
	char *why = read_thing(bad_texts[_i].bytes, bad_texts[_i].len, &table, &thing,
	    NULL);

	ck_assert_ptr_nonnull(why);
	free(why);
}
END_TEST

START_TEST(too_many_keys_are_refused)
{
	char text[16 + 8 * (RECORD_PAIRS_MAX + 2)];
	struct thing thing;
	char *why;
	int len = snprintf(text, sizeof(text), "[thing]\n");

	for (int i = 0; i <= RECORD_PAIRS_MAX; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "k%d 1\n", i);
	why = read_thing(text, (size_t)len, &table, &thing, NULL);
	ck_assert_ptr_nonnull(why);
	free(why);
}
END_TEST

START_TEST(records_follow_each_other)
{
	char text[] = "[a]\n[b]\nk v\n[c]\n", *why;
	struct record_reader reader;
	struct record record;

	record_open(&reader, text, strlen(text));
	ck_assert(record_next(&reader, &record, &why));
	ck_assert_str_eq(record.section, "a");
	ck_assert_uint_eq(record.count, 0);
	ck_assert(record_next(&reader, &record, &why));
	ck_assert_str_eq(record.section, "b");
	ck_assert_uint_eq(record.line, 2);
	ck_assert_uint_eq(record.count, 1);
	ck_assert(record_next(&reader, &record, &why));
	ck_assert_str_eq(record.section, "c");
	ck_assert(!record_next(&reader, &record, &why));
	ck_assert_ptr_null(why);
	record_close(&reader);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("record");
	TCase *tcase = tcase_create("record");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, what_is_written_reads_back);
	tcase_add_test(tcase, zero_is_left_out_unless_required);
	tcase_add_test(tcase, unknown_keys_are_skipped_and_order_does_not_matter);
	tcase_add_test(tcase, a_required_key_that_is_missing_is_named);
	tcase_add_test(tcase, a_renamed_key_is_found_by_its_old_name);
	tcase_add_loop_test(tcase, a_value_that_does_not_fit_is_refused, 0,
	    (int)(sizeof(bad_values) / sizeof(bad_values[0])));
	tcase_add_loop_test(tcase, bytes_that_are_no_records_are_refused, 0,
	    (int)(sizeof(bad_texts) / sizeof(bad_texts[0])));
	tcase_add_test(tcase, too_many_keys_are_refused);
	tcase_add_test(tcase, records_follow_each_other);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
