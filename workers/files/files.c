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
#include "conditional.h"
#include "mime.h"
#include "path.h"
#include "range.h"

#define INDEX_NAME   "index.html"
#define LOCATION_MAX 12288 /* bytes; libpoold takes 16 KiB of header */

/* An open file and what is known of it. */
struct file {
	int fd;
	const char *type;
	struct stat st;
	char etag[CONDITIONAL_ETAG_SIZE];
};

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

static void
answer_not_found(struct poold_request *req)
{
	answer_problem(req, 404, NULL, "there is nothing at %.200s", poold_path(req));
}

static void
answer_open_error(struct poold_request *req, int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		answer_problem(req, 403, NULL, "this may not be read");
		break;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
		(void)poold_set_header(req, "Retry-After", "1");
		answer_problem(req, 503, NULL, "too busy to open a file");
		break;
	case EIO:
	case ESTALE:
		poold_log(req, "cannot open %s: %s", poold_path(req), strerror(error));
		answer_problem(req, 500, NULL, "this cannot be read");
		break;
	default: /* ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP, EXDEV, ENXIO... */
		answer_not_found(req);
	}
}

/* /folder to /folder/, so that the links of its index.html fit. */
static void
answer_redirect(struct poold_request *req)
{
	const char *query = poold_query(req);
	char path[LOCATION_MAX], location[LOCATION_MAX];

	if (!path_encode(poold_path(req), path, sizeof(path)) ||
	    (size_t)snprintf(location, sizeof(location), "%s/%s%s", path,
		*query != '\0' ? "?" : "", query) >= sizeof(location) ||
	    poold_set_header(req, "Location", location) == -1) {
		answer_not_found(req);
		return;
	}
	(void)poold_respond(req, 301, NULL, "", 0);
}

static void
set_validators(struct poold_request *req, const struct file *file)
{
	char date[POOLD_DATE_SIZE];

	poold_format_date(file->st.st_mtim.tv_sec, date);
	(void)poold_set_header(req, "ETag", file->etag);
	(void)poold_set_header(req, "Last-Modified", date);
}

static time_t
header_date(struct poold_request *req, const char *name)
{
	const char *value = poold_header(req, name);

	return value != NULL ? poold_parse_date(value) : -1;
}

static int
status_of(struct poold_request *req, const struct file *file)
{
	const struct conditional conditional = {
		.if_match = poold_header(req, "If-Match"),
		.if_none_match = poold_header(req, "If-None-Match"),
		.if_unmodified_since = header_date(req, "If-Unmodified-Since"),
		.if_modified_since = header_date(req, "If-Modified-Since"),
	};

	return conditional_status(&conditional, file->etag, file->st.st_mtim.tv_sec);
}

/* The part of the file that the client wants.  Range is for GET alone. */
static enum range_result
range_of(struct poold_request *req, const struct file *file, struct range *range)
{
	const char *value = poold_header(req, "Range");

	if (value == NULL || strcmp(poold_method(req), "GET") != 0 ||
	    !conditional_range_counts(poold_header(req, "If-Range"),
		header_date(req, "If-Range"), file->etag, file->st.st_mtim.tv_sec))
		return RANGE_WHOLE;
	return range_parse(value, (uint64_t)file->st.st_size, range);
}

static void
answer_content(struct poold_request *req, const struct file *file)
{
	unsigned long long size = (unsigned long long)file->st.st_size;
	struct range range = { 0, size };
	char content_range[80];
	int status = 200;

	switch (range_of(req, file, &range)) {
	case RANGE_UNSATISFIABLE:
		snprintf(content_range, sizeof(content_range), "bytes */%llu", size);
		(void)poold_set_header(req, "Content-Range", content_range);
		answer_problem(req, 416, NULL,
		    "the file has %llu bytes, and none of those asked for", size);
		return;
	case RANGE_PART:
		snprintf(content_range, sizeof(content_range), "bytes %llu-%llu/%llu",
		    (unsigned long long)range.start,
		    (unsigned long long)(range.start + range.len - 1), size);
		(void)poold_set_header(req, "Content-Range", content_range);
		status = 206;
		break;
	case RANGE_WHOLE:
		break;
	}
	set_validators(req, file);
	(void)poold_respond_file(req, status, file->type, file->fd, (off_t)range.start,
	    range.len);
}

static void
answer_file(struct poold_request *req, struct file *file)
{
	conditional_etag(&file->st, file->etag);
	(void)poold_set_header(req, "Accept-Ranges", "bytes");
	switch (status_of(req, file)) {
	case 304:
		set_validators(req, file);
		(void)poold_respond(req, 304, NULL, "", 0);
		break;
	case 412:
		answer_problem(req, 412, NULL,
		    "the file is not, or no longer, as the request wants it");
		break;
	default:
		answer_content(req, file);
	}
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
		answer_redirect(req);
	else if ((size_t)snprintf(index, sizeof(index), "%s/" INDEX_NAME, path) >=
	    sizeof(index))
		answer_not_found(req);
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
	struct file file = { .type = mime_type(path) };

	if ((file.fd = path_open(root_fd, path)) == -1) {
		answer_open_error(req, errno);
		return;
	}
	if (fstat(file.fd, &file.st) == -1)
		answer_open_error(req, errno);
	else if (S_ISREG(file.st.st_mode))
		answer_file(req, &file);
	else if (S_ISDIR(file.st.st_mode) && !is_index(path))
		answer_folder(req, root_fd, path);
	else
		answer_not_found(req);
	close(file.fd);
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
		answer_not_found(req);
		return;
	}
	/* Opened anew each time: a site is often published by putting a new
	 * folder, or a link to it, in the place of the old one. */
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd == -1) {
		answer_open_error(req, errno);
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
