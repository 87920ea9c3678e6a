/* SPDX-License-Identifier: ISC */
/* The parts of the workers that can be tested without HTTP. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workers/auth/credentials.h"
#include "workers/auth/token.h"
#include "workers/calc/calc_eval.h"
#include "workers/gateway/output.h"
#include "workers/common/text.h"
#include "workers/files/conditional.h"
#include "workers/files/mime.h"
#include "workers/files/path.h"
#include "workers/files/range.h"
#include "workers/search/document.h"
#include "workers/search/manual.h"
#include "workers/search/query.h"

/*
 * common
 */
static const struct {
	const char *bytes;
	size_t len;
} sequences[] = {
	{ "a", 1 },
	{ "\xc3\xa4", 2 },
	{ "\xe2\x82\xac", 3 },
	{ "\xf0\x9f\x98\x80", 4 },
	{ "\xf4\x8f\xbf\xbf", 4 },
	{ "\x80", 0 },		   /* a tail alone */
	{ "\xc3", 0 },		   /* cut */
	{ "\xc3(", 0 },		   /* no tail */
	{ "\xc0\xaf", 0 },	   /* overlong */
	{ "\xe0\x80\xaf", 0 },	   /* overlong */
	{ "\xf0\x80\x80\xaf", 0 }, /* overlong */
	{ "\xed\xa0\x80", 0 },	   /* a surrogate */
	{ "\xf4\x90\x80\x80", 0 }, /* beyond U+10FFFF */
	{ "\xff", 0 },
};

START_TEST(utf8_sequences_are_checked)
{
	ck_assert_uint_eq(text_utf8_length(sequences[_i].bytes,
			      strlen(sequences[_i].bytes)),
	    sequences[_i].len);
}
END_TEST

static void
assert_copy(const char *in, size_t len, size_t max, const char *expected)
{
	char *copy = text_utf8_copy(in, len, max);

	ck_assert_ptr_nonnull(copy);
	ck_assert_str_eq(copy, expected);
	free(copy);
}

START_TEST(broken_utf8_is_replaced_when_copied)
{
	assert_copy("a\xff"
		    "b",
	    3, 3,
	    "a\xef\xbf\xbd"
	    "b");
	assert_copy("a\0b", 3, 3,
	    "a\xef\xbf\xbd"
	    "b");
	assert_copy("\xe2\x82", 2, 2, "\xef\xbf\xbd\xef\xbf\xbd");
	assert_copy("", 0, 10, "");
}
END_TEST

START_TEST(a_copy_is_cut_at_a_character)
{
	assert_copy("ab\xe2\x82\xac", 5, 3, "ab");
	assert_copy("ab\xe2\x82\xac", 5, 5, "ab\xe2\x82\xac");
	assert_copy("abc", 3, 2, "ab");
}
END_TEST

START_TEST(white_space_is_squeezed)
{
	char text[] = " \n a\t\tb \r\n c \n";

	text_squeeze(text);
	ck_assert_str_eq(text, "a b c");
}
END_TEST

/*
 * calc
 */
static const struct {
	const char *text;
	double value;
} numbers[] = { { "0", 0 }, { "-1", -1 }, { "+1.5", 1.5 }, { ".5", .5 }, { "5.", 5 },
	{ "1e3", 1000 }, { "1E-3", .001 }, { "0e999", 0 }, { "00012", 12 }, { "-0.0", 0 },
	{ "4.9e-324", 4.9e-324 } };

START_TEST(decimal_numbers_are_read)
{
	double x = -99;

	ck_assert(calc_number(numbers[_i].text, &x));
	ck_assert(x == numbers[_i].value);
}
END_TEST

static const char *const no_numbers[] = { "", " 1", "1 ", "0x10", "inf", "-inf", "nan",
	"infinity", "1e", "1e+", "e5", ".", "-", "+-1", "1,5", "1.2.3", "1e999", "-1e999",
	"1e-999", "1_000", "one" };

START_TEST(other_text_is_no_number)
{
	double x = -99;

	ck_assert(!calc_number(no_numbers[_i], &x));
	ck_assert(x == -99);
}
END_TEST

