/* SPDX-License-Identifier: ISC */
/* poolctl run: a command with the user, folder, environment and limits of a
 * service, and with our standard input, output and error. */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "poolctl/command.h"
#include "poolctl/relay.h"
#include "poolctl/signals.h"

#define REFUSED	    125 /* poold refused, or has gone: nothing of the command */
#define REQUEST_MAX 4096

static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
	SIGWINCH };

/* The request on a line; NULL: it was said why not. */
static char *
make_request(const struct relay *relay, char **args)
{
	json_t *argv = json_array(), *request;
	const char *term = relay->terminal ? getenv("TERM") : NULL;
	char *text;

	for (char **arg = args + 1; *arg != NULL; arg++)
		if (json_array_append_new(argv, json_string(*arg)) == -1) {
			warnx("run: '%s' is not UTF-8", *arg);
			json_decref(argv);
			return NULL;
		}
	request = json_pack("{s:s, s:s, s:o, s:b, s:s?}", "command", "run", "service",
	    args[0], "argv", argv, "terminal", (int)relay->terminal, "term", term);
	text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	if (text == NULL)
		warnx("run: the service's name is not UTF-8");
	else if (strlen(text) >= REQUEST_MAX - 1) {
		warnx("run: the command is too long for one request (%d bytes)",
		    REQUEST_MAX);
		free(text);
		text = NULL;
	}
	return text;
}

/* With the descriptors; so short a line goes out whole. */
static bool
send_request(int fd, char *text, const int fds[3])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control;
	size_t len = strlen(text);
	struct iovec iov = { .iov_base = text, .iov_len = len + 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(3 * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, 3 * sizeof(int));
	text[len] = '\n'; /* in place of the NUL */
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)len + 1;
}

static void
forward(struct client *client, const struct relay *relay, int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		relay_resize(relay); /* the kernel tells the command */
	else
		client_send(client, json_pack("{s:i}", "signal", (int)info.ssi_signo));
}

/* Waits for the next line from poold, and relays meanwhile. */
static json_t *
next_line(struct client *client, struct relay *relay, int signal_fd)
{
	struct pollfd fds[2 + RELAYS_MAX];

	for (;;) {
		fds[0] = (struct pollfd){ .fd = client->fd, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
		relay_poll(relay, fds + 2);
		if (poll(fds, 2 + RELAYS_MAX, -1) == -1)
			continue;
		relay_move(relay, fds + 2);
		if (fds[1].revents != 0)
			forward(client, relay, signal_fd);
		if (fds[0].revents != 0)
			return client_receive(client);
	}
}

static int
exit_status(const json_t *end)
{
	const json_t *status = json_object_get(end, "exit_status");
	const json_t *sig = json_object_get(end, "signal");

	if (json_is_integer(status))
		return (int)json_integer_value(status);
	return json_is_integer(sig) ? 128 + (int)json_integer_value(sig) : REFUSED;
}

/* From the request to the end; last: what was said last, if anything. */
static json_t *
converse(struct client *client, struct relay *relay, int signal_fd)
{
	json_t *said = next_line(client, relay, signal_fd), *last = said;

	/* lines come one by one, since stdio must not read ahead of poll: after
	 * the first there is one more, the last */
	if (json_is_true(json_object_get(said, "ok"))) {
		last = next_line(client, relay, signal_fd);
		json_decref(said);
	}
	return last;
}

int
run_run(struct client *client, const struct options *options, char **args)
{
	struct relay relay;
	json_t *last;
	char *request;
	int status, signal_fd;

	signal_fd = signals_open(signals, sizeof(signals) / sizeof(signals[0]));
	/* a command may close its input before all of it is written */
	signal(SIGPIPE, SIG_IGN);
	if (signal_fd == -1 || !relay_open(&relay))
		err(EX_OSERR, "run");
	/* lines are read as poll tells of them */
	setvbuf(client->stream, NULL, _IONBF, 0);
	request = make_request(&relay, args);
	if (request == NULL || !send_request(client->fd, request, relay.fds)) {
		free(request);
		relay_close(&relay);
		return request == NULL ? EX_USAGE : REFUSED;
	}
	free(request);
	relay_begin(&relay);
	last = converse(client, &relay, signal_fd);
	relay_close(&relay);
	status = exit_status(last);
	if (options->json && last != NULL)
		fprintf(stderr, "%s\n", client->line);
	else if (last == NULL)
		warnx("run: poold has ended, and the command with it");
	else if (json_is_false(json_object_get(last, "ok")))
		command_failure(last);
	json_decref(last);
	return status;
}
