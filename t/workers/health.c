/* SPDX-License-Identifier: ISC */
/*
 * A worker whose health can be switched by files in the folder HEALTH_DIR.
 * Without an argument it is a libpoold worker:
 *
 *	PATH/health	200 and "ok"; 503 if there is a file sick or sick-PID, or
 *			HEALTH_SICK in the environment; 200 and "hm" if there is
 *			a file vague; 300,000 bytes more, and a line in the
 *			log, if there is a file long
 *	?sleep_ms=N	answer N ms later
 *	?status=N	the status
 *	?size=N		a body of N bytes that differ
 *	?trigger=1	send WATCHDOG=trigger first
 *
 * With an argument it speaks the lease contract by hand, and right, until there
 * is a file named as the argument; then it does this with a CHECK:
 *
 *	garbage		answers what is no HTTP
 *	endless		answers a head that never ends, as fast as it is read
 *	never		does nothing
 *	forged		DONE for another CHECK
 *	refused		DONE with REFUSED
 *	early		DONE before the answer
 *	cut		closes in the middle of the answer
 *	nodone		answers, but says no DONE
 */
#include <poold.h>
#include <stddef.h>
#include <sys/un.h>
#include <time.h>

#include "workers/contract.h"

static char *manager; /* NOTIFY_SOCKET, which the library takes away */

static bool
exists(const char *name)
{
	const char *dir = getenv("HEALTH_DIR");
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "", name);
	return access(path, F_OK) == 0;
}

/* --- with libpoold ----------------------------------------------------- */

static long
number(struct poold_request *req, const char *name, long otherwise)
{
	const char *value = poold_param(req, name);

	return value == NULL ? otherwise : strtol(value, NULL, 10);
}

static void
sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

static void
trigger(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	static const char text[] = "WATCHDOG=trigger";

	if (manager == NULL || fd == -1)
		return;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", manager);
	un.sun_path[0] = '\0'; /* an abstract name */
	if (sendto(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(manager))) ==
	    -1)
		perror("sendto");
	close(fd);
}

static void
respond_health(struct poold_request *req)
{
	static char pad[300000];
	char mine[64];
	bool is_long = exists("long");

	snprintf(mine, sizeof(mine), "sick-%ld", (long)getpid());
	if (exists("sick") || exists(mine) || getenv("HEALTH_SICK") != NULL) {
		poold_problem(req, 503, "sick");
		return;
	}
	poold_start(req, 200, "text/plain", is_long ? 3 + (int)sizeof(pad) : 3);
	poold_write(req, exists("vague") ? "hm\n" : "ok\n", 3);
	if (is_long)
		poold_log(req, "long answer by %ld", (long)getpid());
	if (is_long)
		poold_write(req, pad, sizeof(pad));
	poold_end(req);
}

static void
respond_bytes(struct poold_request *req, long size)
{
	char piece[4096];
	long n;

	poold_start(req, 200, "text/plain", size);
	for (long i = 0; i < size; i += n) {
		n = size - i < (long)sizeof(piece) ? size - i : (long)sizeof(piece);
		memset(piece, 'a' + (int)(i / (long)sizeof(piece) % 23), (size_t)n);
		if (poold_write(req, piece, (size_t)n) == -1)
			return;
	}
	poold_end(req);
}

static void
respond(struct poold_request *req, void *arg)
{
	const char *path = poold_path(req);
	size_t len = strlen(path);
	char body[128];

	(void)arg;
	if (len >= 7 && strcmp(path + len - 7, "/health") == 0) {
		respond_health(req);
		return;
	}
	sleep_ms(number(req, "sleep_ms", 0));
	if (number(req, "trigger", 0) != 0)
		trigger();
	if (poold_param(req, "size") != NULL) {
		respond_bytes(req, number(req, "size", 0));
		return;
	}
	snprintf(body, sizeof(body), "{\"pid\":%ld}\n", (long)getpid());
	poold_respond(req, (int)number(req, "status", 200), "application/json", body,
	    strlen(body));
}

