/* SPDX-License-Identifier: ISC */
/* Finds out how the program was started, and serves until told to stop. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "libpoold/internal.h"

/* A signal handler has no other way to reach the loop.  The flag says it to
 * who looks, the eventfd to who waits or is about to. */
static struct {
	volatile sig_atomic_t asked;
	volatile sig_atomic_t fd_set;
	int fd;
} stop;

bool
serve_stopping(void)
{
	return stop.asked != 0;
}

bool
poold_stopping(void)
{
	return serve_stopping() || leased_stopping();
}

void
poold_stop(void)
{
	const uint64_t one = 1;
	int saved_errno = errno;

	stop.asked = 1;
	/* It can only fail when it is readable already. */
	if (stop.fd_set && write(stop.fd, &one, sizeof(one)) == -1)
		errno = saved_errno;
	errno = saved_errno;
}

static void
on_signal(int sig)
{
	(void)sig;
	poold_stop();
}

/* The dispositions that poold_serve changes while it runs: only those that the
 * program left at their defaults. */
#define SIGNALS SERVE_SIGNALS
static const int signals[SIGNALS] = { SIGTERM, SIGINT, SIGPIPE };

static void
signals_take(struct sigaction saved[SIGNALS])
{
	struct sigaction action;
	size_t i;

	for (i = 0; i < SIGNALS; i++) {
		if (sigaction(signals[i], NULL, &saved[i]) == -1 ||
		    saved[i].sa_handler != SIG_DFL)
			continue;
		memset(&action, 0, sizeof(action));
		sigemptyset(&action.sa_mask);
		action.sa_flags = SA_RESTART;
		/* sendfile has no MSG_NOSIGNAL. */
		action.sa_handler = signals[i] == SIGPIPE ? SIG_IGN : on_signal;
		(void)sigaction(signals[i], &action, NULL);
	}
}

static void
signals_restore(const struct sigaction saved[SIGNALS])
{
	size_t i;

	for (i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &saved[i], NULL);
}

int
serve_sockets(const struct serve *serve, struct listeners *listeners)
{
	int status;

	notify_open();
	if ((status = listen_inherited(listeners)) != 0 || listeners->count > 0)
		return status;
	if (serve->argc < 2) {
		poold_log(NULL,
		    "usage: %s PORT | ADDRESS:PORT | "
		    "[ADDRESS]:PORT | unix:PATH",
		    serve->name);
		return EX_USAGE;
	}
	return listen_open(listeners, serve->argv[serve->argc - 1]);
}

static int
serve_own(struct serve *serve)
{
	struct listeners listeners;
	int status;

	if ((status = serve_sockets(serve, &listeners)) != 0)
		return status;
	status = accept_serve(serve, &listeners);
	listen_close(&listeners);
	return status;
}

static const char *
program_name(int argc, char **argv)
{
	const char *slash;

	if (argc < 1 || argv[0] == NULL)
		return "poold";
	slash = strrchr(argv[0], '/');
	return slash != NULL ? slash + 1 : argv[0];
}

bool
serve_is_leased(void)
{
	return getenv("POOLD_PROTOCOL") != NULL;
}

int
serve_begin(struct serve *serve)
{
	serve->name = program_name(serve->argc, serve->argv);
	log_name_set(serve->name);
	serve->wake_fd = -1;
	if (getenv("POOLD_TEMPLATE") != NULL) {
		poold_log(NULL, "this program is no template: set preload = no");
		poold_status("it is no template: set preload = no");
		return EX_CONFIG;
	}
	serve->wake_fd = eventfd(stop.asked != 0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (serve->wake_fd == -1) {
		poold_log(NULL, "cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	stop.fd = serve->wake_fd;
	stop.fd_set = 1;
	signals_take(serve->saved);
	return 0;
}

void
serve_end(struct serve *serve)
{
	if (serve->wake_fd == -1)
		return;
	signals_restore(serve->saved);
	stop.fd_set = 0;
	stop.asked = 0;
	close(serve->wake_fd);
}

int
poold_serve(int argc, char **argv, poold_handler handler, void *arg)
{
	struct serve serve = { .argc = argc,
		.argv = argv,
		.handler = handler,
		.arg = arg };
	int status = EX_OSERR;

	serve.req = request_new();
	if (serve.req == NULL) {
		log_name_set(program_name(argc, argv));
		poold_log(NULL, "cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	if ((status = serve_begin(&serve)) == 0)
		status = serve_is_leased() ? leased_serve(&serve) : serve_own(&serve);
	serve_end(&serve);
	request_free(serve.req);
	return status;
}
