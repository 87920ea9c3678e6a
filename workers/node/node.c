/* SPDX-License-Identifier: ISC */
/*
 * poold-node: has an application for Node.js answer requests.
 *
 * This process takes leases, reads their heads, and hands each client's socket to
 * Node, where poold-node.js makes it a connection of the application's server.
 * Node writes to the client by itself.  What Node has with it when it dies is
 * settled by poold: this process ends at once then.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#include "application.h"
#include "channel.h"
#include "leases.h"

#define EVENTS_MAX   64
#define RESULT_MAX   1024 /* bytes of what Node says at a time */
#define PRELOAD_NAME "poold-node.js"

/* data.u64 in the epoll set; the numbers of leases are above. */
enum tag { TAG_WORKER, TAG_CHANNEL, TAG_RESULTS, TAG_NODE };

struct node {
	const char *app;
	struct application application;
	struct channel channel;
	struct leases leases;
	struct poold_worker *worker;
	int epoll;
	bool waits_out;		/* for the channel to take more */
	bool listens;		/* the application does */
	bool stopping;		/* no more requests come */
	bool told;		/* the application that it is to end */
	char words[RESULT_MAX]; /* why it cannot start, by itself */
};

/* --- what Node says --------------------------------------------------------- */

static void
result_done(struct node *node, const char *text)
{
	uint64_t id, bytes;
	struct lease *lease;
	int status, keep;

	if (sscanf(text, "D %" SCNu64 " %d %" SCNu64 " %d", &id, &status, &bytes,
		&keep) != 4 ||
	    (lease = lease_find(&node->leases, id)) == NULL)
		return;
	lease_end(&node->leases, lease, status, bytes, keep == 1);
}

static void
result_detached(struct node *node, const char *text)
{
	struct lease *lease;
	uint64_t id;
	int status;

	if (sscanf(text, "U %" SCNu64 " %d", &id, &status) == 2 &&
	    (lease = lease_find(&node->leases, id)) != NULL)
		lease_detach(&node->leases, lease, status);
}

static void
result_take(struct node *node, const char *text)
{
	switch (text[0]) {
	case 'D':
		result_done(node, text);
		break;
	case 'U':
		result_detached(node, text);
		break;
	case 'L':
		node->listens = true;
		break;
	case 'C': /* it closed its server: as if we were told to stop */
		poold_stop();
		break;
	case 'E':
		snprintf(node->words, sizeof(node->words), "%s", text + 2);
		break;
	}
}

