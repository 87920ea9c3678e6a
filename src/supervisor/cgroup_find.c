/* SPDX-License-Identifier: ISC */
/* The control group that poold may use, and its own place in it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/cgroup.h"
#include "supervisor/proc.h"

/* A process may fork while its group is looked through. */
#define ROUNDS_MAX 16

/* --- files of a group -------------------------------------------------- */

static FILE *
file_open(const char *dir, const char *file)
{
	char *path = util_asprintf("%s/%s", dir, file);
	FILE *f = fopen(path, "re");

	free(path);
	return f;
}

bool
cgroup_has_word(const char *dir, const char *file, const char *word)
{
	FILE *f = file_open(dir, file);
	char found[64];
	bool has = false;

	if (f == NULL)
		return false;
	while (!has && fscanf(f, "%63s", found) == 1)
		has = strcmp(found, word) == 0;
	fclose(f);
	return has;
}

int
cgroup_write(const char *dir, const char *file, const char *text)
{
	char *path = util_asprintf("%s/%s", dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = errno;
	ssize_t n;

	free(path);
	if (fd == -1) {
		errno = error;
		return -1;
	}
	n = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return n == -1 ? -1 : 0;
}

/* --- where we are ------------------------------------------------------ */

/* The line "0::/path" is that of version 2. */
static char *
own_path(FILE *cgroup)
{
	char *line = NULL, *path = NULL;
	size_t size = 0;

	while (path == NULL && getline(&line, &size, cgroup) != -1)
		if (strncmp(line, "0::/", 4) == 0) {
			line[strcspn(line, "\n")] = '\0';
			path = util_strdup(line + 3);
		}
	free(line);
	return path;
}

/* What path has below the group that is mounted; NULL if it is elsewhere. */
static const char *
path_below(const char *path, const char *mounted)
{
	size_t len = strlen(mounted);

	if (strcmp(mounted, "/") == 0)
		return path;
	if (strncmp(path, mounted, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	return path + len;
}

/* proc(5): "ID PARENT MAJ:MIN ROOT POINT OPTIONS [FIELD...] - TYPE ...".  Where
 * ROOT is above us ("/../..") the namespace shows no more. */
static char *
dir_by_mount(const char *line, const char *path)
{
	char *mounted = NULL, *point = NULL, *dir = NULL;
	const char *below;

	if (strstr(line, " - cgroup2 ") != NULL &&
	    sscanf(line, "%*s %*s %*s %ms %ms", &mounted, &point) == 2 &&
	    (below = path_below(path, mounted)) != NULL)
		dir = util_asprintf("%s%s", point, strcmp(below, "/") == 0 ? "" : below);
	free(mounted);
	free(point);
	return dir;
}

char *
cgroup_own_dir(FILE *cgroup, FILE *mountinfo)
{
	char *path = own_path(cgroup), *line = NULL, *dir = NULL;
	size_t size = 0;

	while (path != NULL && strncmp(path, "/..", 3) != 0 && dir == NULL &&
	    getline(&line, &size, mountinfo) != -1)
		dir = dir_by_mount(line, path);
	free(line);
	free(path);
	return dir;
}

static char *
own_dir(void)
{
	FILE *cgroup = fopen("/proc/self/cgroup", "re");
	FILE *mountinfo = fopen("/proc/self/mountinfo", "re");
	char *dir = NULL;

	if (cgroup != NULL && mountinfo != NULL)
		dir = cgroup_own_dir(cgroup, mountinfo);
	if (cgroup != NULL)
		fclose(cgroup);
	if (mountinfo != NULL)
		fclose(mountinfo);
	return dir;
}

/* --- what is ours ------------------------------------------------------ */

static bool
is_marked(const char *dir, const char *attribute)
{
	char value[2];

	return getxattr(dir, attribute, value, sizeof(value)) == 1 && value[0] == '1';
}

static bool
is_above(const char *dir, const char *file)
{
	char *path = util_asprintf("%s/../%s", dir, file);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

/*
 * systemd marks the groups that it delegates, and so may anybody else.  The
 * root of a container's own hierarchy is the container's; that of the machine,
 * which alone has no cgroup.type, is not ours.
 */
static bool
is_delegated(const char *dir)
{
	char *type = util_asprintf("%s/cgroup.type", dir);
	bool below_root = access(type, F_OK) == 0;

	free(type);
	return is_marked(dir, "user.delegate") || is_marked(dir, "trusted.delegate") ||
	    (below_root && !is_above(dir, "cgroup.procs"));
}

static bool
may_write(const char *dir, char **why)
{
	static const char *const files[] = { ".", "cgroup.procs",
		"cgroup.subtree_control" };
	bool may = true;

	for (size_t i = 0; may && i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = util_asprintf("%s/%s", dir, files[i]);

		may = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
		if (!may)
			*why = util_asprintf("poold may not write to %s: %s", path,
			    strerror(errno));
		free(path);
	}
	return may;
}

/* The group above, if we were started, or have moved, into a leaf of it. */
static char *
step_up(char *dir)
{
	char *slash = strrchr(dir, '/');
	char *above = slash == NULL ? util_strdup(dir) :
				      util_asprintf("%.*s", (int)(slash - dir), dir);

	if (is_delegated(above) &&
	    (!is_delegated(dir) || strcmp(slash + 1, CGROUP_LEAF) == 0)) {
		free(dir);
		return above;
	}
	free(above);
	return dir;
}

char *
cgroup_find_delegated(char **why)
{
	char *dir = own_dir();

	*why = NULL;
	if (dir == NULL) {
		*why = util_strdup("there is no hierarchy of cgroup v2 here");
		return NULL;
	}
	dir = step_up(dir);
	if (!is_delegated(dir))
		*why = util_asprintf("poold runs in the control group %s, which is not "
				     "delegated to it (systemd: Delegate=yes)",
		    dir);
	else
		may_write(dir, why);
	if (*why == NULL)
		return dir;
	free(dir);
	return NULL;
}

/* --- making room ------------------------------------------------------- */

static pid_t
parent_of(pid_t pid)
{
	char buf[512];
	const char *rest;
	int parent;

	proc_read(pid, "stat", buf, sizeof(buf));
	rest = proc_behind_name(buf);
	return rest != NULL && sscanf(rest, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool
is_ours(pid_t pid)
{
	for (int depth = 0; pid > 1 && depth < 64; depth++) {
		if (pid == getpid())
			return true;
		pid = parent_of(pid);
	}
	return false;
}

/* Moves what is ours; *found: there was any. */
static int
move_ours(const char *dir, const char *leaf, bool *found)
{
	FILE *f = file_open(dir, "cgroup.procs");
	char pid[16];
	int result = 0;

	*found = false;
	if (f == NULL)
		return -1;
	while (result == 0 && fscanf(f, "%15s", pid) == 1)
		if (is_ours((pid_t)atoi(pid))) {
			*found = true;
			/* it may be gone by now */
			if (cgroup_write(leaf, "cgroup.procs", pid) == -1 &&
			    errno != ESRCH)
				result = -1;
		}
	fclose(f);
	return result;
}

int
cgroup_make_room(const char *dir)
{
	char *leaf = util_asprintf("%s/%s", dir, CGROUP_LEAF);
	bool found = true;
	int result = mkdir(leaf, 0755);

	if (result == -1 && errno == EEXIST)
		result = 0;
	for (int round = 0; result == 0 && found && round < ROUNDS_MAX; round++)
		result = move_ours(dir, leaf, &found);
	free(leaf);
	return result;
}
