/* SPDX-License-Identifier: ISC */
/* The supervisor as the rest of the program sees it. */
#ifndef SUPERVISOR_MAIN_H
#define SUPERVISOR_MAIN_H

#include <stdbool.h>

struct supervisor_options {
	const char *config_file;
	const char *pid_file; /* overrides the configuration; NULL: does not */
	const char *program;  /* argv[0] */
	bool daemonise;
};

/* The whole life of the process.  Returns an exit status of sysexits(3). */
int supervisor_main(const struct supervisor_options *options);
/* The same in the place of another version of poold, which left its state in
 * state_fd. */
int supervisor_upgraded(int state_fd);
/* Whether that would do: returns 0, or says on stderr what is wrong. */
int supervisor_dry_run(int state_fd);

#endif