static const struct {
	enum calc_op op;
	double a, b;
	enum calc_error error;
	double result;
} sums[] = {
	{ CALC_ADD, 1, 2, CALC_OK, 3 },
	{ CALC_SUBTRACT, 1, 2, CALC_OK, -1 },
	{ CALC_SUBTRACT, 1, 1, CALC_OK, 0 },
	{ CALC_MULTIPLY, 6, 7, CALC_OK, 42 },
	{ CALC_MULTIPLY, 0, 7, CALC_OK, 0 },
	{ CALC_DIVIDE, 20, 4, CALC_OK, 5 },
	{ CALC_DIVIDE, 0, 4, CALC_OK, 0 },
	{ CALC_POWER, 2, 10, CALC_OK, 1024 },
	{ CALC_POWER, 0, 0, CALC_OK, 1 },
	{ CALC_POWER, 0, 2, CALC_OK, 0 },
	{ CALC_MODULO, -7, 3, CALC_OK, -1 },
	{ CALC_MODULO, 6, 3, CALC_OK, 0 },
	{ CALC_DIVIDE, 1, 0, CALC_BY_ZERO, 0 },
	{ CALC_DIVIDE, 0, 0, CALC_BY_ZERO, 0 },
	{ CALC_MODULO, 1, -0.0, CALC_BY_ZERO, 0 },
	{ CALC_POWER, 0, -1, CALC_BY_ZERO, 0 },
	{ CALC_ADD, 1.7e308, 1.7e308, CALC_OVERFLOW, 0 },
	{ CALC_MULTIPLY, 1e308, -10, CALC_OVERFLOW, 0 },
	{ CALC_DIVIDE, 1e308, 1e-10, CALC_OVERFLOW, 0 },
	{ CALC_POWER, 10, 400, CALC_OVERFLOW, 0 },
	{ CALC_MULTIPLY, 1e-300, 1e-300, CALC_UNDERFLOW, 0 },
	{ CALC_DIVIDE, 1e-300, 1e300, CALC_UNDERFLOW, 0 },
	{ CALC_POWER, 10, -400, CALC_UNDERFLOW, 0 },
	{ CALC_POWER, -8, 0.5, CALC_UNDEFINED, 0 },
};

START_TEST(operations_give_a_result_or_say_why_not)
{
	double result = 0;

	ck_assert_int_eq(calc_eval(sums[_i].op, sums[_i].a, sums[_i].b, &result),
	    sums[_i].error);
	ck_assert(result == sums[_i].result);
}
END_TEST

START_TEST(operations_have_names)
{
	enum calc_op op;

	ck_assert(calc_op_parse("modulo", &op));
	ck_assert_int_eq(op, CALC_MODULO);
	ck_assert_str_eq(calc_op_name(CALC_ADD), "add");
	ck_assert(!calc_op_parse("ADD", &op));
	ck_assert(!calc_op_parse("", &op));
}
END_TEST

static const struct {
	double x;
	const char *text;
} formats[] = { { 5, "5" }, { -0.0, "0" }, { 0.1, "0.1" },
	{ 0.1 + 0.2, "0.30000000000000004" }, { 1e15, "1000000000000000" },
	{ 9007199254740992.0, "9007199254740992" }, { 1e300, "1e+300" }, { -2.5, "-2.5" },
	{ 1.0 / 3, "0.3333333333333333" } };

START_TEST(numbers_are_written_as_short_as_they_can_be)
{
	char text[CALC_NUMBER_SIZE];

	calc_format(formats[_i].x, text);
	ck_assert_str_eq(text, formats[_i].text);
}
END_TEST

/*
 * auth
 */
static const char key[] = "0123456789abcdef0123456789abcdef";

START_TEST(a_token_is_verified)
{
	struct token in = { "anna", 1000, 2000 }, out;
	char *text = token_make(&in, key, sizeof(key));

	ck_assert_ptr_nonnull(text);
	ck_assert(token_verify(text, key, sizeof(key), 1999, &out));
	ck_assert_str_eq(out.user, "anna");
	ck_assert_int_eq(out.issued_at, 1000);
	ck_assert_int_eq(out.expires_at, 2000);
	free(text);
}
END_TEST

