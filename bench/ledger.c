/* SPDX-License-Identifier: ISC */
/*
 * ledger -p PORT [-c CLIENTS] [-i IDLE] [-m METHOD] [-r RATE] [-n REQUESTS]
 *     [-d SECONDS] [-e EXECUTIONS] [-o FIRST] [-b BODY] [-s SIZE] [-x PERMILLE:QUERY]... TARGET
 *
 * An HTTP client that keeps a ledger: each request has an id of its own, and
 * what became of it is written down.  CLIENTS keep-alive connections send one
 * request after the other, RATE a second in all (0: as fast as they are
 * answered), until REQUESTS are sent, SECONDS are over, or SIGTERM comes.
 * IDLE further connections send one request at the start and one at the end,
 * and must live in between.  Of 1000 requests PERMILLE have QUERY appended,
 * and are told apart in the report; with size=N in it their answers have N bytes
 * and not SIZE.  EXECUTIONS is the file in which the
 * worker (chaos-worker.c) counts, one byte for each id; ids begin at FIRST.
 *
 * The report is lines of name=value on standard output; each of the first
 * failures is a line on standard error.
 *
 * Latencies are those of the requests that were answered with 200.  A complete
 * answer is one, whatever becomes of its connection.  A connection
 * that ends while no request is under way is opened again, and costs nothing.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IDS_MAX	      (64u * 1024 * 1024)
#define VARIANTS_MAX  16
#define BODY_MAX      65536
#define ANSWER_MAX    (1024 * 1024 + 1024)
#define HEAD_MAX      8192
#define TIMEOUT_NS    (60ull * 1000000000) /* of one request */
#define TOLD_MAX      40		   /* failures on standard error */
#define LATENCY_US    10		   /* a step of the histogram */
#define LATENCY_STEPS 200000

/* What became of a request. */
enum fate {
	FATE_NONE,
	FATE_OK,
	FATE_STATUS,  /* a whole answer with a status other than 200 */
	FATE_REFUSED, /* no connection */
	FATE_RESET,   /* the connection was reset before any byte of the answer */
	FATE_CLOSED,  /* the same, closed */
	FATE_CUT,     /* the connection ended within the answer */
	FATE_WRONG,   /* not HTTP, or not the body that was asked for */
	FATE_MIXED,   /* the answer to another request */
	FATE_TIMEOUT,
	FATES
};

static const char *const fate_names[FATES] = { "none", "ok", "status", "refused", "reset",
	"closed", "cut", "wrong", "mixed", "timeout" };

enum state { STATE_CLOSED, STATE_CONNECTING, STATE_READY, STATE_BUSY };

struct variant {
	const char *query;
	unsigned permille;
	bool sized;  /* the query says the size of the answer */
	size_t size; /* of the body, bytes */
	uint64_t fates[FATES];
};

struct client {
	int fd;
	unsigned index;
	enum state state;
	bool idle;	  /* sends one request at the start and one at the end */
	bool asked;	  /* wants to send a request as soon as it can */
	unsigned sent;	  /* requests on this connection */
	uint32_t number;  /* of the request under way */
	unsigned variant; /* its variant */
	uint64_t begun_ns;
	char id[64];
	char *out; /* what of the request is not sent yet */
	size_t out_len, out_off;
	char *in;
	size_t in_len, in_size;
};

struct ledger {
	struct sockaddr_in address;
	const char *method, *target;
	unsigned clients, idle;
	unsigned rate;
	uint64_t limit;	  /* requests; 0: none */
	unsigned seconds; /* 0: until all are sent, or SIGTERM */
	size_t body_len, size;
	int epoll;
	struct client *client; /* clients of them, then idle */
	struct variant variants[VARIANTS_MAX];
	unsigned variant_count;
	uint32_t first, next;	/* number of the first and of the next request */
	unsigned char *fate;	/* by number */
	unsigned char *variant; /* by number */
	const unsigned char *executions;
	uint64_t fates[FATES], statuses[600];
	uint64_t busy, connects, closed_after, idle_lost, idle_usable;
	uint64_t worst_us, told;
	uint32_t *latency;
	uint64_t due_ns; /* when the next request may go, with a rate */
	unsigned turn;	 /* who sends it */
	bool stopping;
};

static volatile sig_atomic_t stop_asked;

