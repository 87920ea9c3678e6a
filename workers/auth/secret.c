/* SPDX-License-Identifier: ISC */
#include "secret.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static int
fail(const char *what, const char *path)
{
	warn("%s %s", what, path);
	return EX_OSERR;
}

/* Writes fresh bytes to an open temporary file and gives it its name, unless
 * somebody else was faster: then theirs counts. */
static int
publish(int fd, const char *temporary, const char *path)
{
	unsigned char key[SECRET_MIN];
	ssize_t n;

	if (RAND_priv_bytes(key, sizeof(key)) != 1) {
		warnx("no random bytes for %s", path);
		return EX_OSERR;
	}
	n = write(fd, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	if (n != (ssize_t)sizeof(key) || fsync(fd) == -1)
		return fail("cannot write", temporary);
	if (link(temporary, path) == -1 && errno != EEXIST)
		return fail("cannot make", path);
	return EX_OK;
}

/*
 * A link appears with all its content and never replaces another file: no
 * worker can read half a secret, and no two can disagree about it.
 */
static int
make(const char *path)
{
	char temporary[PATH_MAX];
	int fd, status;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >=
	    sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return fail("cannot make", path);
	}
	if ((fd = mkostemp(temporary, O_CLOEXEC)) == -1)
		return fail("cannot make", temporary);
	status = publish(fd, temporary, path);
	close(fd);
	unlink(temporary);
	return status;
}

static int
read_key(struct secret *secret, int fd, const char *path)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return fail("cannot look at", path);
	if (!S_ISREG(st.st_mode)) {
		warnx("%s is no file", path);
		return EX_CONFIG;
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		warnx("%s may be used by others than its owner (mode %04o): "
		      "make a new one, and keep it at 0600",
		    path, (unsigned)(st.st_mode & 07777));
		return EX_NOPERM;
	}
	if (st.st_size < SECRET_MIN || st.st_size > SECRET_MAX) {
		warnx("%s has %lld bytes, and should have %d to %d", path,
		    (long long)st.st_size, SECRET_MIN, SECRET_MAX);
		return EX_CONFIG;
	}
	n = read(fd, secret->key, sizeof(secret->key));
	if (n != (ssize_t)st.st_size) {
		if (n != -1)
			errno = EIO;
		return fail("cannot read", path);
	}
	secret->len = (size_t)n;
	return EX_OK;
}

int
secret_load(struct secret *secret, const char *path)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd, status;

	fd = open(path, flags);
	if (fd == -1 && errno == ENOENT) {
		if ((status = make(path)) != EX_OK)
			return status;
		fd = open(path, flags);
	}
	if (fd == -1)
		return fail("cannot open", path);
	status = read_key(secret, fd, path);
	close(fd);
	return status;
}
