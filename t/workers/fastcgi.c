/* SPDX-License-Identifier: ISC */
/*
 * The FastCGI application of t/fastcgi.t: PATH_INFO says what it does, well or
 * badly.  It answers one request at a time, and reads and writes records by itself,
 * so that they can be as odd as they like.
 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ABORT = 2, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, STDERR = 7, VALUES = 9 };

static int client = -1;
static unsigned char content[65536 + 256];
static size_t content_len;
static char params[512 * 1024];
static size_t params_len;
static uint64_t body_len, body_sum;

/* --- records ---------------------------------------------------------------- */

static bool
read_all(void *buf, size_t len)
{
	ssize_t n;

	for (char *p = buf; len > 0; p += n, len -= (size_t)n)
		if ((n = read(client, p, len)) <= 0)
			return false;
	return true;
}

static bool
write_all(const void *buf, size_t len)
{
	ssize_t n;

	for (const char *p = buf; len > 0; p += n, len -= (size_t)n)
		if ((n = send(client, p, len, MSG_NOSIGNAL)) <= 0)
			return false;
	return true;
}

/* The type of the next record, whose content is read; 0: there is none. */
static int
record_read(void)
{
	unsigned char h[8];

	if (!read_all(h, sizeof(h)))
		return 0;
	content_len = (size_t)h[4] << 8 | h[5];
	return read_all(content, content_len + h[6]) ? h[1] : 0;
}

static bool
record_write(int type, unsigned id, const void *data, size_t len, size_t padding)
{
	unsigned char h[8] = { 1, (unsigned char)type, (unsigned char)(id >> 8),
		(unsigned char)id, (unsigned char)(len >> 8), (unsigned char)len,
		(unsigned char)padding, 0 };
	static const char zeros[256];

	return write_all(h, sizeof(h)) && write_all(data, len) &&
	    write_all(zeros, padding);
}

static bool
out(const char *text)
{
	return record_write(STDOUT, 1, text, strlen(text), 0);
}

static void
end(unsigned app_status, unsigned protocol_status)
{
	unsigned char body[8] = { 0, 0, 0, (unsigned char)app_status,
		(unsigned char)protocol_status };

	(void)record_write(END, 1, body, sizeof(body), 0);
}

static void
answer(const char *text)
{
	(void)out("Content-Type: text/plain\r\n\r\n");
	(void)out(text);
	end(0, 0);
}

/* --- parameters ------------------------------------------------------------------ */

static size_t
length_read(const unsigned char **p)
{
	size_t len = *(*p)++;

	if (len < 128)
		return len;
	len = (len & 127) << 24 | (size_t)(*p)[0] << 16 | (size_t)(*p)[1] << 8 | (*p)[2];
	*p += 3;
	return len;
}

/* Calls fn for each. */
static void
params_each(void (*fn)(const char *, size_t, const char *, size_t, void *), void *arg)
{
	const unsigned char *p = (unsigned char *)params, *over = p + params_len;
	size_t name_len, value_len;

	while (p < over) {
		name_len = length_read(&p);
		value_len = length_read(&p);
		fn((const char *)p, name_len, (const char *)p + name_len, value_len, arg);
		p += name_len + value_len;
	}
}

struct wanted {
	const char *name;
	char value[16384];
};

static void
param_compare(const char *name, size_t name_len, const char *value, size_t value_len,
    void *arg)
{
	struct wanted *wanted = arg;

	if (strlen(wanted->name) == name_len &&
	    memcmp(name, wanted->name, name_len) == 0 &&
	    value_len < sizeof(wanted->value)) {
		memcpy(wanted->value, value, value_len);
		wanted->value[value_len] = '\0';
	}
}

static const char *
param(const char *name)
{
	static struct wanted wanted;

	wanted.name = name;
	wanted.value[0] = '\0';
	params_each(param_compare, &wanted);
	return wanted.value;
}

static void
param_print(const char *name, size_t name_len, const char *value, size_t value_len,
    void *arg)
{
	(void)arg;
	(void)record_write(STDOUT, 1, name, name_len, 0);
	(void)out("=");
	(void)record_write(STDOUT, 1, value, value_len, 0);
	if (value_len == 0)
		(void)out("(empty)"); /* no record of length 0: it would end STDOUT */
	(void)out("\n");
}

/* --- what it does -------------------------------------------------------------------- */

