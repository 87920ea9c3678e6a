/* SPDX-License-Identifier: ISC */
/*
 * libpoold against a router, a supervisor and clients that the test plays: a
 * worker is forked, and gets leases of real TCP connections over the
 * descriptors of the contract.
 */
#ifndef T_UNIT_LIBPOOLD_RIG_H
#define T_UNIT_LIBPOOLD_RIG_H

#include <check.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/http.h"
#include "common/lease.h"
#include "libpoold/poold.h"

#define WAIT_MS 5000
#define WORKER	3  /* the slot of the worker under test */
#define SLOT	5  /* the lease slot that is used */
#define FD_LOG	10 /* where a child writes its log lines */

struct rig {
	int queue[2], control[2], done[2], log[2]; /* [0] ours, [1] worker's */
	int board_fd;
	struct lease_scoreboard *board;
	pid_t pid;
	int listener, client, leased;
	uint64_t counter;
	bool early; /* poold is of an earlier version, without spans */
	char phases[LEASE_PHASES_SIZE + 1]; /* what came behind the last DONE */
};
extern struct rig rig;

/* What is sent in a lease; filled by lease_make. */
struct lease_packet {
	struct lease_msg msg;
	struct http_head head;
	char path[LEASE_PATH_MAX];
	char rest[LEASE_MSG_MAX];
	size_t rest_len;
};
extern struct lease_packet packet;

/* What the worker under test does, by path. */
void handler(struct poold_request *req, void *arg);
/* How it serves: with poold_serve, or with poold_worker_next. */
extern int (*rig_serve)(int argc, char **argv);
int serve_many(int argc, char **argv);

/* In a child: makes fds[i] descriptor to[i], closes all others, and leaves
 * nothing else of this process behind. */
void child_fds(const int *fds, const int *to, int count);
/* Runs the leased worker; for a child. */
void worker_run(void) __attribute__((noreturn));
/* Its exit status; 128 + n when signal n ended it. */
int worker_wait(void);

/* Everything for a worker but the worker; with a ready worker that was told to
 * go; the end of both. */
void rig_prepare(uint32_t flags);
void setup(void);
void setup_hot(void);
void setup_early(void);
void teardown(void);

struct lease_worker *worker(void);
struct lease_slot *slot(void);
void signal_send(uint16_t type);

/* Fails when nothing comes; whether nothing comes for a moment. */
void readable(int fd);
bool quiet(int fd);

int listener_make(void);
int client_connect(const struct sockaddr_in *in);
void client_send(const char *text);
/* Builds the lease of the request in text, as the router would; sends it. */
void lease_make(const char *text, uint32_t flags, uint16_t prefix_len);
void lease_send(int sock, int fd);
/* The client sends text; its connection is leased. */
void request(const char *text, uint32_t flags);
struct lease_done done(void);
struct lease_done done_from(int sock);
/* What a client has received, as a string; valid until the next call. */
const char *received(int fd);
const char *received_all(int fd); /* until the end of file */

#define ck_assert_has(text, part) \
	ck_assert_msg(strstr((text), (part)) != NULL, "no \"%s\" in: %s", (part), (text))
#define ck_assert_has_not(text, part) \
	ck_assert_msg(strstr((text), (part)) == NULL, "\"%s\" in: %s", (part), (text))

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

TCase *case_make(Suite *suite, const char *name, void (*up)(void),
    const TTest *const *tests, size_t count);

#define CASE(suite, name, up, ...)                            \
	do {                                                  \
		const TTest *const tests[] = { __VA_ARGS__ }; \
		case_make((suite), (name), (up), tests,       \
		    sizeof(tests) / sizeof(tests[0]));        \
	} while (0)

void suite_request(Suite *suite);
void suite_contract(Suite *suite);
void suite_own(Suite *suite);
void suite_many(Suite *suite);
void suite_timing(Suite *suite);

#endif