/* Reads all that Node has said. */
static void
results_take(struct node *node)
{
	char text[RESULT_MAX];
	ssize_t n;

	while ((n = recv(node->application.results_fd, text, sizeof(text) - 1,
		    MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		result_take(node, text);
	}
}

/* --- requests --------------------------------------------------------------- */

/* Reads the head out of the socket: what Node has begun is not to be made again by
 * another worker, and it must not look as if nobody had read it. */
static int
head_take(int fd, size_t len)
{
	char scratch[4096];
	ssize_t n;

	for (; len > 0; len -= (size_t)n) {
		n = recv(fd, scratch, len < sizeof(scratch) ? len : sizeof(scratch),
		    MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return -1;
	}
	return 0;
}

static void
request_pass(struct node *node, struct poold_request *req)
{
	int64_t body = poold_body_length(req);
	int fd = poold_client_fd(req);
	struct lease *lease;
	bool in_socket;
	const char *head;
	size_t len;

	head = poold_head(req, &len, &in_socket);
	if (head == NULL || (in_socket && head_take(fd, len) == -1) ||
	    (lease = lease_add(&node->leases, req)) == NULL) {
		(void)poold_release(req, 0, 0, false);
		return;
	}
	if (channel_request(&node->channel, lease->id, fd, head, len, body,
		poold_may_keep(req)) == -1)
		lease_end(&node->leases, lease, 0, 0, false);
}

static void
requests_take(struct node *node)
{
	struct poold_request *req;

	while ((req = poold_worker_next(node->worker)) != NULL)
		request_pass(node, req);
	if (errno == ESHUTDOWN && !node->stopping) {
		node->stopping = true;
		(void)epoll_ctl(node->epoll, EPOLL_CTL_DEL, poold_worker_fd(node->worker),
		    NULL);
	}
}

/* --- the loop --------------------------------------------------------------- */

static int
watch(const struct node *node, int fd, uint32_t events, uint64_t tag, int op)
{
	struct epoll_event event = { .events = events, .data.u64 = tag };

	return epoll_ctl(node->epoll, op, fd, &event);
}

/* Looks at the channel for writing only while something waits for that. */
static void
channel_watch(struct node *node)
{
	bool wanted = !channel_is_empty(&node->channel);

	if (wanted == node->waits_out)
		return;
	node->waits_out = wanted;
	(void)watch(node, node->channel.fd, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN,
	    TAG_CHANNEL, EPOLL_CTL_MOD);
}

static void
client_left(struct node *node, const struct epoll_event *event)
{
	const struct lease *lease = lease_find(&node->leases, event->data.u64);

	if (lease != NULL)
		(void)channel_gone(&node->channel, lease->id,
		    (event->events & (EPOLLERR | EPOLLHUP)) != 0);
}

/* Node has ended.  If nobody asked it to, what it had is for poold to settle:
 * nothing is said about it here. */
static bool
has_ended(struct node *node)
{
	char how[64];

	if (!application_has_ended(&node->application, 0))
		return false;
	results_take(node);
	if (node->told || (node->stopping && node->leases.held == 0))
		return true;
	application_end_text(&node->application, how, sizeof(how));
	poold_log(NULL, "%s %s", node->app, how);
	_exit(EX_SOFTWARE);
}

/* Nothing more comes, and what came is over: now the application may end. */
static void
end_tell(struct node *node)
{
	if (!node->stopping || node->told || node->leases.held > 0)
		return;
	node->told = true;
	application_signal(&node->application, SIGTERM);
}

/* Returns whether Node has ended. */
static bool
turn(struct node *node)
{
	struct epoll_event events[EVENTS_MAX];
	bool ended = false;
	int n;

	n = epoll_wait(node->epoll, events, EVENTS_MAX, leases_watch(&node->leases));
	for (int i = 0; i < n; i++) {
		switch (events[i].data.u64) {
		case TAG_WORKER:
			requests_take(node);
			break;
		case TAG_CHANNEL:
			/* an end of file says what the pidfd does */
			if (channel_flush(&node->channel) == -1 ||
			    channel_drain(&node->channel) == -1)
				application_signal(&node->application, SIGKILL);
			break;
		case TAG_RESULTS:
			results_take(node);
			break;
		case TAG_NODE:
			ended = has_ended(node);
			break;
		default:
			client_left(node, &events[i]);
		}
	}
	channel_watch(node);
	end_tell(node);
	return ended;
}

static int
serve(struct node *node, int argc, char **argv)
{
	const struct application *app = &node->application;
	int status;

	channel_init(&node->channel, app->channel_fd);
	if ((node->epoll = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return EX_OSERR;
	leases_init(&node->leases, node->epoll);
	/* no address: the last word of argv belongs to the application */
	node->worker = poold_worker_open(argc > 1 ? 1 : argc, argv, &status);
	if (node->worker == NULL)
		return status;
	poold_worker_peek(node->worker);
	if (watch(node, poold_worker_fd(node->worker), EPOLLIN, TAG_WORKER,
		EPOLL_CTL_ADD) == 0 &&
	    watch(node, app->channel_fd, EPOLLIN, TAG_CHANNEL, EPOLL_CTL_ADD) == 0 &&
	    watch(node, app->results_fd, EPOLLIN, TAG_RESULTS, EPOLL_CTL_ADD) == 0 &&
	    watch(node, app->pidfd, EPOLLIN, TAG_NODE, EPOLL_CTL_ADD) == 0)
		while (!turn(node))
			;
	leases_end(&node->leases);
	poold_worker_close(node->worker);
	return EX_OK;
}

/* --- the start -------------------------------------------------------------- */

static int
start_failed(struct node *node)
{
	char how[64];

	application_end_text(&node->application, how, sizeof(how));
	if (strncmp(node->words, node->app, strlen(node->app)) == 0)
		poold_status("%s", node->words);
	else if (node->words[0] != '\0')
		poold_status("%s: %s", node->app, node->words);
	else
		poold_status("%s: node %s without having called listen()", node->app,
		    how);
	poold_log(NULL, "%s: node %s before it listened", node->app, how);
	return EX_UNAVAILABLE;
}

/* Waits until the application listens. */
static int
start_wait(struct node *node)
{
	struct application *app = &node->application;
	struct pollfd fds[] = { { .fd = app->results_fd, .events = POLLIN },
		{ .fd = app->pidfd, .events = POLLIN },
		{ .fd = app->channel_fd, .events = POLLIN } };
	struct channel channel;

	channel_init(&channel, app->channel_fd);
	while (!node->listens) {
		if (poll(fds, 3, -1) == -1 && errno != EINTR)
			return EX_OSERR;
		results_take(node);
		if (!node->listens && application_has_ended(app, 0)) {
			results_take(node);
			return start_failed(node);
		}
		/* its end, too, is not ours to judge here */
		if (fds[2].revents != 0 && channel_drain(&channel) == -1)
			fds[2].fd = -1;
	}
	return EX_OK;
}

static int
start(struct node *node)
{
	struct application *app = &node->application;
	int error = application_start(app), status;

	if (error != 0) {
		warnc(error, "cannot run %s", app->argv[0]);
		poold_status("cannot run %s: %s", app->argv[0], strerror(error));
		return EX_UNAVAILABLE;
	}
	status = start_wait(node);
	return status;
}

/* --- the command line ------------------------------------------------------- */

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: poold-node [OPTIONS] APP\n"
	    "  --interpreter PROGRAM  Node.js (default: node)\n"
	    "  --node-option OPTION   for Node.js; may be repeated\n"
	    "  --argument WORD        for the application; may be repeated\n"
	    "It is started by poold: see poold-node(8).\n");
}

static int
usage_error(const char *text)
{
	warnx("%s", text);
	fprintf(stderr, "Its options: --help\n");
	poold_status("%s", text);
	return EX_USAGE;
}

/* Beside this program, or where it is installed. */
static char *
preload_find(void)
{
	char exe[4096], *slash, *path = NULL;
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len > 0) {
		exe[len] = '\0';
		if ((slash = strrchr(exe, '/')) != NULL)
			*slash = '\0';
		if (asprintf(&path, "%s/%s", exe, PRELOAD_NAME) == -1)
			return NULL;
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return strdup(LIBEXECDIR "/" PRELOAD_NAME);
}

/* The words of the command line, in the order of Node's. */
struct command {
	const char *interpreter;
	const char **options, **arguments;
	size_t option_count, argument_count;
};

static int
options_read(int argc, char **argv, struct command *command)
{
	static const struct option known[] = {
		{ "interpreter", required_argument, NULL, 'i' },
		{ "node-option", required_argument, NULL, 'o' },
		{ "argument", required_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'i':
			command->interpreter = optarg;
			break;
		case 'o':
			command->options[command->option_count++] = optarg;
			break;
		case 'g':
			command->arguments[command->argument_count++] = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(EX_OK);
		default:
			return usage_error("unknown option");
		}
	}
	if (optind != argc - 1)
		return usage_error("one application is needed");
	if (getenv("POOLD_PROTOCOL") == NULL)
		return usage_error("poold starts this; without poold, run node");
	return EX_OK;
}

static void
argv_make(struct node *node, const struct command *command, char *preload)
{
	char **word = node->application.argv;

	*word++ = (char *)(uintptr_t)command->interpreter;
	*word++ = (char *)(uintptr_t) "-r";
	*word++ = preload;
	for (size_t i = 0; i < command->option_count; i++)
		*word++ = (char *)(uintptr_t)command->options[i];
	*word++ = (char *)(uintptr_t)node->app;
	for (size_t i = 0; i < command->argument_count; i++)
		*word++ = (char *)(uintptr_t)command->arguments[i];
	*word = NULL;
}

static int
run(struct node *node, int argc, char **argv, struct command *command)
{
	int status = options_read(argc, argv, command);
	char *preload;

	if (status != EX_OK)
		return status;
	node->app = argv[optind];
	if ((preload = preload_find()) == NULL)
		return EX_OSERR;
	argv_make(node, command, preload);
	status = start(node);
	if (status == EX_OK)
		status = serve(node, argc, argv);
	application_close(&node->application);
	free(preload);
	return status;
}

int
main(int argc, char **argv)
{
	struct node *node = calloc(1, sizeof(*node));
	struct command command = { .interpreter = "node" };
	size_t words = (size_t)argc + 4; /* there cannot be more of them */
	int status;

	command.options = calloc(words, sizeof(*command.options));
	command.arguments = calloc(words, sizeof(*command.arguments));
	if (node == NULL || command.options == NULL || command.arguments == NULL ||
	    (node->application.argv = calloc(words, sizeof(char *))) == NULL)
		err(EX_OSERR, NULL);
	node->epoll = -1;
	node->application.pid = node->application.pidfd = -1;
	node->application.channel_fd = node->application.results_fd = -1;
	status = run(node, argc, argv, &command);
	if (node->channel.lines.stqh_last != NULL)
		channel_clear(&node->channel);
	leases_free(&node->leases);
	free(node->application.argv);
	free(command.arguments);
	free(command.options);
	free(node);
	return status;
}
