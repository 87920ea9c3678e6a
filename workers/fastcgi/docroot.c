/* SPDX-License-Identifier: ISC */
#include "docroot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../files/path.h"

#define FILE_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* --- the folder ------------------------------------------------------------- */

void
docroot_close(struct docroot *docroot)
{
	if (docroot->fd != -1)
		close(docroot->fd);
	docroot->fd = -1;
}

int
docroot_refresh(struct docroot *docroot)
{
	struct stat st;

	if (stat(docroot->root, &st) == -1)
		return errno;
	if (docroot->fd != -1 && st.st_dev == docroot->st.st_dev &&
	    st.st_ino == docroot->st.st_ino)
		return 0;
	docroot_close(docroot);
	if (realpath(docroot->root, docroot->real) == NULL)
		return errno;
	docroot->fd = open(docroot->real, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (docroot->fd == -1 || fstat(docroot->fd, &docroot->st) == -1)
		return errno;
	return 0;
}

/* Opens path below it: to look at (O_PATH), or to read. */
static int
open_below(const struct docroot *docroot, const char *path, bool look)
{
	if (docroot->follow_links)
		return openat(docroot->fd, path, look ? O_PATH | O_CLOEXEC : FILE_FLAGS);
	return look ? path_find(docroot->fd, path) : path_open(docroot->fd, path);
}

/* --- names -------------------------------------------------------------------- */

/* Whether the name of len bytes, which may be a path, is one of a script. */
static bool
is_script_name(const struct docroot *docroot, const char *name, size_t len)
{
	size_t n;

	for (size_t i = 0; docroot->extensions[i] != NULL; i++) {
		n = strlen(docroot->extensions[i]);
		if (len > n && name[len - n - 1] != '/' &&
		    memcmp(name + len - n, docroot->extensions[i], n) == 0)
			return true;
	}
	return false;
}

/*
 * Whether a file may be sent.  Not what is a script by its extension in any case,
 * nor what an editor or a person in a hurry has made of one: index.php~,
 * config.php.bak, db.inc.
 */
static bool
is_public(const struct docroot *docroot, const char *path)
{
	static const char *const source[] = { "php", "phtml", "phar", "inc" };
	const char *slash = strrchr(path, '/');
	const char *part = slash != NULL ? slash + 1 : path;
	size_t i;

	while ((part = strchr(part, '.')) != NULL) {
		for (i = 0; docroot->extensions[i] != NULL; i++)
			if (strncasecmp(part, docroot->extensions[i],
				strlen(docroot->extensions[i])) == 0)
				return false;
		part++;
		for (i = 0; i < sizeof(source) / sizeof(source[0]); i++)
			if (strncasecmp(part, source[i], strlen(source[i])) == 0)
				return false;
	}
	return true;
}

/* --- what there is -------------------------------------------------------------- */

static enum docroot_kind
none(struct docroot_target *target, int status)
{
	target->status = status;
	return DOCROOT_NONE;
}

/* The script is the file path, which is len bytes long, below the folder. */
static enum docroot_kind
script(const struct docroot *docroot, const char *route, const char *path, size_t len,
    const char *path_info, struct docroot_target *target)
{
	if ((size_t)snprintf(target->file, sizeof(target->file), "%s/%.*s",
		strcmp(docroot->real, "/") == 0 ? "" : docroot->real, (int)len,
		path) >= sizeof(target->file) ||
	    (size_t)snprintf(target->name, sizeof(target->name), "%s/%.*s", route,
		(int)len, path) >= sizeof(target->name) ||
	    (size_t)snprintf(target->path_info, sizeof(target->path_info), "%s",
		path_info) >= sizeof(target->path_info))
		return none(target, 404);
	return DOCROOT_SCRIPT;
}

/* 0: it is a regular file; else a status. */
static int
regular_check(const struct docroot *docroot, const char *path)
{
	int fd = open_below(docroot, path, true), status = 404;
	struct stat st;

	if (fd == -1)
		return path_status(errno);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		status = 0;
	close(fd);
	return status;
}

/* The first part of path that is a script; what follows is its PATH_INFO. */
static enum docroot_kind
script_find(const struct docroot *docroot, const char *route, const char *path,
    struct docroot_target *target)
{
	char name[PATH_MAX];
	size_t end = 0;
	int status = 404, found;

	while (path[end] != '\0') {
		end += strcspn(path + end, "/");
		if (end >= sizeof(name))
			break;
		if (is_script_name(docroot, path, end)) {
			memcpy(name, path, end);
			name[end] = '\0';
			found = regular_check(docroot, name);
			if (found == 0)
				return script(docroot, route, path, end, path + end,
				    target);
			if (found != 404)
				status = found;
		}
		end += strspn(path + end, "/");
	}
	return none(target, status);
}

/* The index of a folder; path is "." or ends with a slash. */
static enum docroot_kind
index_find(const struct docroot *docroot, const char *route, const char *path,
    struct docroot_target *target)
{
	const char *dir = strcmp(path, ".") == 0 ? "" : path;
	char name[PATH_MAX];

	for (size_t i = 0; docroot->index[i] != NULL; i++) {
		size_t len = (size_t)snprintf(name, sizeof(name), "%s%s", dir,
		    docroot->index[i]);

		if (len >= sizeof(name) || regular_check(docroot, name) != 0)
			continue;
		if (is_script_name(docroot, name, len))
			return script(docroot, route, name, len, "", target);
		if (!docroot->files || !is_public(docroot, name) ||
		    (target->fd = open_below(docroot, name, false)) == -1)
			continue;
		if (fstat(target->fd, &target->st) == 0 && S_ISREG(target->st.st_mode)) {
			snprintf(target->file, sizeof(target->file), "%s", name);
			return DOCROOT_FILE;
		}
		close(target->fd);
	}
	return none(target, 404);
}

static enum docroot_kind
folder_find(const struct docroot *docroot, const char *route, const char *path,
    const char *rest, struct docroot_target *target)
{
	char dir[PATH_MAX];
	size_t len = strlen(rest);
	enum docroot_kind kind;

	if (len > 0 && rest[len - 1] == '/')
		return index_find(docroot, route, path, target);
	if ((size_t)snprintf(dir, sizeof(dir), strcmp(path, ".") == 0 ? "%s" : "%s/",
		path) >= sizeof(dir))
		return none(target, 404);
	/* only where there is something to be sent to */
	kind = index_find(docroot, route, dir, target);
	if (kind == DOCROOT_FILE)
		close(target->fd);
	return kind != DOCROOT_NONE ? DOCROOT_FOLDER : kind;
}

/* A file, or a folder.  rest is path with its slashes. */
static enum docroot_kind
file_find(const struct docroot *docroot, const char *route, const char *path,
    const char *rest, struct docroot_target *target)
{
	int error;

	if ((target->fd = open_below(docroot, path, false)) == -1)
		return none(target, path_status(errno));
	if (fstat(target->fd, &target->st) == -1) {
		error = errno;
		close(target->fd);
		return none(target, path_status(error));
	}
	if (S_ISREG(target->st.st_mode) && docroot->files && is_public(docroot, path)) {
		snprintf(target->file, sizeof(target->file), "%s", path);
		return DOCROOT_FILE;
	}
	close(target->fd);
	if (S_ISDIR(target->st.st_mode))
		return folder_find(docroot, route, path, rest, target);
	return none(target, 404);
}

/* The one script that answers for whatever is not there.  PATH_INFO stays empty, as
 * frameworks expect it: they look at REQUEST_URI. */
static enum docroot_kind
front_find(const struct docroot *docroot, const char *route,
    struct docroot_target *target)
{
	size_t root_len = strlen(docroot->root);
	const char *front = docroot->front;

	if (strncmp(front, docroot->root, root_len) == 0 && front[root_len] == '/') {
		front += root_len + strspn(front + root_len, "/");
		return script(docroot, route, front, strlen(front), "", target);
	}
	snprintf(target->file, sizeof(target->file), "%s", front);
	if ((size_t)snprintf(target->name, sizeof(target->name), "%s/%s", route,
		strrchr(front, '/') + 1) >= sizeof(target->name))
		return none(target, 404);
	target->path_info[0] = '\0';
	return DOCROOT_SCRIPT;
}

enum docroot_kind
docroot_find(struct docroot *docroot, const char *route, const char *path,
    struct docroot_target *target)
{
	const char *below = path_below(path);
	enum docroot_kind kind = none(target, 404);
	int error = docroot_refresh(docroot);

	if (error != 0)
		return none(target, path_status(error));
	/* names that begin with a dot are not looked at; a front controller may
	 * know them all the same: /.well-known/... */
	if (below != NULL) {
		kind = script_find(docroot, route, below, target);
		if (kind == DOCROOT_NONE && target->status == 404)
			kind = file_find(docroot, route, below, path, target);
	}
	if (kind == DOCROOT_NONE && target->status == 404 && docroot->front != NULL)
		kind = front_find(docroot, route, target);
	return kind;
}