START_TEST(a_token_expires)
{
	struct token in = { "anna", 1000, 2000 }, out;
	char *text = token_make(&in, key, sizeof(key));

	ck_assert(!token_verify(text, key, sizeof(key), 2000, &out));
	free(text);
}
END_TEST

START_TEST(no_character_of_a_token_can_be_changed)
{
	struct token in = { "anna", 1000, 2000 }, out;
	char *text = token_make(&in, key, sizeof(key)), saved;
	size_t i, len = strlen(text);
	const char *other;

	for (i = 0; i < len; i++) {
		saved = text[i];
		for (other = "ABCDyz09-_.=+/ "; *other != '\0'; other++) {
			if (*other == saved)
				continue;
			text[i] = *other;
			ck_assert(!token_verify(text, key, sizeof(key), 1500, &out));
		}
		text[i] = '\0';
		ck_assert(!token_verify(text, key, sizeof(key), 1500, &out));
		text[i] = saved;
	}
	ck_assert(token_verify(text, key, sizeof(key), 1500, &out));
	/* Not the NUL at its end: HMAC pads a short key with zeros. */
	ck_assert(!token_verify(text, key, sizeof(key) - 2, 1500, &out));
	free(text);
}
END_TEST

START_TEST(base64url_is_that_of_the_rfc)
{
	char text[TOKEN_BASE64_SIZE(6)], bytes[8];
	size_t len;

	token_base64_encode("foobar", 6, text);
	ck_assert_str_eq(text, "Zm9vYmFy");
	token_base64_encode("fooba", 5, text);
	ck_assert_str_eq(text, "Zm9vYmE");
	token_base64_encode("\xfb\xff", 2, text);
	ck_assert_str_eq(text, "-_8");
	ck_assert(token_base64_decode("Zm9vYg", 6, bytes, 8, &len));
	ck_assert_uint_eq(len, 4);
	ck_assert_mem_eq(bytes, "foob", 4);
	ck_assert(!token_base64_decode("Zm9vYh", 6, bytes, 8, &len));
	ck_assert(!token_base64_decode("Zm9vY", 5, bytes, 8, &len));
	ck_assert(!token_base64_decode("Zm9v", 4, bytes, 2, &len));
	ck_assert(!token_base64_decode("Zm9=", 4, bytes, 8, &len));
}
END_TEST

static const char *
form(struct credentials *c, const char *body)
{
	memset(c, 0, sizeof(*c));
	return credentials_from_form(c, body, strlen(body));
}

START_TEST(credentials_come_out_of_a_form)
{
	struct credentials c;

	ck_assert_ptr_null(form(&c, "x=1&password=a%26b+c&user=anna&user=b"));
	ck_assert_str_eq(c.user, "anna");
	ck_assert_str_eq(c.password, "a&b c");
	ck_assert_ptr_null(form(&c, "user=anna&passwords=x&"));
	ck_assert(c.has_user && !c.has_password);
	ck_assert_ptr_null(form(&c, "user&password="));
	ck_assert(c.has_user && c.has_password);
	ck_assert_ptr_nonnull(form(&c, "user=%4"));
	ck_assert_ptr_nonnull(form(&c, "user=%zz"));
	ck_assert_ptr_nonnull(form(&c, "password=a%00b"));
}
END_TEST

static const char *
json(struct credentials *c, const char *body)
{
	memset(c, 0, sizeof(*c));
	return credentials_from_json(c, body, strlen(body));
}

