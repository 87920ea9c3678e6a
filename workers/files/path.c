/* SPDX-License-Identifier: ISC */
#include "path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define FIND_FLAGS (O_PATH | O_CLOEXEC)
#define OPEN_TRIES 5 /* while something is renamed below the folder */

const char *
path_below(const char *path_info)
{
	const char *part;

	path_info += strspn(path_info, "/");
	for (part = path_info; *part != '\0';) {
		if (*part == '.')
			return NULL;
		part += strcspn(part, "/");
		part += strspn(part, "/");
	}
	return *path_info != '\0' ? path_info : ".";
}

bool
path_encode(const char *path, char *out, size_t size)
{
	const char *end = out + size;

	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;

		if (end - out < 4)
			return false;
		/* "%2F" is how a canonical path writes a slash that is none */
		if (isalnum(c) || strchr("-._~/!$&'()*+,;=:@", c) != NULL ||
		    strncasecmp(path, "%2F", 3) == 0)
			*out++ = (char)c;
		else
			out += snprintf(out, 4, "%%%02X", c);
	}
	*out = '\0';
	return true;
}

/* Opens one part of a path, which is len bytes long: the last one to be read,
 * the others to go on from. */
static int
open_part(int parent, const char *part, size_t len, bool last, int flags)
{
	char name[NAME_MAX + 1];

	if (len > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, part, len);
	name[len] = '\0';
	if (strcmp(name, "..") == 0) {
		errno = EXDEV;
		return -1;
	}
	return openat(parent, name,
	    O_NOFOLLOW | (last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int
open_by_parts(int dir_fd, const char *path, int flags)
{
	int error, fd, parent = dir_fd;
	bool last = false;
	size_t len;

	if (*path == '/') {
		errno = EXDEV;
		return -1;
	}
	while (!last) {
		len = strcspn(path, "/");
		last = path[len] == '\0';
		/* Behind the slash at the end of "name/" is the folder. */
		fd = len > 0 ? open_part(parent, path, len, last, flags) :
			       open_part(parent, ".", 1, true, flags);
		error = errno;
		if (parent != dir_fd)
			close(parent);
		errno = error;
		if (fd == -1)
			return -1;
		parent = fd;
		path += len + strspn(path + len, "/");
	}
	return parent;
}

int
path_open_by_parts(int dir_fd, const char *path)
{
	return open_by_parts(dir_fd, path, OPEN_FLAGS);
}

static int
open_below(int dir_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int i, fd = -1;

	for (i = 0; i < OPEN_TRIES; i++) {
		fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
		if (fd != -1 || errno != EAGAIN)
			break;
	}
	/* EPERM: what older container sandboxes say instead of ENOSYS; a
	 * file's own EPERM comes back from the second try too. */
	if (fd == -1 && (errno == ENOSYS || errno == EPERM))
		return open_by_parts(dir_fd, path, flags);
	return fd;
}

int
path_open(int dir_fd, const char *path)
{
	return open_below(dir_fd, path, OPEN_FLAGS);
}

int
path_find(int dir_fd, const char *path)
{
	return open_below(dir_fd, path, FIND_FLAGS);
}

int
path_status(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
		return 503;
	default: /* ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP, EXDEV... */
		return 404;
	}
}