static void
on_signal(int sig)
{
	(void)sig;
	stop_asked = 1;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void *
xalloc(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (p == NULL)
		err(1, "calloc");
	return p;
}

/* --- the book ---------------------------------------------------------- */

static void
tell(struct ledger *ledger, const struct client *client, const char *what)
{
	struct timespec ts;
	struct tm tm;

	if (ledger->told++ >= TOLD_MAX)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	fprintf(stderr,
	    "%02d:%02d:%02d.%06ld %s: request %s (%s), number %u of its connection, "
	    "after %.3f ms, %zu bytes received\n",
	    tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000, what, client->id,
	    ledger->variants[client->variant].query, client->sent,
	    (double)(now_ns() - client->begun_ns) / 1e6, client->in_len);
}

static void
record(struct ledger *ledger, struct client *client, enum fate fate, const char *what)
{
	uint64_t us = (now_ns() - client->begun_ns) / 1000;

	ledger->fate[client->number] = (unsigned char)fate;
	ledger->fates[fate]++;
	ledger->variants[client->variant].fates[fate]++;
	ledger->busy--;
	if (fate != FATE_OK) {
		tell(ledger, client, what != NULL ? what : fate_names[fate]);
		return;
	}
	if (us > ledger->worst_us)
		ledger->worst_us = us;
	ledger->latency[us / LATENCY_US < LATENCY_STEPS ? us / LATENCY_US :
							  LATENCY_STEPS - 1]++;
}

/* --- connections ------------------------------------------------------- */

static void
watch(struct ledger *ledger, struct client *client, int op, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = client };

	if (epoll_ctl(ledger->epoll, op, client->fd, &event) == -1)
		err(1, "epoll_ctl");
}

static void
client_close(struct client *client)
{
	if (client->fd != -1)
		close(client->fd);
	client->fd = -1;
	client->state = STATE_CLOSED;
	client->sent = 0;
	client->in_len = 0;
}

static void
client_open(struct ledger *ledger, struct client *client)
{
	int on = 1;

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd == -1)
		err(1, "socket");
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	client->state = STATE_CONNECTING;
	ledger->connects++;
	if (connect(client->fd, (struct sockaddr *)&ledger->address,
		sizeof(ledger->address)) == -1 &&
	    errno != EINPROGRESS) {
		client_close(client);
		return;
	}
	watch(ledger, client, EPOLL_CTL_ADD, EPOLLOUT);
}

static void client_ended(struct ledger *ledger, struct client *client, int error);

static unsigned
choose_variant(const struct ledger *ledger)
{
	unsigned at = (unsigned)random() % 1000;

	for (unsigned i = 1; i < ledger->variant_count; i++) {
		if (at < ledger->variants[i].permille)
			return i;
		at -= ledger->variants[i].permille;
	}
	return 0;
}

/* A new request; it counts from now on, whether or not there is a connection. */
static void
client_compose(struct ledger *ledger, struct client *client)
{
	bool has_body = strcmp(ledger->method, "POST") == 0;
	size_t body_len = has_body ? ledger->body_len : 0, id_len;
	char length[64] = "", size[32] = "";
	const struct variant *variant;
	int n;

	if (ledger->next >= IDS_MAX)
		errx(1, "too many requests for one ledger");
	client->number = ledger->next++;
	/* the two requests of an idle one are for its connection alone */
	client->variant = client->idle ? 0 : choose_variant(ledger);
	variant = &ledger->variants[client->variant];
	client->begun_ns = now_ns();
	ledger->variant[client->number] = (unsigned char)client->variant;
	ledger->busy++;
	n = snprintf(client->id, sizeof(client->id), "%u.%u.%u", client->number,
	    client->index, client->sent);
	id_len = (size_t)n;
	if (has_body && body_len < id_len + 1)
		body_len = id_len + 1;
	if (has_body)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", body_len);
	if (!variant->sized)
		snprintf(size, sizeof(size), "&size=%zu", ledger->size);
	n = snprintf(client->out, HEAD_MAX,
	    "%s %s?id=%s%s%s%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", ledger->method,
	    ledger->target, client->id, size, client->variant > 0 ? "&" : "",
	    client->variant > 0 ? variant->query : "", length);
	if (n >= HEAD_MAX)
		errx(1, "the request is too long");
	client->out_len = (size_t)n + body_len;
	client->out_off = 0;
	if (has_body) {
		memset(client->out + n, '.', body_len);
		memcpy(client->out + n, client->id, id_len);
		client->out[(size_t)n + id_len] = '\n';
	}
}

