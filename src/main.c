/* SPDX-License-Identifier: ISC */
/* poold: options, and which role this process plays. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "logger/main.h"
#include "router/main.h"
#include "supervisor/config.h"
#include "supervisor/main.h"

#define DEFAULT_CONFIG SYSCONFDIR "/poold/poold.ini"

struct options {
	struct supervisor_options supervisor;
	const char *role; /* -R: "router", "logger", "upgraded=FD", "dry-run=FD" */
	bool test;	  /* -t */
	bool dump;	  /* -T */
};

static const char usage_text[] = "usage: poold [-DhtTV] [-c file] [-p pidfile]\n";

static const char help_text[] =
    "  -c file     configuration (default: " DEFAULT_CONFIG ")\n"
    "  -t          test the configuration and exit\n"
    "  -T          test it, print it with all defaults, and exit\n"
    "  -D          go into the background once serving\n"
    "  -p pidfile  write the process id there, and lock it\n"
    "  -V          print the version and exit\n"
    "  -h          print this help and exit\n"
    "Signals: HUP reload, TERM and QUIT stop gracefully, INT stop now, USR1 "
    "reopen logs,\nUSR2 upgrade the running program.\n"
    "See poold(8) and poold.ini(5).\n";

static int
test_config(const struct options *options)
{
	const char *file = options->supervisor.config_file;
	struct config_errors errors;
	struct config_error *error;
	struct config *config;
	size_t count;

	config_errors_init(&errors);
	config = config_load(file, &errors);
	TAILQ_FOREACH (error, &errors.list, entry)
		fprintf(stderr, "poold: %s\n", error->text);
	count = errors.count;
	config_errors_free(&errors);
	if (config == NULL) {
		fprintf(stderr, "poold: %s: %zu error%s\n", file, count,
		    count == 1 ? "" : "s");
		return EX_CONFIG;
	}
	if (options->dump)
		config_dump(config, stdout);
	else
		fprintf(stderr, "poold: %s is fine\n", file);
	config_free(config);
	return 0;
}

/* Returns whether to go on; else *status is the exit status. */
static bool
parse_options(int argc, char **argv, struct options *options, int *status)
{
	int opt;

	*status = 0;
	while ((opt = getopt(argc, argv, "c:DhtTVp:R:")) != -1)
		switch (opt) {
		case 'c':
			options->supervisor.config_file = optarg;
			break;
		case 'D':
			options->supervisor.daemonise = true;
			break;
		case 't':
			options->test = true;
			break;
		case 'T':
			options->test = options->dump = true;
			break;
		case 'p':
			options->supervisor.pid_file = optarg;
			break;
		case 'R': /* by the supervisor, when it starts this anew */
			options->role = optarg;
			break;
		case 'V':
			printf("poold %s\n", PACKAGE_VERSION);
			return false;
		case 'h':
			printf("%s%s", usage_text, help_text);
			return false;
		default:
			fputs(usage_text, stderr);
			*status = EX_USAGE;
			return false;
		}
	if (optind < argc) {
		fprintf(stderr, "poold: unexpected argument '%s'\n%s", argv[optind],
		    usage_text);
		*status = EX_USAGE;
		return false;
	}
	return true;
}

/* One of our roles, as poold itself starts it; fd follows a '='. */
static int
play(const char *role)
{
	const char *fd = strchr(role, '=');

	if (strcmp(role, "router") == 0)
		return router_main();
	if (strcmp(role, "logger") == 0)
		return logger_main();
	if (fd != NULL && strncmp(role, "upgraded=", strlen("upgraded=")) == 0)
		return supervisor_upgraded(atoi(fd + 1));
	if (fd != NULL && strncmp(role, "dry-run=", strlen("dry-run=")) == 0)
		return supervisor_dry_run(atoi(fd + 1));
	errx(EX_USAGE, "unknown role '%s'", role);
}

int
main(int argc, char **argv)
{
	struct options options = { .supervisor.config_file = DEFAULT_CONFIG };
	int status;

	options.supervisor.program = argc > 0 ? argv[0] : "poold";

	setproctitle_init(argc, argv, environ);
	if (!parse_options(argc, argv, &options, &status))
		return status;
	if (options.role != NULL)
		return play(options.role);
	if (options.test)
		return test_config(&options);
	return supervisor_main(&options.supervisor);
}
