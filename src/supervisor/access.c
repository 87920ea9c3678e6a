/* SPDX-License-Identifier: ISC */
#include "supervisor/access.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/util.h"

struct who {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	int ngroups;
};

#define ID_SIZE 64

static const char *
user_text(uid_t uid, char buf[ID_SIZE])
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		snprintf(buf, ID_SIZE, "%s", pw->pw_name);
	else
		snprintf(buf, ID_SIZE, "%ju", (uintmax_t)uid);
	return buf;
}

static bool
is_member(const struct who *who, gid_t gid)
{
	if (who->gid == gid)
		return true;
	for (int i = 0; i < who->ngroups; i++)
		if (who->groups[i] == gid)
			return true;
	return false;
}

/* The x bit that counts is that of the first class the user belongs to, even
 * where a later one would allow more (POSIX, "file access permissions"). */
static bool
may_execute(const struct who *who, const char *path, const struct stat *st)
{
	if (who->uid == 0)
		return S_ISDIR(st->st_mode) || (st->st_mode & 0111) != 0;
	if (getxattr(path, "system.posix_acl_access", NULL, 0) > 0)
		return true;
	if (who->uid == st->st_uid)
		return (st->st_mode & S_IXUSR) != 0;
	if (is_member(who, st->st_gid))
		return (st->st_mode & S_IXGRP) != 0;
	return (st->st_mode & S_IXOTH) != 0;
}

static char *
place_explain(const struct who *who, const char *path)
{
	char user[ID_SIZE], owner[ID_SIZE];
	struct stat st;

	if (stat(path, &st) == -1)
		return util_asprintf("%s: %s", path, strerror(errno));
	if (may_execute(who, path, &st))
		return NULL;
	return util_asprintf("user %s may not %s %s (mode %04o, owner %s)",
	    user_text(who->uid, user), S_ISDIR(st.st_mode) ? "enter" : "execute", path,
	    (unsigned)st.st_mode & 07777, user_text(st.st_uid, owner));
}

/* Each prefix of path that ends before a slash, "/" first, then path. */
static char *
path_explain(const struct who *who, const char *path)
{
	char *part = util_strdup(path);
	char *why = place_explain(who, "/");

	for (char *p = part; why == NULL && *p != '\0';) {
		char *slash = strchr(p + 1, '/');

		if (slash != NULL)
			*slash = '\0';
		why = place_explain(who, part);
		if (slash == NULL)
			break;
		*slash = '/';
		p = slash;
	}
	free(part);
	return why;
}

char *
access_explain(const char *path, uid_t uid, gid_t gid, const gid_t *groups, int ngroups)
{
	const struct who who = { uid, gid, groups, ngroups };
	char *why = path_explain(&who, path);
	char *target;

	if (why != NULL)
		return why;
	/* stat followed the symbolic links; the folders that they lead
	 * through count too */
	target = realpath(path, NULL);
	if (target == NULL)
		return util_asprintf("%s: %s", path, strerror(errno));
	if (strcmp(target, path) != 0)
		why = path_explain(&who, target);
	free(target);
	return why;
}
