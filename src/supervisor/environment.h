/* SPDX-License-Identifier: ISC */
/* What a worker is started with: its environment, and the listening sockets of
 * mode = inherit. */
#ifndef SUPERVISOR_ENVIRONMENT_H
#define SUPERVISOR_ENVIRONMENT_H

struct pool;
struct worker;

/*
 * The environment of a worker: poold's own without what belongs to poold
 * (NOTIFY_SOCKET, LISTEN_*, SERVER_STARTER_*, FPM_SOCKETS*, WATCHDOG_*, POOLD_*),
 * the contract's variables or those that inherit_as names, the
 * user's HOME, USER and LOGNAME when the user changes, and env.NAME of the
 * configuration.  *listen_pid and *watchdog_pid point into it, for struct spawn,
 * or are NULL.
 */
char **environment_new(struct worker *worker, char **listen_pid, char **watchdog_pid);
/* That of the pool's template: the same, but for what differs from worker to
 * worker; and that, which a worker that is forked from it gets besides. */
char **environment_template(const struct pool *pool);
char **environment_forked(const struct worker *worker);
/* The same for a process beside the workers: poold's own, the user's and that of
 * the configuration; POOLD_SERVICE, and TERM (NULL: as poold has it). */
char **environment_oneoff(const struct pool *pool, const char *term);
void environment_free(char **envp);

/* Fills fds[SPAWN_SOCKETS_MAX] with the service's listening sockets (the
 * supervisor's own).  Returns how many. */
int environment_listen_fds(const struct pool *pool, int *fds);
/* The one that also becomes standard input; -1: none does. */
int environment_stdin(const struct pool *pool);

#endif
