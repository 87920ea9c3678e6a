/* SPDX-License-Identifier: ISC */
/*
 * holder -p PORT [-i IDLE] [-h HEADS] [-r READERS] [-b BYTES] [-k KIB] [-d DRIP_MS] TARGET
 *
 * Clients that take their time, for bench/slow-clients, against chaos-worker.c:
 *
 *	IDLE	keep-alive connections that had one answer, and then rest
 *	HEADS	that send a request head of which a byte comes each DRIP_MS, and
 *		open anew when that is refused
 *	READERS	that read an answer of BYTES, KIB kibibytes a second, and then
 *		the next; each byte is compared
 *
 * All are there when it prints "began=1".  On SIGTERM the idle connections are
 * used once more, and a report of lines name=value is printed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS	    10
#define READ_MS	    50		/* between two reads of a reader */
#define READ_BUFFER (64 * 1024) /* SO_RCVBUF of a reader */
#define PATTERN	    251		/* byte n of an answer is n modulo this */
#define TIMEOUT_S   60

struct reader {
	int fd;
	bool in_body;
	char head[1024];
	size_t head_len;
	uint64_t off; /* in the body */
};

struct holder {
	struct sockaddr_in address;
	const char *target;
	unsigned idle_count, head_count, reader_count;
	uint64_t bytes, rate; /* of an answer; of a reader, a second */
	unsigned drip_ms;
	int *idle, *heads;
	struct reader *readers;
	char *buf;
	size_t buf_size;
	uint64_t drips, heads_ended, read_bytes, read_whole, read_wrong, read_ended;
};

static volatile sig_atomic_t stop_asked;

static void
on_signal(int sig)
{
	(void)sig;
	stop_asked = 1;
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void *
xalloc(size_t count, size_t size)
{
	void *p = calloc(count > 0 ? count : 1, size);

	if (p == NULL)
		err(1, "calloc");
	return p;
}

/* rcvbuf 0: as the system has it. */
static int
open_connection(const struct holder *holder, int rcvbuf)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		err(1, "socket");
	if (rcvbuf > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&holder->address,
		sizeof(holder->address)) == -1)
		err(1, "connect");
	return fd;
}

static bool
send_text(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) ==
	    (ssize_t)strlen(text);
}

/* --- those that rest ---------------------------------------------------- */

/* A request and its whole answer, which ends in a newline. */
static bool
use_once(const struct holder *holder, int fd)
{
	char buf[2048];
	size_t len = 0;
	ssize_t n;

	snprintf(buf, sizeof(buf), "GET %s?id=0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
	    holder->target);
	if (!send_text(fd, buf))
		return false;
	do {
		n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0);
		if (n <= 0)
			return false;
		len += (size_t)n;
		buf[len] = '\0';
	} while (strstr(buf, "\r\n\r\n") == NULL || buf[len - 1] != '\n' ||
	    strcmp(buf + len - 4, "\r\n\r\n") == 0);
	return strncmp(buf, "HTTP/1.1 200 ", 13) == 0;
}

static unsigned
count_usable(const struct holder *holder)
{
	unsigned count = 0;

	for (unsigned i = 0; i < holder->idle_count; i++)
		count += use_once(holder, holder->idle[i]);
	return count;
}

/* --- those that send their head by the byte ----------------------------- */

