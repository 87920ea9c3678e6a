/* SPDX-License-Identifier: ISC */
/*
 * Control groups (cgroup v2, see cgroups(7)): one for each service that has a
 * cgroup_ key, named poold.SERVICE, below the group that was delegated to poold.
 * Where none was, or it has no such controller, a warning says so, once for each
 * service and key, and the service runs without.
 */
#ifndef SUPERVISOR_CGROUP_H
#define SUPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/queue.h>

#include "common/loop.h"

struct pool;
struct service;

/* The group of one service, there until its last process is gone. */
struct cgroup {
	TAILQ_ENTRY(cgroup) entry;
	struct cgroup_root *root;
	char *service;
	char *dir;	       /* its folder */
	int fd;		       /* of dir; -1: there is no group */
	struct loop_io events; /* awaits the end of processes that outlive the
				* workers; fd -1: does not */
	unsigned warned;       /* a bit for each key */
};
TAILQ_HEAD(cgroups, cgroup);

struct cgroup_root {
	struct loop *loop;
	bool looked; /* for dir */
	char *dir;   /* folder of the delegated group; NULL: none */
	char *why;   /* why there is none */
	bool moved;  /* poold made room: its own processes are in a leaf */
	struct cgroups groups;
};

void cgroup_init(struct cgroup_root *root, struct loop *loop);
/* Removes the groups that are empty. */
void cgroup_close(struct cgroup_root *root);

/*
 * After a pool of the service came or went: makes the group, sets its limits, or
 * removes it when no pool is left that wants one.  While an old and a new
 * generation run side by side, the looser limit of the two holds, so that a new
 * one that fails has done the old one no harm.
 */
void cgroup_update(struct cgroup_root *root, struct service *service);

/* The folder in which workers of this pool are born; -1: that of poold. */
int cgroup_fd(struct cgroup_root *root, const struct pool *pool);

/*
 * The folder of this process's group, by what /proc/self/cgroup and
 * /proc/self/mountinfo say.  NULL: there is none.  The caller frees it.
 */
char *cgroup_own_dir(FILE *cgroup, FILE *mountinfo);

/*
 * The folder of the group below which poold may do as it likes: the one it runs
 * in, or the one above if it is in a leaf of that.  NULL with the reason in
 * *why.  The caller frees both.
 */
char *cgroup_find_delegated(char **why);

/* Where poold's own processes go when they are in the way. */
#define CGROUP_LEAF "poold-supervisor" /* no name of a service's group */

/* Moves this process and its children out of the group dir into its leaf.
 * Returns 0, or -1 with errno. */
int cgroup_make_room(const char *dir);

/* Whether a word stands in a file of dir, such as a controller. */
bool cgroup_has_word(const char *dir, const char *file, const char *word);
/* Writes text to a file of dir.  Returns 0, or -1 with errno. */
int cgroup_write(const char *dir, const char *file, const char *text);

#endif
