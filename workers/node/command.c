/* SPDX-License-Identifier: ISC */
#include "command.h"

#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#define PRELOAD_NAME "poold-node.js"

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
struct words {
	const char *interpreter;
	const char **options, **arguments;
	size_t option_count, argument_count;
};

static int
options_read(int argc, char **argv, struct words *words)
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
			words->interpreter = optarg;
			break;
		case 'o':
			words->options[words->option_count++] = optarg;
			break;
		case 'g':
			words->arguments[words->argument_count++] = optarg;
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
	if (getenv("POOLD_PROTOCOL") == NULL && getenv("LISTEN_FDS") == NULL)
		return usage_error("poold starts this; without poold, run node");
	return EX_OK;
}

static void
argv_make(struct command *command, const struct words *words)
{
	char **word = command->argv;

	*word++ = (char *)(uintptr_t)words->interpreter;
	*word++ = (char *)(uintptr_t) "-r";
	*word++ = command->preload;
	for (size_t i = 0; i < words->option_count; i++)
		*word++ = (char *)(uintptr_t)words->options[i];
	*word++ = (char *)(uintptr_t)command->app;
	for (size_t i = 0; i < words->argument_count; i++)
		*word++ = (char *)(uintptr_t)words->arguments[i];
	*word = NULL;
}

int
command_read(struct command *command, int argc, char **argv)
{
	size_t size = (size_t)argc + 4; /* there cannot be more of them */
	struct words words = { .interpreter = "node" };
	int status;

	memset(command, 0, sizeof(*command));
	words.options = calloc(size, sizeof(*words.options));
	words.arguments = calloc(size, sizeof(*words.arguments));
	command->argv = calloc(size, sizeof(char *));
	command->preload = preload_find();
	if (words.options == NULL || words.arguments == NULL || command->argv == NULL ||
	    command->preload == NULL)
		err(EX_OSERR, NULL);
	status = options_read(argc, argv, &words);
	if (status == EX_OK) {
		command->app = argv[optind];
		argv_make(command, &words);
	}
	free(words.options);
	free(words.arguments);
	return status;
}

void
command_free(struct command *command)
{
	free(command->argv);
	free(command->preload);
}
