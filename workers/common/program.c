/* SPDX-License-Identifier: ISC */
#include "program.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

int
program_usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Its options: --help\n");
	return EX_USAGE;
}

int
program_serve(int argc, char **argv, poold_handler handler, void *arg)
{
	if (optind < argc - 1)
		return program_usage_error("one address too many: %s", argv[optind + 1]);
	/* Without an address, the last word of argv belongs to an option:
	 * poold_serve must not take it for one. */
	return poold_serve(optind < argc ? argc : 1, argv, handler, arg);
}