static void
begin_head(struct holder *holder, unsigned i)
{
	holder->heads[i] = open_connection(holder, 0);
	send_text(holder->heads[i], "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
}

static void
drip(struct holder *holder, unsigned i)
{
	char byte;
	ssize_t n = recv(holder->heads[i], &byte, 1, MSG_DONTWAIT);

	holder->drips++;
	if (n == -1 && errno == EAGAIN && send_text(holder->heads[i], "x"))
		return;
	holder->heads_ended++; /* with 408, or without a word */
	close(holder->heads[i]);
	begin_head(holder, i);
}

/* --- those that read slowly --------------------------------------------- */

static void
ask(struct holder *holder, struct reader *reader)
{
	char buf[1024];

	snprintf(buf, sizeof(buf),
	    "GET %s?id=0&file=%llu HTTP/1.1\r\nHost: localhost\r\n\r\n", holder->target,
	    (unsigned long long)holder->bytes);
	reader->in_body = false;
	reader->head_len = 0;
	reader->off = 0;
	send_text(reader->fd, buf); /* a failure shows when it reads */
}

static void
begin_reader(struct holder *holder, struct reader *reader)
{
	reader->fd = open_connection(holder, READ_BUFFER);
	ask(holder, reader);
}

/* Takes the head off what was read.  Returns how much of buf belongs to it, or
 * -1 when that is no answer of the right length. */
static ssize_t
take_head(const struct holder *holder, struct reader *reader, const char *buf, size_t len)
{
	size_t before = reader->head_len, room = sizeof(reader->head) - 1 - before;
	const char *end, *field;
	size_t n = len < room ? len : room;

	memcpy(reader->head + before, buf, n);
	reader->head_len += n;
	reader->head[reader->head_len] = '\0';
	end = strstr(reader->head, "\r\n\r\n");
	if (end == NULL)
		return reader->head_len < sizeof(reader->head) - 1 ? (ssize_t)len : -1;
	field = strcasestr(reader->head, "\r\ncontent-length:");
	if (strncmp(reader->head, "HTTP/1.1 200 ", 13) != 0 || field == NULL ||
	    strtoull(field + 17, NULL, 10) != holder->bytes)
		return -1;
	reader->in_body = true;
	return (ssize_t)((size_t)(end + 4 - reader->head) - before);
}

static bool
take(struct holder *holder, struct reader *reader, const char *buf, size_t len)
{
	ssize_t used = 0;

	if (!reader->in_body)
		used = take_head(holder, reader, buf, len);
	if (used < 0)
		return false;
	for (size_t i = (size_t)used; i < len; i++, reader->off++)
		if ((unsigned char)buf[i] != reader->off % PATTERN)
			return false;
	return reader->off <= holder->bytes;
}

static void
read_some(struct holder *holder, struct reader *reader)
{
	ssize_t n = recv(reader->fd, holder->buf, holder->buf_size, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		holder->read_bytes += (uint64_t)n;
		if (take(holder, reader, holder->buf, (size_t)n)) {
			if (reader->in_body && reader->off == holder->bytes) {
				holder->read_whole++;
				ask(holder, reader);
			}
			return;
		}
		holder->read_wrong++;
	} else {
		holder->read_ended++;
	}
	close(reader->fd);
	begin_reader(holder, reader);
}

/* --- the run ------------------------------------------------------------- */

static void
begin(struct holder *holder)
{
	for (unsigned i = 0; i < holder->idle_count; i++) {
		holder->idle[i] = open_connection(holder, 0);
		if (!use_once(holder, holder->idle[i]))
			errx(1, "connection %u is not answered", i);
	}
	for (unsigned i = 0; i < holder->head_count; i++)
		begin_head(holder, i);
	for (unsigned i = 0; i < holder->reader_count; i++)
		begin_reader(holder, &holder->readers[i]);
	printf("began=1\n");
	fflush(stdout);
}

/* Each of count has its turn once in so many ticks. */
static void
turn(struct holder *holder, uint64_t tick)
{
	unsigned drip_ticks = holder->drip_ms / TICK_MS, read_ticks = READ_MS / TICK_MS;

	for (unsigned i = (unsigned)(tick % drip_ticks); i < holder->head_count;
	     i += drip_ticks)
		drip(holder, i);
	for (unsigned i = (unsigned)(tick % read_ticks); i < holder->reader_count;
	     i += read_ticks)
		read_some(holder, &holder->readers[i]);
}

static void
run(struct holder *holder)
{
	uint64_t due_ms = now_ms(), now;

	for (uint64_t tick = 0; !stop_asked; tick++) {
		turn(holder, tick);
		due_ms += TICK_MS;
		now = now_ms();
		if (now < due_ms)
			poll(NULL, 0, (int)(due_ms - now));
		else
			due_ms = now; /* too slow: not made up for */
	}
}

static void
report(const struct holder *holder)
{
	printf("idle=%u\nidle_usable=%u\n", holder->idle_count, count_usable(holder));
	printf("drips=%llu\nheads_ended=%llu\n", (unsigned long long)holder->drips,
	    (unsigned long long)holder->heads_ended);
	printf("read_bytes=%llu\nread_whole=%llu\nread_wrong=%llu\nread_ended=%llu\n",
	    (unsigned long long)holder->read_bytes,
	    (unsigned long long)holder->read_whole,
	    (unsigned long long)holder->read_wrong,
	    (unsigned long long)holder->read_ended);
}

static void
prepare(struct holder *holder)
{
	unsigned count = holder->idle_count + holder->head_count + holder->reader_count;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		if (limit.rlim_cur < count + 16)
			errx(1, "%u connections need a larger ulimit -n than %lu", count,
			    (unsigned long)limit.rlim_cur);
	}
	holder->idle = xalloc(holder->idle_count, sizeof(*holder->idle));
	holder->heads = xalloc(holder->head_count, sizeof(*holder->heads));
	holder->readers = xalloc(holder->reader_count, sizeof(*holder->readers));
	holder->buf_size = (size_t)(holder->rate * READ_MS / 1000 + 1);
	holder->buf = xalloc(holder->buf_size, 1);
}

static void
usage(void)
{
	fputs("usage: holder -p port [-i idle] [-h heads] [-r readers] [-b bytes]\n"
	      "    [-k KiB/s] [-d drip_ms] target\n",
	    stderr);
	exit(64);
}

static void
set_option(struct holder *holder, int c)
{
	unsigned long n = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;

	switch (c) {
	case 'p':
		holder->address.sin_port = htons((uint16_t)n);
		break;
	case 'i':
		holder->idle_count = (unsigned)n;
		break;
	case 'h':
		holder->head_count = (unsigned)n;
		break;
	case 'r':
		holder->reader_count = (unsigned)n;
		break;
	case 'b':
		holder->bytes = n;
		break;
	case 'k':
		holder->rate = n * 1024;
		break;
	case 'd':
		holder->drip_ms = n < TICK_MS ? TICK_MS : (unsigned)n;
		break;
	default:
		usage();
	}
}

int
main(int argc, char **argv)
{
	static struct holder holder = { .address = { .sin_family = AF_INET },
		.bytes = 10 << 20,
		.rate = 64 << 10,
		.drip_ms = 1000 };
	struct sigaction action = { .sa_handler = on_signal };
	int c;

	while ((c = getopt(argc, argv, "p:i:h:r:b:k:d:")) != -1)
		set_option(&holder, c);
	if (optind != argc - 1 || holder.address.sin_port == 0)
		usage();
	holder.target = argv[optind];
	holder.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	prepare(&holder);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	begin(&holder);
	run(&holder);
	report(&holder);
	return 0;
}
