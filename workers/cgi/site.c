/* SPDX-License-Identifier: ISC */
#include "site.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../files/path.h"

/* What part_find found. */
enum part { PART_FOLDER, PART_FILE, PART_NONE };

/* Looks at path below the folder.  PART_NONE: *status says why. */
static enum part
part_find(int root_fd, const char *path, int *status)
{
	int fd = path_find(root_fd, path);
	enum part part = PART_NONE;
	struct stat st;

	*status = 404;
	if (fd == -1) {
		*status = path_status(errno);
		return PART_NONE;
	}
	if (fstat(fd, &st) == -1)
		*status = path_status(errno);
	else if (S_ISDIR(st.st_mode))
		part = PART_FOLDER;
	else if (S_ISREG(st.st_mode) && (st.st_mode & 0111) == 0)
		*status = 403;
	else if (S_ISREG(st.st_mode))
		part = PART_FILE;
	close(fd);
	return part;
}

/* The length of the beginning of path that names a program; 0 with *status. */
static size_t
program_find(int root_fd, const char *path, int *status)
{
	char name[PATH_MAX];
	size_t start = strspn(path, "/"), end = start;
	enum part part = PART_FOLDER;

	*status = 404;
	while (part == PART_FOLDER && path[end] != '\0' && path[end] != '.') {
		end += strcspn(path + end, "/");
		if (end - start >= sizeof(name))
			return 0;
		memcpy(name, path + start, end - start);
		name[end - start] = '\0';
		part = part_find(root_fd, name, status);
		if (part == PART_FILE)
			return end;
		end += strspn(path + end, "/");
		*status = part == PART_FOLDER ? 404 : *status;
	}
	return 0;
}

/* Fills in what follows from the program's file; false: too long. */
static bool
script_name(struct script *script, const char *route, const char *path, size_t len)
{
	const char *base = strrchr(script->file, '/') + 1;
	size_t dir_len = (size_t)(base - script->file);

	script->raw = strncmp(base, "nph-", 4) == 0;
	memcpy(script->dir, script->file, dir_len);
	script->dir[dir_len > 1 ? dir_len - 1 : dir_len] = '\0';
	return (size_t)snprintf(script->name, sizeof(script->name), "%s%.*s", route,
		   (int)len, path) < sizeof(script->name) &&
	    (size_t)snprintf(script->path_info, sizeof(script->path_info), "%s",
		path + len) < sizeof(script->path_info);
}

int
site_find(const struct site *site, const char *route, const char *path,
    struct script *script)
{
	size_t len = 0, skip;
	int root_fd, status;

	if (!site->is_folder) {
		snprintf(script->file, sizeof(script->file), "%s", site->app);
		return script_name(script, route, path, 0) ? 0 : 404;
	}
	/* Opened anew each time: the folder may be a link to the current one. */
	root_fd = open(site->app, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd == -1)
		return path_status(errno);
	len = program_find(root_fd, path, &status);
	close(root_fd);
	if (len == 0)
		return status;
	skip = strspn(path, "/");
	if ((size_t)snprintf(script->file, sizeof(script->file), "%s/%.*s", site->app,
		(int)(len - skip), path + skip) >= sizeof(script->file) ||
	    !script_name(script, route, path, len))
		return 404;
	return 0;
}