/* --- by hand ----------------------------------------------------------- */

static void
control_done(const struct contract *c, uint32_t flags, uint64_t off)
{
	struct lease_done done = contract_done(c, flags);

	done.serial += off;
	msg_send(LEASE_FD_CONTROL, &done, sizeof(done), 0);
}

static void
put(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static const char healthy[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

static void
endless(int fd)
{
	put(fd, "HTTP/1.1 200 OK\r\n");
	while (send(fd, "X: y\r\n", 6, MSG_NOSIGNAL) > 0)
		;
}

static void
check(struct contract *c, int fd, const char *harm)
{
	bool harms = exists(harm);

	contract_read(fd, c->in.msg.head_len);
	if (!harms || strcmp(harm, "nodone") == 0)
		put(fd, healthy);
	else if (strcmp(harm, "garbage") == 0)
		put(fd, "\r\n\xff\r\n\r\n\r\n");
	else if (strcmp(harm, "endless") == 0)
		endless(fd);
	else if (strcmp(harm, "forged") == 0)
		control_done(c, LEASE_DONE_CLOSE, 1000);
	else if (strcmp(harm, "early") == 0) {
		control_done(c, LEASE_DONE_CLOSE, 0);
		contract_read(fd, 1); /* until the other side has closed */
	} else if (strcmp(harm, "cut") == 0)
		put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok\n");
	if (harms && strcmp(harm, "never") == 0)
		return; /* the descriptor stays open, too */
	if (harms && strcmp(harm, "early") == 0)
		put(fd, healthy);
	close(fd);
	if (harms && strcmp(harm, "nodone") == 0)
		return;
	control_done(c,
	    harms && strcmp(harm, "refused") == 0 ? LEASE_DONE_REFUSED : LEASE_DONE_CLOSE,
	    0);
}

static void
lease(struct contract *c, int fd)
{
	char buf[512];
	int len = contract_response(c, buf, sizeof(buf));

	contract_own(c);
	contract_read(fd, contract_request_len(c));
	(void)!send(fd, buf, (size_t)len, MSG_NOSIGNAL);
	close(fd);
	contract_send_done(c,
	    c->in.msg.flags & LEASE_KEEP ? LEASE_DONE_KEEP : LEASE_DONE_CLOSE);
}

/* One message of control or of the queue; false: there is none. */
static bool
take(struct contract *c, int sock, const char *harm)
{
	bool truncated;
	int fd;
	ssize_t n = msg_recv_fd(sock, &c->in, sizeof(c->in), MSG_DONTWAIT, &fd,
	    &truncated);

	if (n == -1 && errno == EAGAIN)
		return false;
	if (n <= 0 || c->in.msg.type == LEASE_STOP)
		exit(0);
	if (c->in.msg.type == LEASE_GO && !c->going) {
		c->going = true;
		contract_watch(c->epoll, LEASE_FD_QUEUE, EPOLLIN | EPOLLEXCLUSIVE);
	}
	if (c->in.msg.type == LEASE_CHECK && fd != -1)
		check(c, fd, harm);
	else if (c->in.msg.type == LEASE_LEASE && fd != -1)
		lease(c, fd);
	return true;
}

static _Noreturn void
serve_by_hand(const char *harm)
{
	static struct contract c;
	struct epoll_event event;

	contract_open(&c);
	for (;;) {
		while (take(&c, LEASE_FD_CONTROL, harm))
			;
		while (c.going && take(&c, LEASE_FD_QUEUE, harm))
			;
		if (c.going)
			atomic_store(&c.me->state, LEASE_WORKER_IDLE);
		epoll_wait(c.epoll, &event, 1, -1);
	}
}

int
main(int argc, char **argv)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int status;

	if (argc > 1)
		serve_by_hand(argv[1]);
	manager = path != NULL ? strdup(path) : NULL;
	status = poold_serve(argc, argv, respond, NULL);
	free(manager);
	return status;
}
