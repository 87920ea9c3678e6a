/* SPDX-License-Identifier: ISC */
#include "router/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/lease.h"

#define PAGE	 4096u
#define PORTION	 (32 * 1024)
#define PORTIONS 8 /* for one wake-up */

struct rest_file *
rest_file_new(int fd, struct lease_worker *worker)
{
	struct rest_file *file;
	struct stat st;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (file = calloc(1, sizeof(*file))) == NULL) {
		close(fd);
		return NULL;
	}
	file->fd = fd;
	file->size = (uint64_t)st.st_size;
	file->refs = 1;
	file->worker = worker;
	return file;
}

void
rest_file_release(struct rest_file *file)
{
	if (file == NULL || --file->refs > 0)
		return;
	close(file->fd);
	free(file);
}

void
rest_file_orphan(struct rest_file *file)
{
	if (file == NULL)
		return;
	file->worker = NULL;
	rest_file_release(file);
}

bool
rest_is_valid(const struct rest_file *file, uint64_t off, uint64_t len)
{
	return file != NULL && off <= file->size && len <= file->size - off;
}

/* The pages of [from, to) are done with: their memory, and the worker's right to
 * use as much again. */
static void
give_back(struct rest_file *file, uint64_t from, uint64_t to)
{
	if (to <= from)
		return;
	(void)fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
	    (off_t)(to - from));
	if (file->worker != NULL)
		atomic_fetch_add_explicit(&file->worker->rest_freed, to - from,
		    memory_order_release);
}

static uint64_t
pages_down(uint64_t n)
{
	return n / PAGE * PAGE;
}

void
rest_begin(struct rest *rest, struct rest_file *file, uint64_t off, uint64_t len)
{
	file->refs++;
	rest->file = file;
	rest->off = off;
	rest->left = len;
}

void
rest_end(struct rest *rest)
{
	if (rest->file == NULL)
		return;
	give_back(rest->file, pages_down(rest->off),
	    pages_down(rest->off + rest->left + PAGE - 1));
	rest_file_release(rest->file);
	rest->file = NULL;
}

enum rest_result
rest_send(struct rest *rest, int fd)
{
	char buf[PORTION];
	uint64_t before;
	ssize_t n;

	for (int i = 0; i < PORTIONS && rest->left > 0; i++) {
		n = pread(rest->file->fd, buf,
		    rest->left < sizeof(buf) ? rest->left : sizeof(buf),
		    (off_t)rest->off);
		if (n <= 0)
			return REST_FAILED;
		n = send(fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? REST_MORE : REST_FAILED;
		before = rest->off;
		rest->off += (uint64_t)n;
		rest->left -= (uint64_t)n;
		give_back(rest->file, pages_down(before), pages_down(rest->off));
	}
	return rest->left == 0 ? REST_DONE : REST_MORE;
}