static void
client_send(struct ledger *ledger, struct client *client)
{
	ssize_t n;

	while (client->out_off < client->out_len) {
		n = send(client->fd, client->out + client->out_off,
		    client->out_len - client->out_off, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			watch(ledger, client, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n == -1) {
			if (errno != EPIPE && errno != ECONNRESET)
				err(1, "send");
			client_ended(ledger, client, errno);
			return;
		}
		client->out_off += (size_t)n;
	}
	watch(ledger, client, EPOLL_CTL_MOD, EPOLLIN);
}

/* Whether the other side has ended a connection that waits for its next
 * request: every client that keeps connections looks before it sends. */
static bool
is_over(const struct client *client)
{
	char byte;
	ssize_t n = recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n == -1 && errno != EAGAIN);
}

/* Sends the next request, on a new connection if need be. */
static void
client_ask(struct ledger *ledger, struct client *client)
{
	if (client->state == STATE_BUSY || client->asked)
		return;
	if (client->state == STATE_READY && is_over(client))
		client_ended(ledger, client, 0);
	client_compose(ledger, client);
	client->asked = true;
	if (client->state == STATE_CLOSED)
		client_open(ledger, client);
	if (client->state == STATE_CLOSED) {
		client->asked = false;
		record(ledger, client, FATE_REFUSED, NULL);
	} else if (client->state == STATE_READY) {
		client->asked = false;
		client->state = STATE_BUSY;
		client->sent++;
		client_send(ledger, client);
	}
}

static void
client_connected(struct ledger *ledger, struct client *client)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		client_close(client);
		if (client->asked)
			record(ledger, client, FATE_REFUSED, strerror(error));
		client->asked = false;
		return;
	}
	client->state = STATE_READY;
	watch(ledger, client, EPOLL_CTL_MOD, EPOLLIN);
	if (client->asked) {
		client->asked = false;
		client->state = STATE_BUSY;
		client->sent++;
		client_send(ledger, client);
	}
}

/* Whether a new request may be sent now. */
static bool
may_ask(const struct ledger *ledger)
{
	return !ledger->stopping &&
	    (ledger->limit == 0 || ledger->next - ledger->first < ledger->limit);
}

static void
client_next(struct ledger *ledger, struct client *client)
{
	if (ledger->rate == 0 && !client->idle && may_ask(ledger))
		client_ask(ledger, client);
}

/* error 0: closed; else reset. */
static void
client_ended(struct ledger *ledger, struct client *client, int error)
{
	enum fate fate = client->in_len > 0 ? FATE_CUT :
	    error != 0			    ? FATE_RESET :
					      FATE_CLOSED;
	bool busy = client->state == STATE_BUSY;

	if (busy) {
		record(ledger, client, fate, NULL);
	} else {
		ledger->closed_after++;
		if (client->idle)
			ledger->idle_lost++;
	}
	client_close(client);
}

/* --- answers ----------------------------------------------------------- */

/* The length of the body; false when the head gives none.  text is the head,
 * NUL-terminated. */
static bool
parse_head(const char *text, unsigned *status, size_t *length, bool *close)
{
	const char *line;
	bool found = false;

	*close = false;
	if (sscanf(text, "HTTP/1.1 %3u", status) != 1 || *status >= 600)
		return false;
	for (line = strstr(text, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, "content-length:", 15) == 0) {
			*length = strtoul(line + 17, NULL, 10);
			found = true;
		} else if (strncasecmp(line + 2, "connection: close", 17) == 0)
			*close = true;
	}
	return found;
}

/* The body is the line "id pid" again and again. */
static enum fate
judge(const struct ledger *ledger, const struct client *client, const char *body,
    size_t len)
{
	const char *end = memchr(body, '\n', len);
	const struct variant *variant = &ledger->variants[client->variant];
	size_t size = variant->sized ? variant->size : ledger->size;
	size_t id_len = strlen(client->id), line;

	if (end == NULL)
		return FATE_WRONG;
	line = (size_t)(end - body) + 1;
	if (line <= id_len || memcmp(body, client->id, id_len) != 0 ||
	    body[id_len] != ' ')
		return FATE_MIXED;
	for (size_t i = line; i < len; i++)
		if (body[i] != body[i - line])
			return FATE_MIXED;
	return len == (size > line ? size : line) ? FATE_OK : FATE_WRONG;
}