/* QUERY_STRING names a folder for notes. */
static void
note(const char *name, const char *text)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", param("QUERY_STRING"), name);
	if ((file = fopen(path, "w")) == NULL)
		return;
	fputs(text, file);
	fclose(file);
}

static bool
noted(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", param("QUERY_STRING"), name);
	return access(path, F_OK) == 0;
}

static void
die(void)
{
	raise(SIGKILL);
}

static void
do_env(void)
{
	(void)out("Content-Type: text/plain\n\n");
	params_each(param_print, NULL);
	end(0, 0);
}

static void
do_body(void)
{
	char text[200];

	snprintf(text, sizeof(text), "%llu %llu %s %d", (unsigned long long)body_len,
	    (unsigned long long)body_sum, param("CONTENT_LENGTH"), (int)getpid());
	answer(text);
}

static void
do_pid(void)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", (int)getpid());
	answer(text);
}

/* Records of one byte, padded, in writes of one byte. */
static void
do_short(void)
{
	static const char text[] = "Status: 203 Odd\r\nContent-Type: text/plain\r\n"
				   "X-Odd: yes\r\n\r\nshort records";

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		unsigned char record[] = { 1, STDOUT, 0, 1, 0, 1, i % 9, 0,
			(unsigned char)text[i], 0, 0, 0, 0, 0, 0, 0, 0 };

		for (size_t k = 0; k < 9 + i % 9; k++)
			(void)write_all(record + k, 1);
	}
	(void)record_write(STDOUT, 1, "", 0, 3);
	end(0, 0);
}

static void
do_large(void)
{
	static char text[65535];

	memset(text, 'x', sizeof(text));
	(void)out("Content-Type: text/plain\n\n");
	(void)record_write(STDOUT, 1, text, sizeof(text), 255);
	(void)record_write(STDOUT, 1, text, sizeof(text), 1);
	end(0, 0);
}

static void
do_huge_head(void)
{
	char line[1100];

	memset(line, 'v', sizeof(line));
	memcpy(line, "X-A: ", 5);
	memcpy(line + sizeof(line) - 2, "\n", 2);
	for (int i = 0; i < 20; i++)
		(void)out(line);
	(void)out("\n");
	end(0, 0);
}

static void
do_strangers(void)
{
	(void)record_write(11, 0, "\3\0\0\0\0\0\0\0", 8, 0);
	(void)record_write(STDOUT, 7, "not yours", 9, 2);
	(void)record_write(99, 1, "what?", 5, 0);
	answer("mine");
}

static void
do_stderr(void)
{
	(void)record_write(STDERR, 1, "first line\nsecond\tl", 19, 5);
	(void)out("Content-Type: text/plain\n\n");
	(void)record_write(STDERR, 1, "ine\nno end", 10, 0);
	(void)out("said");
	(void)record_write(STDERR, 1, "", 0, 0);
	end(3, 0);
}

static void
do_slow(void)
{
	(void)out("Content-Type: text/plain\n\nfirst\n");
	while (!noted("go"))
		(void)poll(NULL, 0, 10);
	(void)out("second\n");
	end(0, 0);
}

/* Dies the first time only: who comes again is answered. */
static void
do_die_once(const char *before)
{
	if (noted("died")) {
		answer("alive");
		return;
	}
	note("died", "");
	(void)out(before);
	die();
}

static void
do_die_body(void)
{
	(void)out("Content-Type: text/plain\nContent-Length: 100\n\nhalf");
	(void)poll(NULL, 0, 300); /* longer than a response is held back */
	die();
}

/* Waits for what is said when the client leaves: heeds it, or not. */
static void
do_wait(bool heeds)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	note("waits", pid);
	if (heeds) {
		note("heard", record_read() == ABORT ? "abort" : "nothing");
		end(0, 0);
		return;
	}
	while (out("x")) /* as PHP notices: nobody takes it */
		(void)poll(NULL, 0, 20);
	note("heard", "nobody there");
}

static void
do_big(void)
{
	static char text[65528];

	memset(text, 'x', sizeof(text));
	(void)out("Content-Type: application/octet-stream\n\n");
	for (long left = atol(param("QUERY_STRING")) * 1048576L; left > 0;) {
		size_t n = left < (long)sizeof(text) ? (size_t)left : sizeof(text);

		if (!record_write(STDOUT, 1, text, n, 0))
			return;
		left -= (long)n;
	}
	end(0, 0);
}

