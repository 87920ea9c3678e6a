/* SPDX-License-Identifier: ISC */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PART_SIZE (64 * 1024)

static int
file_open(void)
{
	const char *dirs[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	int fd = -1;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && fd == -1; i++)
		if (dirs[i] != NULL)
			fd = open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd;
}

static int
write_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	for (; len > 0; buf += n, len -= (size_t)n)
		if ((n = write(fd, buf, len)) == -1) {
			if (errno != EINTR)
				return -1;
			n = 0;
		}
	return 0;
}

static int
copy(struct poold_request *req, int fd, int64_t *length)
{
	char part[PART_SIZE];
	ssize_t n;

	*length = 0;
	while ((n = poold_read(req, part, sizeof(part))) > 0) {
		if (write_all(fd, part, (size_t)n) == -1)
			return -1;
		*length += n;
	}
	return n == 0 && lseek(fd, 0, SEEK_SET) == 0 ? 0 : -1;
}

int
spool_body(struct poold_request *req, int64_t *length)
{
	int fd = file_open(), error;

	if (fd == -1)
		return -1;
	if (copy(req, fd, length) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}