/* Returns whether the answer is whole (or can become nothing any more). */
static bool
take_answer(struct ledger *ledger, struct client *client, bool *close)
{
	char *end = memmem(client->in, client->in_len, "\r\n\r\n", 4);
	unsigned status = 0;
	size_t head_len, length = 0;
	char what[32];
	bool whole;

	if (end == NULL)
		return false;
	head_len = (size_t)(end - client->in) + 4;
	end[2] = '\0';
	whole = parse_head(client->in, &status, &length, close);
	end[2] = '\r';
	if (!whole) {
		record(ledger, client, FATE_WRONG, "no answer in HTTP");
		*close = true;
		return true;
	}
	if (client->in_len < head_len + length)
		return false;
	if (client->in_len > head_len + length) {
		record(ledger, client, FATE_WRONG, "more than an answer");
		*close = true;
	} else if (status != 200) {
		ledger->statuses[status]++;
		snprintf(what, sizeof(what), "status %u", status);
		record(ledger, client, FATE_STATUS, what);
	} else {
		record(ledger, client,
		    judge(ledger, client, client->in + head_len, length), NULL);
	}
	return true;
}

static void
client_read(struct ledger *ledger, struct client *client)
{
	bool close = false;
	ssize_t n;

	for (;;) {
		if (client->in_len == client->in_size) {
			if (client->in_size >= ANSWER_MAX)
				errx(1, "an answer without end");
			client->in_size = client->in_size > 0 ? client->in_size * 2 :
								1024;
			client->in = realloc(client->in, client->in_size);
			if (client->in == NULL)
				err(1, "realloc");
		}
		n = recv(client->fd, client->in + client->in_len,
		    client->in_size - client->in_len, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			client_ended(ledger, client, n == -1 ? errno : 0);
			return;
		}
		client->in_len += (size_t)n;
		if (client->state != STATE_BUSY) {
			/* an answer that nobody asked for */
			ledger->fates[FATE_MIXED]++;
			client_close(client);
			return;
		}
		if (!take_answer(ledger, client, &close))
			continue;
		client->in_len = 0;
		client->state = STATE_READY;
		if (close)
			client_close(client);
		else if (ledger->stopping && client->idle)
			ledger->idle_usable += client->sent > 1;
		return;
	}
}