static void
do_late_padding(void)
{
	static const unsigned char record[16] = { 1, END, 0, 1, 0, 8, 200 };
	static const char zeros[200];

	(void)out("Content-Type: text/plain\n\npadded");
	(void)write_all(record, sizeof(record));
	(void)poll(NULL, 0, 50);
	(void)write_all(zeros, sizeof(zeros));
}

/* Whether path is /name. */
static bool
is(const char *path, const char *name)
{
	return path[0] == '/' && strcmp(path + 1, name) == 0;
}

/* The names that are a few records, or none.  False: it is none of them. */
static bool
do_simple(const char *path)
{
	if (is(path, "nothing"))
		end(0, 0);
	else if (is(path, "garbage"))
		(void)out("\1\2\3\n\n"), end(0, 0);
	else if (is(path, "bad-status"))
		(void)out("Status: abc\nContent-Type: text/plain\n\n"), end(0, 0);
	else if (is(path, "no-head-end"))
		(void)out("Content-Type: text/plain\n"), end(0, 0);
	else if (is(path, "no-field"))
		(void)out("this is no field\n\n"), end(0, 0);
	else if (is(path, "overloaded"))
		end(0, 2);
	else if (is(path, "role"))
		end(0, 3);
	else if (is(path, "short-end"))
		(void)out("Content-Type: text/plain\n\nx"),
		    (void)record_write(END, 1, "\0\0", 2, 0);
	else if (is(path, "not-fastcgi"))
		(void)write_all("HTTP/1.1 200 OK\r\n\r\n", 19);
	else if (is(path, "location"))
		(void)out("Location: /elsewhere\n\n"), end(0, 0);
	else if (is(path, "split"))
		(void)out("Content-Ty"), (void)out("pe: text/plain\r"), (void)out("\n\r"),
		    (void)out("\nsplit"), end(0, 0);
	else
		return false;
	return true;
}

/* Those after which the connection, or the process, is no more. */
static bool
do_end(const char *path)
{
	if (is(path, "close-before"))
		return true;
	if (is(path, "close-after")) {
		answer("closed after");
		return true;
	}
	if (is(path, "exit-after")) {
		do_pid();
		exit(0);
	}
	if (is(path, "die-once"))
		do_die_once("");
	else if (is(path, "die-head"))
		do_die_once("Content-Type: te");
	else if (is(path, "die-always"))
		die();
	else if (is(path, "die-body"))
		do_die_body();
	return false;
}

/* Answers one request.  True: the connection is to be closed. */
static bool
request_answer(void)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} table[] = { { "env", do_env }, { "body", do_body }, { "pid", do_pid },
		{ "short", do_short }, { "large", do_large },
		{ "huge-head", do_huge_head }, { "strangers", do_strangers },
		{ "stderr", do_stderr }, { "slow", do_slow }, { "big", do_big },
		{ "late-padding", do_late_padding } };
	char path[4096];

	snprintf(path, sizeof(path), "%s", param("PATH_INFO"));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (is(path, table[i].name)) {
			table[i].fn();
			return false;
		}
	if (do_simple(path))
		return is(path, "not-fastcgi") || is(path, "short-end");
	if (is(path, "heeds") || is(path, "ignores")) {
		do_wait(is(path, "heeds"));
		return is(path, "ignores");
	}
	if (is(path, "early")) {
		answer("not wanted");
		return false;
	}
	return do_end(path);
}

/* Reads one request.  False: there is none. */
static bool
request_read(void)
{
	int type;

	params_len = 0;
	body_len = body_sum = 0;
	while ((type = record_read()) != 0) {
		if (type == VALUES) {
			(void)record_write(10, 0, "", 0, 0);
		} else if (type == PARAMS) {
			memcpy(params + params_len, content, content_len);
			params_len += content_len;
			if (content_len == 0 && strcmp(param("PATH_INFO"), "/early") == 0)
				return true;
		} else if (type == STDIN && content_len == 0) {
			return true;
		} else if (type == STDIN) {
			body_len += content_len;
			for (size_t i = 0; i < content_len; i++)
				body_sum += content[i];
		}
	}
	return false;
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "refuse") == 0) {
		fprintf(stderr, "these are my own words\n");
		return 3;
	}
	while ((client = accept(STDIN_FILENO, NULL, NULL)) != -1) {
		while (request_read())
			if (request_answer())
				break;
		close(client);
	}
	return 0;
}
