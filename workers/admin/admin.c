/* SPDX-License-Identifier: ISC */
/*
 * admin: the dashboard of poold, as a worker like any other.  What it knows, the
 * supervisor tells it on its line (the service key control).
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>

#include "../common/program.h"
#include "admin.h"

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: admin [--token-file FILE] [--read-only] [--private] [--streams N]\n"
	    "The dashboard of poold, for a service with control = read or change.\n"
	    "  --token-file FILE  who has the token in there may change something\n"
	    "  --read-only        nobody may, whatever the configuration says\n"
	    "  --private          nothing is shown without the token\n"
	    "  --streams N        dashboards that may be open at a time, %d\n"
	    "See poold-workers(7).\n",
	    ADMIN_STREAMS_MAX);
}

/* --- the loop ---------------------------------------------------------- */

enum { POLL_WORKER, POLL_LINE, POLL_FIRST };

struct watched {
	struct pollfd *fds;
	struct visit **visits; /* of fds from POLL_FIRST on */
	size_t size;
};

static bool
make_room(struct watched *watched, size_t wanted)
{
	struct pollfd *fds;
	struct visit **visits;

	if (wanted <= watched->size)
		return true;
	fds = realloc(watched->fds, wanted * 2 * sizeof(*fds));
	if (fds == NULL)
		return false;
	watched->fds = fds;
	visits = realloc(watched->visits, wanted * 2 * sizeof(struct visit *));
	if (visits == NULL)
		return false;
	watched->visits = visits;
	watched->size = wanted * 2;
	return true;
}

/* Returns how many there are; 0: no memory. */
static size_t
collect(struct admin *admin, struct watched *watched)
{
	size_t count = POLL_FIRST, wanted = POLL_FIRST;
	struct visit *visit;

	for (int i = 0; i < VISIT_KINDS; i++)
		wanted += admin->counts[i];
	if (!make_room(watched, wanted))
		return 0;
	watched->fds[POLL_WORKER] = (struct pollfd){ .fd = poold_worker_fd(admin->worker),
		.events = POLLIN };
	watched->fds[POLL_LINE] = (struct pollfd){ .fd = admin->line.fd,
		.events = line_events(&admin->line) };
	TAILQ_FOREACH (visit, &admin->visits, entry) {
		if (visit->req == NULL)
			continue;
		watched->visits[count] = visit;
		watched->fds[count++] = (struct pollfd){
			.fd = poold_client_fd(visit->req),
			.events = poold_queued(visit->req) > 0 ? POLLOUT : 0,
		};
	}
	return count;
}

static void
on_client(struct visit *visit, short revents)
{
	if (revents & (POLLERR | POLLHUP | POLLNVAL)) {
		/* the reply to its own request will come, and finds nobody */
		if (visit->kind == VISIT_ACTION || visit->kind == VISIT_METRICS) {
			poold_finish(visit->req);
			visit->req = NULL;
		} else {
			visit_end(visit);
		}
	} else if (revents & POLLOUT) {
		(void)poold_flush(visit->req);
	}
}

/* How long to wait: for a time that somebody waits for, or the next round. */
static int
time_left(struct admin *admin)
{
	uint64_t now_ms = watch_now_ms();
	int due_ms = visits_due(admin, now_ms), round_ms = -1;

	if (admin->counts[VISIT_STREAM] + admin->counts[VISIT_STATUS] +
		admin->counts[VISIT_READY] >
	    0) {
		round_ms = watch_ask(&admin->watch, now_ms);
		if (round_ms == 0)
			round_ms = 1000;
	}
	if (due_ms == -1 || (round_ms != -1 && round_ms < due_ms))
		return round_ms;
	return due_ms;
}

/* Returns whether there may be more. */
static bool
take_requests(struct admin *admin)
{
	struct poold_request *req;

	while ((req = poold_worker_next(admin->worker)) != NULL)
		admin_take(admin, req);
	return errno != ESHUTDOWN;
}

static int
serve(struct admin *admin)
{
	struct watched watched = { 0 };
	bool goes_on = true;
	size_t count;

	while (goes_on && admin->line.fd != -1) {
		int wait_ms = time_left(admin);

		count = collect(admin, &watched);
		if (count == 0 ||
		    (poll(watched.fds, count, wait_ms) == -1 && errno != EINTR))
			break;
		/* clients first: a visit ends, and others after it stay */
		for (size_t i = POLL_FIRST; i < count; i++)
			if (watched.fds[i].revents != 0)
				on_client(watched.visits[i], watched.fds[i].revents);
		line_io(&admin->line, watched.fds[POLL_LINE].revents);
		goes_on = take_requests(admin);
	}
	free(watched.fds);
	free(watched.visits);
	visits_leave(admin);
	if (goes_on)
		poold_log(NULL,
		    "the line to the supervisor is dead: another worker gets "
		    "another one");
	return goes_on ? EX_TEMPFAIL : EX_OK;
}

/* --- begin and end ----------------------------------------------------- */

static int
run(struct admin *admin, int argc, char **argv)
{
	struct visit *visit;
	int status;

	if (!page_make(&admin->page))
		return EX_OSERR;
	watch_init(&admin->watch, &admin->line, visits_round, admin);
	admin->worker = poold_worker_open(argc, argv, &status);
	if (admin->worker == NULL)
		return status;
	status = serve(admin);
	line_close(&admin->line); /* answers those who wait for it */
	while ((visit = TAILQ_FIRST(&admin->visits)) != NULL)
		visit_end(visit);
	poold_worker_close(admin->worker);
	watch_free(&admin->watch);
	page_free(&admin->page);
	return status;
}

static int
read_options(struct admin *admin, int argc, char **argv, bool *read_only)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "private", no_argument, NULL, 'p' },
		{ "read-only", no_argument, NULL, 'r' },
		{ "streams", required_argument, NULL, 's' },
		{ "token-file", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	long streams;
	int c, status;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			admin->is_private = true;
			break;
		case 'r':
			*read_only = true;
			break;
		case 's':
			streams = strtol(optarg, &end, 10);
			if (*end != '\0' || streams < 1 || streams > 65536)
				return program_usage_error("bad number '%s'", optarg);
			admin->streams_max = (unsigned)streams;
			break;
		case 't':
			if ((status = guard_load(&admin->guard, optarg)) != EX_OK)
				return status;
			break;
		case 'h':
			usage(stdout);
			exit(EX_OK);
		default: /* getopt_long said what is wrong */
			return program_usage_error("bad options");
		}
	}
	return EX_OK;
}

int
main(int argc, char **argv)
{
	struct admin admin = { .streams_max = ADMIN_STREAMS_MAX };
	const char *right = getenv("POOLD_CONTROL_RIGHT");
	bool read_only = false;
	int status;

	/* nobody of the same user takes our descriptors, or reads the token */
	prctl(PR_SET_DUMPABLE, 0);
	TAILQ_INIT(&admin.visits);
	status = read_options(&admin, argc, argv, &read_only);
	if (status != EX_OK)
		return status;
	if (admin.is_private && !admin.guard.has_token)
		return program_usage_error("--private needs a --token-file");
	if (!line_open(&admin.line)) {
		fprintf(stderr,
		    "admin: there is no line to the supervisor: this is a worker for a "
		    "service with control = read or change, see poold-workers(7)\n");
		return EX_CONFIG;
	}
	admin.may_change = right != NULL && strcmp(right, "change") == 0 && !read_only &&
	    admin.guard.has_token;
	admin.service = getenv("POOLD_SERVICE");
	if (admin.service == NULL)
		admin.service = "";
	return run(&admin, argc, argv);
}
