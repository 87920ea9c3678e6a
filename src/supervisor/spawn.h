/* SPDX-License-Identifier: ISC */
/* Starting a process: fork, drop privileges, exec, in one order in one place. */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/config.h"
#include "supervisor/limits.h"

#define SPAWN_SOCKETS_MAX 8			  /* that listen */
#define SPAWN_FDS_MAX	  (SPAWN_SOCKETS_MAX + 1) /* and a control line */
#define SPAWN_FD_FIRST	  3			  /* fds[i] becomes 3 + i */

struct spawn {
	const char *path;   /* absolute, unless search is set */
	const char *search; /* PATH in which a name without a slash is looked
			     * for, as the child sees it; NULL: none */
	char *const *argv;
	char **envp;	    /* whole environment */
	char *listen_pid;   /* in envp: "LISTEN_PID=" and 11 more bytes that
				  * become the child's pid; NULL: none */
	char *watchdog_pid; /* "WATCHDOG_PID=", in the same way */
	const char *chdir;  /* NULL: / */
	const struct config_account *account;
	bool switch_account;	     /* we are root and become account */
	const struct limits *limits; /* NULL: those of poold */
	int fds[SPAWN_FDS_MAX];	     /* what the child gets; still the caller's */
	int fd_count;
	int stdin_fd;	  /* becomes stdin; -1: /dev/null */
	int log_fd;	  /* becomes stdout and stderr */
	int error_fd;	  /* becomes stderr; 0: log_fd does */
	bool terminal;	  /* stdin is one, and becomes its own */
	int death_signal; /* what it gets should the supervisor die */
};

/* Why a child could not become what it should: what exec or a step before it
 * said. */
struct spawn_failure {
	char step[24]; /* "exec", "chdir", "setuid", a limit's key ... */
	int error;     /* errno */
};

/*
 * Starts a process.  Returns its pid; or -1 with errno.  *pidfd becomes
 * readable when it has ended; *failure_fd gives one struct spawn_failure, or
 * end of file once the program runs.  Both are the caller's and close-on-exec.
 * Never waits for the child.
 */
pid_t spawn_process(const struct spawn *spawn, int *pidfd, int *failure_fd);

/* Reads what failure_fd gives.  False: there is nothing, or the program runs. */
bool spawn_failure_read(int failure_fd, struct spawn_failure *failure);

/* A close-on-exec pidfd, readable when the process has ended; -1 with errno. */
int spawn_pidfd(pid_t pid);

/* Remembers the limit of open files that children get back, then raises our
 * own to the hard limit. */
void spawn_raise_fd_limit(void);
/* The limit that was remembered; another one, after spawn_raise_fd_limit. */
uint64_t spawn_fd_limit(void);
void spawn_set_fd_limit(uint64_t limit);

#endif
