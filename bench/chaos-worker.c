/* SPDX-License-Identifier: ISC */
/*
 * The worker of bench/chaos: it answers with the id of the request and its own
 * pid, and counts each execution in a file that outlives it, CHAOS_LEDGER: one
 * byte for each id.  The id, NUMBER.CONNECTION.SEQUENCE, stands in the query
 * and, when there is a body, in its first line too.
 *
 * Further query parameters:
 *
 *	size=N		the length of the answer's body
 *	sleep_us=N	answer so much later
 *	crash=K		kill -9 itself after K bytes of the answer; "head" is
 *			all but its body, "half" half of it, "all" the whole,
 *			without libpoold; "done" the whole, with it
 *	hang=1		never answer
 *	stop=1		SIGSTOP itself before it answers
 *	times=N		crash, hang or stop only in the first N executions of the id
 *	file=N		the answer is a file of N bytes, byte n being n modulo 251
 */
#include <errno.h>
#include <fcntl.h>
#include <poold.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (1024 * 1024)
#define BODY_MAX   (1024 * 1024)
#define FILE_MAX   (32 * 1024 * 1024)
#define PATTERN	   251
#define FD_FIRST   7   /* the first that is not the lease contract's */
#define FD_LAST	   255 /* a leased socket has a small number */

struct chaos {
	_Atomic unsigned char *executions; /* NULL: not counted */
	size_t ids;
	int file; /* of FILE_MAX bytes; -1: not made yet */
	char answer[ANSWER_MAX + 512];
};

static long
number(struct poold_request *req, const char *name, long otherwise)
{
	const char *value = poold_param(req, name);

	return value == NULL ? otherwise : strtol(value, NULL, 10);
}

static int
ledger_open(struct chaos *chaos)
{
	const char *path = getenv("CHAOS_LEDGER");
	struct stat st;
	void *map;
	int fd;

	if (path == NULL)
		return 0;
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) == -1 || fstat(fd, &st) == -1)
		return -1;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	chaos->executions = map;
	chaos->ids = (size_t)st.st_size;
	return 0;
}

/* How often the request was executed before. */
static unsigned
ledger_count(struct chaos *chaos, const char *id)
{
	unsigned long n = strtoul(id, NULL, 10);

	if (chaos->executions == NULL || n >= chaos->ids)
		return 0;
	return chaos->executions[n]++;
}

/* The client's socket: the one connected TCP socket here.  The library does
 * not show it, since nobody has any business with it. */
static int
client_socket(void)
{
	int domain, listening;
	socklen_t len;

	for (int fd = FD_FIRST; fd <= FD_LAST; fd++) {
		len = sizeof(domain);
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == -1 ||
		    (domain != AF_INET && domain != AF_INET6))
			continue;
		len = sizeof(listening);
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 &&
		    !listening)
			return fd;
	}
	return -1;
}

/* Lines "id pid" up to size bytes, one of them at least. */
static size_t
compose(char *buf, const char *id, long size)
{
	size_t line, len;

	line = (size_t)snprintf(buf, 512, "%.200s %ld\n", id, (long)getpid());
	if (size < (long)line)
		return line;
	for (len = line; len < (size_t)size; len++)
		buf[len] = buf[len - line];
	return len;
}

/* Writes that many bytes of the answer past the library, and dies. */
static void
crash(struct chaos *chaos, const char *id, long size, const char *where)
{
	char *body = chaos->answer + 256, *answer;
	size_t body_len = compose(body, id, size), head_len, len, after;
	char head[256];
	int fd = client_socket();
	ssize_t n = 0;

	head_len = (size_t)snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body_len);
	answer = body - head_len;
	memcpy(answer, head, head_len);
	len = head_len + body_len;
	if (strcmp(where, "head") == 0)
		after = head_len;
	else if (strcmp(where, "half") == 0)
		after = len / 2;
	else if (strcmp(where, "all") == 0)
		after = len;
	else
		after = strtoul(where, NULL, 10);
	if (after > len)
		after = len;
	for (; after > 0 && fd != -1; after -= (size_t)n, answer += n)
		if ((n = send(fd, answer, after, MSG_NOSIGNAL)) <= 0)
			break;
	kill(getpid(), SIGKILL);
}

/* Whether the body, if there is one, belongs to the request. */
static bool
body_is_right(struct poold_request *req, const char *id)
{
	size_t len, id_len = strlen(id);
	const char *body;

	if (poold_body_length(req) == 0)
		return true;
	body = poold_body(req, BODY_MAX, &len);
	return body != NULL && len > id_len && memcmp(body, id, id_len) == 0 &&
	    body[id_len] == '\n';
}

static int
file_make(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	unsigned char *map;

	if (fd == -1 || ftruncate(fd, FILE_MAX) == -1)
		return -1;
	map = mmap(NULL, FILE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < FILE_MAX; i++)
		map[i] = (unsigned char)(i % PATTERN);
	munmap(map, FILE_MAX);
	return fd;
}

static void
answer_file(struct poold_request *req, struct chaos *chaos, long size)
{
	if (chaos->file == -1)
		chaos->file = file_make();
	if (chaos->file == -1 || size > FILE_MAX)
		poold_problem(req, 500, "no such file");
	else
		poold_respond_file(req, 200, "application/octet-stream", chaos->file, 0,
		    (uint64_t)size);
}

/* What the request wants to happen to this process. */
static void
suffer(struct poold_request *req, struct chaos *chaos, const char *id, long size)
{
	const char *where = poold_param(req, "crash");

	if (where != NULL && strcmp(where, "done") != 0)
		crash(chaos, id, size, where);
	while (poold_param(req, "hang") != NULL)
		pause();
	if (poold_param(req, "stop") != NULL)
		raise(SIGSTOP);
}

static void
answer(struct poold_request *req, void *arg)
{
	struct chaos *chaos = arg;
	const char *id = poold_param(req, "id"), *where = poold_param(req, "crash");
	long size = number(req, "size", 0), sleep_us = number(req, "sleep_us", 0);
	long file = number(req, "file", -1);
	struct timespec nap = { sleep_us / 1000000, sleep_us % 1000000 * 1000 };
	unsigned before;

	if (id == NULL || size < 0 || size > ANSWER_MAX - 512) {
		poold_problem(req, 400, "id or size");
		return;
	}
	if (!body_is_right(req, id)) {
		poold_problem(req, 409, "the body is not that of %s", id);
		return;
	}
	before = ledger_count(chaos, id);
	while (sleep_us > 0 && nanosleep(&nap, &nap) == -1 && errno == EINTR)
		;
	if (before >= (unsigned)number(req, "times", 1000))
		where = NULL;
	else
		suffer(req, chaos, id, size);
	if (file >= 0) {
		answer_file(req, chaos, file);
		return;
	}
	poold_respond(req, 200, "text/plain", chaos->answer,
	    compose(chaos->answer, id, size));
	if (where != NULL) /* "done" */
		kill(getpid(), SIGKILL);
}

int
main(int argc, char **argv)
{
	static struct chaos chaos = { .file = -1 };

	if (ledger_open(&chaos) == -1) {
		perror("chaos-worker: CHAOS_LEDGER");
		return 1;
	}
	return poold_serve(argc, argv, answer, &chaos);
}