START_TEST(credentials_come_out_of_json)
{
	struct credentials c;

	ck_assert_ptr_null(
	    json(&c, "{\"user\":\"anna\",\"password\":\"\\u00f6\",\"x\":[]}"));
	ck_assert_str_eq(c.user, "anna");
	ck_assert_str_eq(c.password, "\xc3\xb6");
	ck_assert_ptr_null(json(&c, "{}"));
	ck_assert(!c.has_user && !c.has_password);
	ck_assert_ptr_nonnull(json(&c, "[]"));
	ck_assert_ptr_nonnull(json(&c, ""));
	ck_assert_ptr_nonnull(json(&c, "{\"user\":1}"));
	ck_assert_ptr_nonnull(json(&c, "{\"user\":\"a\\u0000b\"}"));
	ck_assert_ptr_nonnull(json(&c, "{\"user\":\"a\",\"user\":\"b\"}"));
}
END_TEST

/*
 * files
 */
static const struct {
	const char *value;
	uint64_t size;
	enum range_result result;
	uint64_t start, len;
} ranges[] = {
	{ "bytes=0-3", 10, RANGE_PART, 0, 4 },
	{ "bytes=3-", 10, RANGE_PART, 3, 7 },
	{ "bytes=-2", 10, RANGE_PART, 8, 2 },
	{ "bytes=-20", 10, RANGE_PART, 0, 10 },
	{ "bytes=8-20", 10, RANGE_PART, 8, 2 },
	{ "bytes= 0-0 ", 10, RANGE_PART, 0, 1 },
	{ "Bytes=0-0", 10, RANGE_PART, 0, 1 },
	{ "bytes=0-99999999999999999999999", 10, RANGE_PART, 0, 10 },
	{ "bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=99999999999999999999999-", 10, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=-5", 0, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=5-2", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=0-1,3-4", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=-", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1-x", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=+1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "lines=0-3", 10, RANGE_WHOLE, 0, 0 },
	{ "", 10, RANGE_WHOLE, 0, 0 },
};

START_TEST(ranges_are_read)
{
	struct range range = { 0, 0 };

	ck_assert_int_eq(range_parse(ranges[_i].value, ranges[_i].size, &range),
	    ranges[_i].result);
	ck_assert_uint_eq(range.start, ranges[_i].start);
	ck_assert_uint_eq(range.len, ranges[_i].len);
}
END_TEST

static const struct {
	const char *list;
	bool weakly, strongly; /* whether "b" is found */
} tags[] = {
	{ "\"b\"", true, true },
	{ "W/\"b\"", true, false },
	{ "\"a\", \"b\"", true, true },
	{ "\"a\",W/\"b\" , \"c\"", true, false },
	{ "*", true, true },
	{ "\"a\"", false, false },
	{ "\"bb\"", false, false },
	{ "b", false, false },
	{ "\"b", false, false },
	{ "w/\"b\"", false, false },
	{ "", false, false },
	{ "\"a,\"b\"", false, false },
};

START_TEST(entity_tags_are_compared)
{
	ck_assert_int_eq(conditional_etag_listed(tags[_i].list, "\"b\"", true),
	    tags[_i].weakly);
	ck_assert_int_eq(conditional_etag_listed(tags[_i].list, "\"b\"", false),
	    tags[_i].strongly);
}
END_TEST

static const struct {
	struct conditional conditional;
	int status;
} conditionals[] = {
	/* for "b", changed at 100 */
	{ { NULL, NULL, -1, -1 }, 200 },
	{ { "\"a\"", NULL, -1, -1 }, 412 },
	{ { "\"b\"", NULL, 50, -1 }, 200 }, /* If-Match goes first */
	{ { NULL, NULL, 99, -1 }, 412 },
	{ { NULL, NULL, 100, -1 }, 200 },
	{ { NULL, "\"b\"", -1, -1 }, 304 },
	{ { NULL, "\"a\"", -1, 200 }, 200 }, /* If-None-Match goes first */
	{ { NULL, NULL, -1, 100 }, 304 },
	{ { NULL, NULL, -1, 99 }, 200 },
	{ { "\"b\"", "\"b\"", -1, -1 }, 304 },
};

START_TEST(preconditions_go_in_their_order)
{
	ck_assert_int_eq(conditional_status(&conditionals[_i].conditional, "\"b\"", 100),
	    conditionals[_i].status);
}
END_TEST

START_TEST(if_range_needs_the_same_file)
{
	ck_assert(conditional_range_counts(NULL, -1, "\"b\"", 100));
	ck_assert(conditional_range_counts("\"b\"", -1, "\"b\"", 100));
	ck_assert(!conditional_range_counts("\"a\"", -1, "\"b\"", 100));
	ck_assert(!conditional_range_counts("W/\"b\"", -1, "\"b\"", 100));
	ck_assert(conditional_range_counts("date", 100, "\"b\"", 100));
	ck_assert(!conditional_range_counts("date", 101, "\"b\"", 100));
	ck_assert(!conditional_range_counts("nonsense", -1, "\"b\"", -1));
}
END_TEST

START_TEST(types_come_from_endings)
{
	ck_assert_str_eq(mime_type("a.html"), "text/html; charset=utf-8");
	ck_assert_str_eq(mime_type("a.tar.GZ"), "application/gzip");
	ck_assert_str_eq(mime_type("x.css/a"), "application/octet-stream");
	ck_assert_str_eq(mime_type("a."), "application/octet-stream");
	ck_assert_str_eq(mime_type(""), "application/octet-stream");
}
END_TEST

START_TEST(paths_with_dot_files_are_refused)
{
	ck_assert_str_eq(path_below("/a/b.c"), "a/b.c");
	ck_assert_str_eq(path_below("/"), ".");
	ck_assert_str_eq(path_below(""), ".");
	ck_assert_str_eq(path_below("/a/"), "a/");
	ck_assert_ptr_null(path_below("/.git/config"));
	ck_assert_ptr_null(path_below("/a/.b"));
	ck_assert_ptr_null(path_below("/a//.b"));
	ck_assert_ptr_null(path_below("/.."));
	ck_assert_ptr_null(path_below(".x"));
}
END_TEST

/* What a folder with the files x and sub/x, and some links, gives. */
static const struct {
	const char *path;
	bool openat2, by_parts;
} opened[] = {
	{ "x", true, true },
	{ "sub/x", true, true },
	{ "sub//x", true, true },
	{ "sub", true, true },
	{ "sub/", true, true },
	{ ".", true, true },
	{ "x/", false, false },
	{ "x/x", false, false },
	{ "none", false, false },
	{ "..", false, false },
	{ "sub/../../x", false, false },
	{ "/etc/passwd", false, false },
	{ "out", false, false },
	{ "root/etc/passwd", false, false },
	{ "in", true, false }, /* only openat2 can follow a link in safety */
	{ "fifo", true, true },
};

static bool
opens(int (*function)(int, const char *), int dir_fd, const char *path)
{
	int fd = function(dir_fd, path);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

START_TEST(only_what_is_below_is_opened)
{
	char dir[] = "/tmp/check-workers.XXXXXX", command[512];
	int dir_fd, i;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(command, sizeof(command),
	    "cd %s && mkdir sub && touch x sub/x && mkfifo fifo && ln -s x in && "
	    "ln -s /etc/passwd out && ln -s / root",
	    dir);
	ck_assert_int_eq(system(command), 0);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < (int)(sizeof(opened) / sizeof(opened[0])); i++) {
		ck_assert_msg(opens(path_open, dir_fd, opened[i].path) ==
			opened[i].openat2,
		    "openat2: %s", opened[i].path);
		ck_assert_msg(opens(path_open_by_parts, dir_fd, opened[i].path) ==
			opened[i].by_parts,
		    "by parts: %s", opened[i].path);
	}
	/* All descriptors were closed: this one is the lowest that is free. */
	i = dup(dir_fd);
	ck_assert_int_eq(i, dir_fd + 1);
	close(i);
	close(dir_fd);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(locations_are_encoded)
{
	char out[64];

	ck_assert(path_encode("/a b/\xc3\xa4?#\"%&;%2fx", out, sizeof(out)));
	ck_assert_str_eq(out, "/a%20b/%C3%A4%3F%23%22%25&;%2fx");
	ck_assert(!path_encode("/abcdefgh", out, 8));
	ck_assert(path_encode("/a\r\nb", out, sizeof(out)));
	ck_assert_str_eq(out, "/a%0D%0Ab");
}
END_TEST

/*
 * search
 */
static const struct {
	const char *text;
	const char *match;
} queries[] = {
	{ "reload", "\"reload\"*" },
	{ "  graceful  stop ", "\"graceful\" AND \"stop\"*" },
	{ "a\"b", "\"a b\"*" },
	{ "\"", "" },
	{ "* ( ) - ^", "" },
	{ "NEAR(a b)", "\"NEAR(a\" AND \"b)\"*" },
	{ "AND", "\"AND\"*" },
	{ "title:x", "\"title:x\"*" },
	{ "x \xe2\x80\x94 y", "\"x\" AND \"y\"*" }, /* a dash by itself */
	{ "\xf0\x9f\x98\x80", "" },		    /* an emoji */
	{ "\xc3\xa4", "\"\xc3\xa4\"*" },
	{ "", "" },
};

START_TEST(queries_are_quoted)
{
	char *match = query_match(queries[_i].text, QUERY_ALL);

	ck_assert_str_eq(match, queries[_i].match);
	free(match);
}
END_TEST

START_TEST(queries_are_bounded)
{
	char text[8192], *match;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	match = query_match(text, QUERY_ANY);
	ck_assert_uint_eq(strlen(match), QUERY_WORD_MAX + strlen("\"\"*"));
	free(match);
	for (size_t i = 1; i < sizeof(text) - 1; i += 2)
		text[i] = ' ';
	match = query_match(text, QUERY_ANY);
	ck_assert_uint_eq(strlen(match),
	    QUERY_WORDS_MAX * strlen("\"x\" OR ") - strlen(" OR ") + 1);
	free(match);
}
END_TEST

static void
assert_unescaped(const char *in, const char *expected)
{
	struct buffer out = { 0 };

	manual_unescape(&out, in, strlen(in));
	ck_assert_str_eq(out.text != NULL ? out.text : "", expected);
	buffer_free(&out);
}

START_TEST(roff_escapes_go)
{
	assert_unescaped("a\\-b\\&.", "a-b.");
	assert_unescaped("\\fBbold\\fP \\f(CWx\\f[R] \\f[]y", "bold x y");
	assert_unescaped("\\(lqq\\(rq \\[u2014]", "\"q\"  ");
	assert_unescaped("\\s-1small\\s0 \\e \\\\", "small \\ \\");
	assert_unescaped("a\\\" comment", "a");
	assert_unescaped("\\*(lqx\\*y\\h'3n'z", "xz");
	assert_unescaped("end\\", "end");
	assert_unescaped("\\f", "");
	assert_unescaped("\\(a", " ");
	assert_unescaped("\\[abc", " ");
	assert_unescaped("\\h'", "");
}
END_TEST

static void
assert_document(const char *name, const char *text, const char *title, const char *body)
{
	struct document document;

	ck_assert(document_read(&document, name, text, strlen(text)));
	ck_assert_str_eq(document.title, title);
	if (body != NULL)
		ck_assert_str_eq(document.body, body);
	document_free(&document);
}

START_TEST(documents_have_titles)
{
	assert_document("a.md", "text\n## The *title* ##\n", "The *title*", NULL);
	assert_document("a.md", "The title\n=========\n", "The title", NULL);
	assert_document("a.md", "```\n# comment\n```\n# Title\n", "Title", NULL);
	assert_document("a.sh", "# comment\n", "a.sh", NULL);
	assert_document("run", "#!/bin/sh\n# comment\n", "run", NULL);
	assert_document("a.txt", "no heading\n", "a.txt", NULL);
	assert_document("a.txt", "", "a.txt", "");
	assert_document("a.1", ".TH X 1\n.SH NAME\nx, y \\- the x\n", "x(1): the x",
	    "NAME\nx, y - the x\n");
	assert_document("a.1", ".Dt X 1\n.Nm x\n.Nd an \\(lqx\\(rq\n", "x(1): an \"x\"",
	    NULL);
	assert_document("a.1", ".Dt X 1\n.Sh", "x(1)", NULL);
}
END_TEST

START_TEST(manual_pages_are_read_as_people_do)
{
	assert_document("a.8",
	    ".\\\" comment\n.Dd today\n.Dt POOL 8\n.Sh SYNOPSIS\n.Nm pool\n"
	    ".Op Fl c Ar file\n.de X\nlost\n..\n.Sh SEE ALSO\n"
	    ".Xr a 1 ,\n.Xr b 2\n.BR c (3)\n",
	    "pool(8)", "SYNOPSIS\npool\n-c file\nSEE ALSO\na(1),\nb(2)\nc(3)\n");
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
	struct document document;

	ck_assert(!document_read(&document, "a", "a\0b", 3));
	ck_assert(!document_read(&document, "a", "\n<!DOCTYPE html>", 16));
	ck_assert(!document_read(&document, "a", "<html>", 6));
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/*
 * cgi
 */
static ssize_t
output_of(const char *text, struct output_head *head, const char **why)
{
	static char buf[OUTPUT_HEAD_MAX + 1];

	strlcpy(buf, text, sizeof(buf));
	return output_parse(buf, strlen(buf), head, why);
}

START_TEST(the_head_of_a_cgi_program_is_read)
{
	struct output_head head;
	const char *why;
	const char *text = "status: 404 Not Found\r\nX-A:  b \t\nContent-Type: a/b\n"
			   "Content-Length: 12\nConnection: close\nDate: now\n\r\nbody";

	ck_assert_int_eq(output_of(text, &head, &why), strlen(text) - 4);
	ck_assert_int_eq(head.status, 404);
	ck_assert_int_eq(head.length, 12);
	ck_assert_str_eq(head.type, "a/b");
	ck_assert_uint_eq(head.field_count, 1);
	ck_assert_str_eq(head.fields[0].name, "X-A");
	ck_assert_str_eq(head.fields[0].value, "b");
	ck_assert_ptr_null(head.location);
}
END_TEST

static const char *const partial_outputs[] = { "", "S", "Status: 200", "Status: 200\n",
	"Status: 200\r\n\r", "a\nb\r" };

START_TEST(a_head_that_has_not_ended_waits)
{
	struct output_head head;
	const char *why;

	ck_assert_int_eq(output_of(partial_outputs[_i], &head, &why), 0);
}
END_TEST

static const char *const bad_outputs[] = { "\n", "\r\n", "X-A: 1\n\n", "Status 200\n\n",
	"Status: 20\n\n", "Status: 2000\n\n", "Status: 199\n\n", "Status: 600\n\n",
	"Status: 200\nStatus: 200\n\n", "Content-Type: a\nX A: 1\n\n",
	"Content-Type: a\n: 1\n\n", "Content-Type: a\n folded: 1\n\n",
	"Content-Type: a\nX: 1\rY: 2\n\n", "Content-Type: a\nContent-Type: a\n\n",
	"Location: /a\nLocation: /b\n\n", "Location:\n\n",
	"Content-Type: a\nContent-Length: -1\n\n",
	"Content-Type: a\nContent-Length: 1, 1\n\n",
	"Content-Type: a\nContent-Length: 9999999999999999999\n\n",
	"Content-Type: a\nX: \x7f\n\n" };

START_TEST(a_malformed_head_is_refused)
{
	struct output_head head;
	const char *why;

	ck_assert_int_eq(output_of(bad_outputs[_i], &head, &why), -1);
	ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(a_head_without_an_end_is_refused)
{
	static char buf[OUTPUT_HEAD_MAX];
	struct output_head head;
	const char *why;

	memset(buf, 'x', sizeof(buf));
	ck_assert_int_eq(output_parse(buf, sizeof(buf) - 1, &head, &why), 0);
	ck_assert_int_eq(output_parse(buf, sizeof(buf), &head, &why), -1);
}
END_TEST

static const struct {
	const char *text;
	int status;
} raw_outputs[] = {
	{ "", 0 },
	{ "HT", 0 },
	{ "HTTP/1.1 200", 0 },
	{ "HTTP/1.1 200 OK\r\n", 200 },
	{ "HTTP/1.0 404\n", 404 },
	{ "HTTX", -1 },
	{ "HTTP/1.1 20 OK\n", -1 },
	{ "HTTP/1.1 100 Go on\r\n", -1 },
	{ "HTTP/1.1 2000\n", -1 },
	{ "HTTP/1.1\n", -1 },
	{ "Status: 200\n\n", -1 },
};

START_TEST(the_status_of_a_raw_response_is_found)
{
	ck_assert_int_eq(output_raw_status(raw_outputs[_i].text,
			     strlen(raw_outputs[_i].text)),
	    raw_outputs[_i].status);
}
END_TEST

static TCase *
cgi_case(void)
{
	TCase *tc = tcase_create("cgi");

	tcase_add_test(tc, the_head_of_a_cgi_program_is_read);
	tcase_add_loop_test(tc, a_head_that_has_not_ended_waits, 0,
	    sizeof(partial_outputs) / sizeof(partial_outputs[0]));
	tcase_add_loop_test(tc, a_malformed_head_is_refused, 0,
	    sizeof(bad_outputs) / sizeof(bad_outputs[0]));
	tcase_add_test(tc, a_head_without_an_end_is_refused);
	tcase_add_loop_test(tc, the_status_of_a_raw_response_is_found, 0,
	    sizeof(raw_outputs) / sizeof(raw_outputs[0]));
	return tc;
}

static Suite *
suite(void)
{
	Suite *s = suite_create("workers");
	TCase *common = tcase_create("common"), *calc = tcase_create("calc");
	TCase *auth = tcase_create("auth"), *files = tcase_create("files");
	TCase *search = tcase_create("search");

	tcase_add_loop_test(common, utf8_sequences_are_checked, 0, COUNT(sequences));
	tcase_add_test(common, broken_utf8_is_replaced_when_copied);
	tcase_add_test(common, a_copy_is_cut_at_a_character);
	tcase_add_test(common, white_space_is_squeezed);
	suite_add_tcase(s, common);

	tcase_add_loop_test(calc, decimal_numbers_are_read, 0, COUNT(numbers));
	tcase_add_loop_test(calc, other_text_is_no_number, 0, COUNT(no_numbers));
	tcase_add_loop_test(calc, operations_give_a_result_or_say_why_not, 0,
	    COUNT(sums));
	tcase_add_test(calc, operations_have_names);
	tcase_add_loop_test(calc, numbers_are_written_as_short_as_they_can_be, 0,
	    COUNT(formats));
	suite_add_tcase(s, calc);

	tcase_add_test(auth, a_token_is_verified);
	tcase_add_test(auth, a_token_expires);
	tcase_add_test(auth, no_character_of_a_token_can_be_changed);
	tcase_add_test(auth, base64url_is_that_of_the_rfc);
	tcase_add_test(auth, credentials_come_out_of_a_form);
	tcase_add_test(auth, credentials_come_out_of_json);
	suite_add_tcase(s, auth);

	tcase_add_loop_test(files, ranges_are_read, 0, COUNT(ranges));
	tcase_add_loop_test(files, entity_tags_are_compared, 0, COUNT(tags));
	tcase_add_loop_test(files, preconditions_go_in_their_order, 0,
	    COUNT(conditionals));
	tcase_add_test(files, if_range_needs_the_same_file);
	tcase_add_test(files, types_come_from_endings);
	tcase_add_test(files, paths_with_dot_files_are_refused);
	tcase_add_test(files, only_what_is_below_is_opened);
	tcase_add_test(files, locations_are_encoded);
	suite_add_tcase(s, files);

	tcase_add_loop_test(search, queries_are_quoted, 0, COUNT(queries));
	tcase_add_test(search, queries_are_bounded);
	tcase_add_test(search, roff_escapes_go);
	tcase_add_test(search, documents_have_titles);
	tcase_add_test(search, manual_pages_are_read_as_people_do);
	tcase_add_test(search, what_is_no_text_is_refused);
	suite_add_tcase(s, search);
	suite_add_tcase(s, cgi_case());
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
