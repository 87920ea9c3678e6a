/* SPDX-License-Identifier: ISC */
/*
 * poold-python: answers requests with a Python application.
 *
 * The application is imported first, then this process says that it is ready:
 * what cannot be imported fails where it is started.
 */
#include "interpreter.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "application.h"
#include "asgi.h"
#include "failure.h"
#include "preload.h"
#include "wsgi.h"

#ifdef __SANITIZE_ADDRESS__
/* What Python has allocated and not freed at the end is its own affair.  Of a
 * process that was forked by clone(2) LeakSanitizer does not know the stack. */
const char *__lsan_default_suppressions(void);
int __lsan_is_turned_off(void);
static bool was_forked;

const char *
__lsan_default_suppressions(void)
{
	return "leak:libpython\n";
}

int
__lsan_is_turned_off(void)
{
	return was_forked;
}
#endif

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: poold-python --app APP [OPTIONS] [PORT | ADDRESS:PORT | unix:PATH]\n"
	    "  --app APP              package.module:callable, FILE or FILE:callable\n"
	    "  --python-path DIR      look for modules there first; may be repeated\n"
	    "  --virtualenv DIR       use the packages of a virtual environment\n"
	    "  --factory              calling the callable gives the application\n"
	    "  --interface auto|wsgi|asgi\n"
	    "The address is needed only without poold: see poold-python(8).\n");
}

static int usage_error(const char *fmt, ...) POOLD_PRINTF(1, 2);

static int
usage_error(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	warnx("%s", text);
	fprintf(stderr, "Its options: --help\n");
	poold_status("%s", text);
	return EX_USAGE;
}

/* Returns 0 with *help set or not, or an exit status. */
static int
options_read(int argc, char **argv, struct options *options, bool *help)
{
	static const struct option known[] = {
		{ "app", required_argument, NULL, 'a' },
		{ "python-path", required_argument, NULL, 'p' },
		{ "virtualenv", required_argument, NULL, 'v' },
		{ "factory", no_argument, NULL, 'f' },
		{ "interface", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	size_t paths = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'a':
			options->app = optarg;
			break;
		case 'p':
			options->python_path[paths++] = optarg;
			break;
		case 'v':
			options->virtualenv = optarg;
			break;
		case 'f':
			options->factory = true;
			break;
		case 'i':
			options->interface = optarg;
			break;
		case 'h':
			*help = true;
			return EX_OK;
		default:
			return usage_error("unknown option");
		}
	}
	if (options->app == NULL || options->app[0] == '\0')
		return usage_error("--app is missing");
	if (strcmp(options->interface, "auto") != 0 &&
	    strcmp(options->interface, "wsgi") != 0 &&
	    strcmp(options->interface, "asgi") != 0)
		return usage_error("interface '%s' is not auto, wsgi or asgi",
		    options->interface);
	if (optind < argc - 1)
		return usage_error("one address too many: %s", argv[optind + 1]);
	return EX_OK;
}

static int
application_serve(const struct options *options, int argc, char **argv)
{
	struct application application = { NULL, false };
	int status = application_load(&application, options);

	if (status != EX_OK)
		return status;
#ifdef __SANITIZE_ADDRESS__
	was_forked = getenv("POOLD_TEMPLATE") != NULL;
#endif
	if ((status = preload(options->app)) != EX_OK) {
		Py_CLEAR(application.callable);
		return status;
	}
	status = application.asgi ?
	    asgi_serve(application.callable, options->app, argc, argv) :
	    wsgi_serve(application.callable, argc, argv);
	Py_CLEAR(application.callable);
	return status;
}

int
main(int argc, char **argv)
{
	struct options options = { .interface = "auto" };
	bool help = false;
	int status;

	/* there cannot be more of them than words */
	options.python_path = calloc((size_t)argc + 1, sizeof(*options.python_path));
	if (options.python_path == NULL)
		err(EX_OSERR, NULL);
	status = options_read(argc, argv, &options, &help);
	if (help)
		usage(stdout);
	if (status == EX_OK && !help && (status = interpreter_open(&options)) == EX_OK) {
		/* Without an address, the last word of argv belongs to an option:
		 * poold_serve must not take it for one. */
		status = application_serve(&options, optind < argc ? argc : 1, argv);
		status = interpreter_close(status);
	}
	free(options.python_path);
	return status;
}
