/* SPDX-License-Identifier: ISC */
#include "supervisor/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

size_t
proc_read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	while (
	    fd != -1 && len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	if (fd != -1)
		close(fd);
	buf[len] = '\0';
	return len;
}

size_t
proc_read(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return proc_read_file(path, buf, size);
}

const char *
proc_behind_name(const char *stat)
{
	const char *end = strrchr(stat, ')');

	return end != NULL ? end + 1 : NULL;
}

bool
proc_status_number(pid_t pid, const char *key, int base, uint64_t *number)
{
	char buf[4096];
	size_t len = strlen(key);
	char *line;

	proc_read(pid, "status", buf, sizeof(buf));
	for (line = buf; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ':') {
			*number = strtoull(line + len + 1, NULL, base);
			return true;
		}
	}
	return false;
}
