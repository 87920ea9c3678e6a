/* SPDX-License-Identifier: ISC */
/* The supervisor as the rest of the program sees it. */
#ifndef SUPERVISOR_MAIN_H
#define SUPERVISOR_MAIN_H

#include <stdbool.h>

struct supervisor_options {
	const char *config_file;
	const char *pid_file; /* overrides the configuration; NULL: does not */
	bool daemonise;
};

/* The whole life of the process.  Returns an exit status of sysexits(3). */
int supervisor_main(const struct supervisor_options *options);

#endif
