/* SPDX-License-Identifier: ISC */
/* poolctl: asks a running poold what it does, and tells it what to do. */
#include <err.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/control_path.h"
#include "poolctl/command.h"
#include "poolctl/show.h"
#ifdef HAVE_NCURSES
#include "poolctl/top.h"
#endif

#define EXIT_CRITICAL 2 /* of check, as monitoring plugins have it */
#define EXIT_UNKNOWN  3
#define CHECK_SECONDS 10 /* to wait for its reply */

static const char usage_text[] =
    "usage: poolctl [-hV] [--json] [-s socket] command [argument ...]\n";

static const char help_text[] =
    "  status [service]       what all services do, or each worker of one\n"
    "  check                  for monitoring: 0 ok, 1 warning, 2 critical\n"
    "  config                 the configuration, and where it stands\n"
    "  events [-f]            what happened, and with -f what happens\n"
    "  logs [-f] [service]    the last lines of the log, and with -f those that come\n"
    "  metrics                what there is to count, as Prometheus reads it\n"
    "  reload                 read the configuration again; waits\n"
    "  run service command    as the service would: its user, folder, limits\n"
    "  restart service        a new generation of workers; waits\n"
    "  scale service n|auto   n workers until the next reload\n"
    "  drain service          refuse new requests; resume takes them again\n"
    "  resume service\n"
    "  slowlog [service]      the last slow requests, and what their workers did\n"
    "  top [-d seconds]       all services, live; ? there for its keys\n"
    "  upgrade                go on as the poold that is installed now; waits\n"
    "  stop                   finish all requests and stop; waits\n"
    "See poolctl(1).\n";

/* --- commands ---------------------------------------------------------- */

struct command {
	const char *name;
	int min, max; /* arguments */
	int (*run)(struct client *client, const struct options *options,
	    const struct command *command, char **args);
	void (*show)(const json_t *reply);
};

static int
run_simple(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	(void)args;
	return command_exchange(client, options,
	    json_pack("{s:s}", "command", command->name), command->show);
}

static int
run_service(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	return command_exchange(client, options,
	    json_pack("{s:s, s:s}", "command", command->name, "service", args[0]),
	    command->show);
}

/* A command that is about all services, or the one that is named. */
static int
run_some(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	return args[0] == NULL ? run_simple(client, options, command, args) :
				 run_service(client, options, command, args);
}

static int
run_status(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	if (args[0] == NULL)
		return run_simple(client, options, command, args);
	return command_exchange(client, options,
	    json_pack("{s:s, s:s}", "command", "status", "service", args[0]),
	    show_service);
}

static int
run_reload(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	json_t *request = json_pack("{s:s, s:s?}", "command", command->name, "service",
	    args[0]);

	return options->json ? command_exchange(client, options, request, NULL) :
			       reload_run(client, request);
}

static int
run_command(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	(void)command;
	return run_run(client, options, args);
}

static int
run_upgrade(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	(void)command;
	(void)args;
	return upgrade_run(client, options);
}

static int
run_scale(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	bool automatic = strcmp(args[1], "auto") == 0;
	char *end;
	long workers = strtol(args[1], &end, 10);

	if (!automatic && (end == args[1] || *end != '\0')) {
		warnx("scale: '%s' is no number, and not auto", args[1]);
		return EX_USAGE;
	}
	return command_exchange(client, options,
	    json_pack("{s:s, s:s, s:o}", "command", command->name, "service", args[0],
		"workers", automatic ? json_null() : json_integer(workers)),
	    NULL);
}

/* Whoever asks for it wants an answer, whatever poold does. */
static int
run_check(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	struct timeval patience = { .tv_sec = CHECK_SECONDS };
	json_t *reply, *code;
	int status = EXIT_UNKNOWN;

	(void)args;
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	client_send(client, json_pack("{s:s}", "command", command->name));
	reply = client_receive(client);
	if (reply == NULL) {
		warnx("poold does not answer");
		return EXIT_CRITICAL;
	}
	code = json_object_get(reply, "code");
	if (json_is_integer(code))
		status = (int)json_integer_value(code);
	if (options->json)
		puts(client->line);
	else if (status == EXIT_UNKNOWN)
		command_failure(reply);
	else
		show_check(reply);
	json_decref(reply);
	return status;
}

static int
run_events(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	bool ended;

	(void)args;
	return command_follow(client, options,
	    json_pack("{s:s, s:b}", "command", command->name, "follow", options->follow),
	    show_event, &ended);
}

static int
run_logs(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	json_t *request = json_pack("{s:s, s:b}", "command", command->name, "follow",
	    options->follow);
	bool ended;
	int status;

	if (args[0] != NULL)
		json_object_set_new(request, "service", json_string(args[0]));
	status = command_follow(client, options, request, show_log, &ended);
	if (status == 0 && !ended) {
		warnx("the logger has ended, or we did not read for too long");
		return EX_UNAVAILABLE;
	}
	return status;
}

/* The end of the connection is that of poold. */
static int
run_stop(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	int status = run_simple(client, options, command, args);
	json_t *json;

	while (status == 0 && (json = client_receive(client)) != NULL)
		json_decref(json);
	return status;
}