static void
on_event(struct ledger *ledger, struct client *client, uint32_t events)
{
	if (client->state == STATE_CONNECTING) {
		client_connected(ledger, client);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		client_read(ledger, client);
	else if (client->state == STATE_BUSY)
		client_send(ledger, client);
}

/* --- the run ----------------------------------------------------------- */

static void
turn_events(struct ledger *ledger, int timeout_ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(ledger->epoll, events, 64, timeout_ms);

	for (int i = 0; i < n; i++) {
		on_event(ledger, events[i].data.ptr, events[i].events);
		client_next(ledger, events[i].data.ptr);
	}
}

/* With a rate: those that are due, by whoever is free. */
static void
send_due(struct ledger *ledger)
{
	uint64_t gap_ns = 1000000000 / ledger->rate, now = now_ns();
	unsigned tried;

	if (ledger->due_ns + 100000000 < now)
		ledger->due_ns = now - 100000000; /* too slow: not made up for */
	for (tried = 0;
	     ledger->due_ns <= now && tried < ledger->clients && may_ask(ledger);
	     tried++) {
		struct client *client = &ledger->client[ledger->turn++ % ledger->clients];

		if (client->state == STATE_BUSY || client->asked)
			continue;
		client_ask(ledger, client);
		ledger->due_ns += gap_ns;
		tried = 0;
	}
}

static void
end_late(struct ledger *ledger)
{
	uint64_t now = now_ns();

	for (unsigned i = 0; i < ledger->clients + ledger->idle; i++) {
		struct client *client = &ledger->client[i];

		if ((client->state != STATE_BUSY && !client->asked) ||
		    now - client->begun_ns < TIMEOUT_NS)
			continue;
		record(ledger, client, FATE_TIMEOUT, NULL);
		client->asked = false;
		client_close(client);
		client_next(ledger, client);
	}
}

static void
settle(struct ledger *ledger)
{
	while (ledger->busy > 0) {
		turn_events(ledger, 100);
		end_late(ledger);
	}
}

/* The idle connections, some at a time: a second request on each. */
static void
ask_idle(struct ledger *ledger)
{
	for (unsigned i = 0; i < ledger->idle; i++) {
		struct client *client = &ledger->client[ledger->clients + i];

		if (client->state == STATE_READY)
			client_ask(ledger, client);
		if (i % 32 == 31)
			settle(ledger);
	}
	settle(ledger);
}

static void
run(struct ledger *ledger)
{
	uint64_t late_ns = now_ns(), end_ns = now_ns() + ledger->seconds * 1000000000ull;

	for (unsigned i = 0; i < ledger->idle; i++) {
		client_ask(ledger, &ledger->client[ledger->clients + i]);
		if (i % 32 == 31)
			settle(ledger);
	}
	settle(ledger);
	printf("began=1\n");
	fflush(stdout);
	ledger->due_ns = now_ns();
	for (unsigned i = 0; i < ledger->clients; i++)
		client_next(ledger, &ledger->client[i]);
	while (!stop_asked && (ledger->seconds == 0 || now_ns() < end_ns) &&
	    (may_ask(ledger) || ledger->busy > 0)) {
		if (ledger->rate > 0)
			send_due(ledger);
		turn_events(ledger, ledger->rate > 0 ? 1 : 100);
		if (now_ns() - late_ns > 100000000) {
			late_ns = now_ns();
			end_late(ledger);
			/* those that were refused try again */
			for (unsigned i = 0; i < ledger->clients; i++)
				if (ledger->client[i].state == STATE_CLOSED)
					client_next(ledger, &ledger->client[i]);
		}
	}
	ledger->stopping = true;
	settle(ledger);
	ask_idle(ledger);
}

/* --- the report -------------------------------------------------------- */

static void
report_latency(const struct ledger *ledger)
{
	const unsigned permille[] = { 500, 990, 999 };
	uint64_t total = 0, sum = 0;
	unsigned next = 0;

	for (unsigned i = 0; i < LATENCY_STEPS; i++)
		total += ledger->latency[i];
	for (unsigned i = 0; i < LATENCY_STEPS && next < 3; i++) {
		sum += ledger->latency[i];
		while (next < 3 && sum * 1000 >= total * permille[next] && sum > 0)
			printf("p%u_us=%u\n", permille[next++], (i + 1) * LATENCY_US);
	}
	printf("max_us=%" PRIu64 "\n", ledger->worst_us);
}

/* How often the requests of each fate were executed: 0, 1, 2, or more. */
static void
report_executions(const struct ledger *ledger)
{
	uint64_t count[VARIANTS_MAX][FATES][4] = { { { 0 } } };

	for (uint32_t i = ledger->first; i < ledger->next; i++) {
		unsigned times = ledger->executions[i] < 3 ? ledger->executions[i] : 3;

		count[ledger->variant[i]][ledger->fate[i]][times]++;
	}
	for (unsigned v = 0; v < ledger->variant_count; v++)
		for (unsigned f = FATE_OK; f < FATES; f++)
			for (unsigned times = 0; times < 4; times++)
				if (count[v][f][times] > 0)
					printf("executed.%s.%u%s.%s=%" PRIu64 "\n",
					    fate_names[f], times, times == 3 ? "+" : "",
					    ledger->variants[v].query,
					    count[v][f][times]);
}

static void
report(const struct ledger *ledger)
{
	uint64_t failed = 0;

	for (unsigned f = FATE_STATUS; f < FATES; f++)
		failed += ledger->fates[f];
	printf("requests=%u\nok=%" PRIu64 "\nfailed=%" PRIu64 "\n",
	    ledger->next - ledger->first, ledger->fates[FATE_OK], failed);
	for (unsigned f = FATE_STATUS; f < FATES; f++)
		printf("%s=%" PRIu64 "\n", fate_names[f], ledger->fates[f]);
	for (unsigned s = 0; s < 600; s++)
		if (ledger->statuses[s] > 0)
			printf("status.%u=%" PRIu64 "\n", s, ledger->statuses[s]);
	printf("connects=%" PRIu64 "\nclosed_between=%" PRIu64 "\n", ledger->connects,
	    ledger->closed_after);
	printf("idle=%u\nidle_lost=%" PRIu64 "\nidle_usable=%" PRIu64 "\n", ledger->idle,
	    ledger->idle_lost, ledger->idle_usable);
	report_latency(ledger);
	for (unsigned v = 0; v < ledger->variant_count; v++)
		for (unsigned f = FATE_OK; f < FATES; f++)
			if (ledger->variants[v].fates[f] > 0)
				printf("fate.%s.%s=%" PRIu64 "\n", fate_names[f],
				    ledger->variants[v].query,
				    ledger->variants[v].fates[f]);
	if (ledger->executions != NULL)
		report_executions(ledger);
}

/* --- the beginning ----------------------------------------------------- */

static const unsigned char *
map_executions(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd == -1 || fstat(fd, &st) == -1)
		err(1, "%s", path);
	if (st.st_size < (off_t)IDS_MAX)
		errx(1, "%s: smaller than %u bytes", path, IDS_MAX);
	map = mmap(NULL, IDS_MAX, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	return map;
}

static void
add_variant(struct ledger *ledger, char *text)
{
	char *colon = strchr(text, ':'), *size;
	struct variant *variant;

	if (colon == NULL || ledger->variant_count == VARIANTS_MAX)
		errx(64, "bad or too many -x");
	variant = &ledger->variants[ledger->variant_count++];
	variant->permille = (unsigned)strtoul(text, NULL, 10);
	variant->query = colon + 1;
	if ((size = strstr(colon + 1, "size=")) != NULL) {
		variant->sized = true;
		variant->size = strtoul(size + strlen("size="), NULL, 10);
	}
}

static void
usage(void)
{
	fputs(
	    "usage: ledger -p port [-c clients] [-i idle] [-m method] [-r rate]\n"
	    "    [-n requests] [-d seconds] [-e executions] [-o first] [-b body] [-s size]\n"
	    "    [-x permille:query]... target\n",
	    stderr);
	exit(64);
}

static void
prepare(struct ledger *ledger)
{
	struct rlimit files = { ledger->clients + ledger->idle + 64,
		ledger->clients + ledger->idle + 64 };
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < files.rlim_cur) {
		if (files.rlim_max < now.rlim_max)
			files.rlim_max = now.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) == -1)
			err(1, "setrlimit");
	}
	if ((ledger->epoll = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	ledger->fate = xalloc(IDS_MAX, 1);
	ledger->variant = xalloc(IDS_MAX, 1);
	ledger->latency = xalloc(LATENCY_STEPS, sizeof(*ledger->latency));
	ledger->client = xalloc(ledger->clients + ledger->idle, sizeof(*ledger->client));
	for (unsigned i = 0; i < ledger->clients + ledger->idle; i++) {
		ledger->client[i].fd = -1;
		ledger->client[i].index = i;
		ledger->client[i].idle = i >= ledger->clients;
		ledger->client[i].out = xalloc(1, HEAD_MAX + ledger->body_len + 64);
	}
}

static void
set_option(struct ledger *ledger, int c)
{
	unsigned long n = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;

	switch (c) {
	case 'p':
		ledger->address.sin_port = htons((uint16_t)n);
		break;
	case 'c':
		ledger->clients = (unsigned)n;
		break;
	case 'i':
		ledger->idle = (unsigned)n;
		break;
	case 'm':
		ledger->method = optarg;
		break;
	case 'r':
		ledger->rate = (unsigned)n;
		break;
	case 'n':
		ledger->limit = n;
		break;
	case 'd':
		ledger->seconds = (unsigned)n;
		break;
	case 'e':
		ledger->executions = map_executions(optarg);
		break;
	case 'o':
		ledger->first = ledger->next = (uint32_t)n;
		break;
	case 'b':
		ledger->body_len = n < BODY_MAX ? n : BODY_MAX;
		break;
	case 's':
		ledger->size = n;
		break;
	case 'x':
		add_variant(ledger, optarg);
		break;
	default:
		usage();
	}
}

int
main(int argc, char **argv)
{
	static struct ledger ledger = { .address = { .sin_family = AF_INET },
		.method = "GET",
		.clients = 1,
		.variants = { { .query = "plain" } },
		.variant_count = 1 };
	struct sigaction action = { .sa_handler = on_signal };
	int c;

	while ((c = getopt(argc, argv, "p:c:i:m:r:n:d:e:o:b:s:x:")) != -1)
		set_option(&ledger, c);
	if (optind != argc - 1 || ledger.address.sin_port == 0 || ledger.clients == 0)
		usage();
	ledger.target = argv[optind];
	ledger.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	prepare(&ledger);
	srandom((unsigned)getpid());
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	run(&ledger);
	report(&ledger);
	return 0;
}
