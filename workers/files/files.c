/* SPDX-License-Identifier: ISC */
/*
 * files: the files below a folder, with validators and byte ranges.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#include "../common/answer.h"
#include "../common/program.h"
#include "content.h"
#include "path.h"

#define INDEX_NAME "index.html"

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: files --root DIR [PORT | ADDRESS:PORT | unix:PATH]\n"
	    "  --root DIR  the folder whose files are served, but for dot "
	    "files\n"
	    "The address is needed only without poold: see "
	    "poold-workers(7).\n");
}

static bool
ends_with_slash(const char *path)
{
	size_t len = strlen(path);

	return len > 0 && path[len - 1] == '/';
}

static void answer_path(struct poold_request *req, int root_fd, const char *path);

static void
answer_folder(struct poold_request *req, int root_fd, const char *path)
{
	char index[PATH_MAX];

	if (!ends_with_slash(poold_path(req)))
		content_redirect(req);
	else if ((size_t)snprintf(index, sizeof(index), "%s/" INDEX_NAME, path) >=
	    sizeof(index))
		content_not_found(req);
	else
		answer_path(req, root_fd, index);
}

/* Whether path ends as answer_folder makes it: it does so only once. */
static bool
is_index(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL && strcmp(slash + 1, INDEX_NAME) == 0;
}

static void
answer_path(struct poold_request *req, int root_fd, const char *path)
{
	struct stat st;
	int fd;

	if ((fd = path_open(root_fd, path)) == -1) {
		content_open_error(req, errno);
		return;
	}
	if (fstat(fd, &st) == -1)
		content_open_error(req, errno);
	else if (S_ISREG(st.st_mode))
		content_answer(req, fd, &st, path);
	else if (S_ISDIR(st.st_mode) && !is_index(path))
		answer_folder(req, root_fd, path);
	else
		content_not_found(req);
	close(fd);
}

static void
handle(struct poold_request *req, void *arg)
{
	const char *root = arg, *path;
	int root_fd;

	(void)poold_set_header(req, "X-Content-Type-Options", "nosniff");
	if (answer_method(req, NULL))
		return;
	if ((path = path_below(poold_path_info(req))) == NULL) {
		content_not_found(req);
		return;
	}
	/* Opened anew each time: a site is often published by putting a new
	 * folder, or a link to it, in the place of the old one. */
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd == -1) {
		content_open_error(req, errno);
		return;
	}
	answer_path(req, root_fd, path);
	close(root_fd);
}

/* Whether the folder can be served, said at the start and not to a client. */
static int
check_root(const char *root)
{
	int fd;

	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1) {
		warn("--root %s", root);
		return EX_NOINPUT;
	}
	close(fd);
	return EX_OK;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char *root = NULL;
	int c, status;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			root = optarg;
			break;
		case 'h':
			usage(stdout);
			return EX_OK;
		default: /* getopt_long said what is wrong */
			return program_usage_error("bad options");
		}
	}
	if (root == NULL)
		return program_usage_error("--root DIR is missing");
	if ((status = check_root(root)) != EX_OK)
		return status;
	return program_serve(argc, argv, handle, root);
}