/* It has connections of its own, since poold may go and come back. */
static int
run_top(struct client *client, const struct options *options,
    const struct command *command, char **args)
{
	(void)client;
	(void)command;
	(void)args;
#ifdef HAVE_NCURSES
	return top_run(options);
#else
	(void)options;
	warnx("top: this poolctl was built without ncurses");
	return EX_UNAVAILABLE;
#endif
}

static const struct command commands[] = {
	{ "status", 0, 1, run_status, show_status },
	{ "check", 0, 0, run_check, show_check },
	{ "config", 0, 0, run_simple, show_config },
	{ "events", 0, 0, run_events, NULL },
	{ "logs", 0, 1, run_logs, NULL },
	{ "metrics", 0, 0, run_simple, show_metrics },
	{ "reload", 0, 0, run_reload, NULL },
	{ "restart", 1, 1, run_reload, NULL },
	{ "run", 2, INT_MAX, run_command, NULL },
	{ "scale", 2, 2, run_scale, NULL },
	{ "drain", 1, 1, run_service, NULL },
	{ "resume", 1, 1, run_service, NULL },
	{ "slowlog", 0, 1, run_some, show_slow },
	{ "stop", 0, 0, run_stop, NULL },
	{ "top", 0, 0, run_top, NULL },
	{ "upgrade", 0, 0, run_upgrade, NULL },
};

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* --- options ----------------------------------------------------------- */

static int
usage(void)
{
	fputs(usage_text, stderr);
	return EX_USAGE;
}

/* Seconds, a tenth at least. */
static bool
is_delay(const char *text, double *delay)
{
	char *end;

	*delay = strtod(text, &end);
	return end != text && *end == '\0' && *delay >= 0.1 && *delay <= 3600;
}

/*
 * Options may stand before and behind the command; what comes behind the service
 * of run, or behind --, are none.  Leaves the other words in
 * words, NULL behind them.  Returns their number; -1: *status is the exit
 * status.
 */
static int
parse(int argc, char **argv, struct options *options, char **words, int *status)
{
	int count = 0;
	bool ended = false; /* what looks like an option is none */

	*status = 0;
	for (int i = 1; i < argc; i++) {
		bool of_run = count >= 2 && strcmp(words[0], "run") == 0;

		if (!ended && strcmp(argv[i], "--") == 0 && (!of_run || count == 2))
			ended = true;
		else if (ended || of_run)
			words[count++] = argv[i];
		else if (strcmp(argv[i], "--json") == 0)
			options->json = true;
		else if (strcmp(argv[i], "-f") == 0)
			options->follow = true;
		else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
			options->path = argv[++i];
		else if (strcmp(argv[i], "-d") == 0 && i + 1 < argc &&
		    is_delay(argv[i + 1], &options->delay))
			i++;
		else if (strcmp(argv[i], "-V") == 0) {
			printf("poolctl %s\n", PACKAGE_VERSION);
			return -1;
		} else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			printf("%s%s", usage_text, help_text);
			return -1;
		} else if (argv[i][0] == '-') {
			warnx("unknown option '%s'", argv[i]);
			*status = usage();
			return -1;
		} else
			words[count++] = argv[i];
	}
	words[count] = NULL;
	return count;
}

static const char *
default_path(char *buf, size_t size)
{
	const char *path = getenv("POOLD_CONTROL");

	if (path != NULL && path[0] != '\0')
		return path;
	return control_path_default(buf, size) ? buf : NULL;
}

static int
run(const struct command *command, const struct options *options, char **args)
{
	struct client client;
	int status;

	if (command->run == run_top)
		return run_top(NULL, options, command, args);
	status = client_open(&client, options->path);
	if (status == 0)
		status = command->run(&client, options, command, args);
	else if (command->run == run_check)
		status = EXIT_CRITICAL;
	client_close(&client);
	return status;
}

int
main(int argc, char **argv)
{
	struct options options = { 0 };
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char **words = calloc((size_t)argc + 1, sizeof(*words));
	const struct command *command = NULL;
	int status, count;

	if (words == NULL)
		err(EX_OSERR, "calloc");
	count = parse(argc, argv, &options, words, &status);
	if (options.path == NULL)
		options.path = default_path(path, sizeof(path));
	if (count == 0)
		status = usage();
	else if (count > 0 && (command = find_command(words[0])) == NULL) {
		warnx("unknown command '%s'", words[0]);
		status = usage();
	} else if (command != NULL &&
	    (count - 1 < command->min || count - 1 > command->max ||
		(options.follow && command->run != run_events &&
		    command->run != run_logs) ||
		(options.delay > 0 && command->run != run_top) ||
		(options.json && command->run == run_top)))
		status = usage();
	else if (command != NULL && options.path == NULL) {
		warnx("there is no run-time folder: name the socket with -s");
		status = EX_USAGE;
	} else if (command != NULL)
		status = run(command, &options, words + 1);
	if (fflush(stdout) == EOF && status == 0)
		status = EX_IOERR;
	free(words);
	return status;
}
