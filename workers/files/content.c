/* SPDX-License-Identifier: ISC */
#include "content.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../common/answer.h"
#include "conditional.h"
#include "mime.h"
#include "path.h"
#include "range.h"

#define LOCATION_MAX 12288 /* bytes; libpoold takes 16 KiB of header */

/* An open file and what is known of it. */
struct file {
	int fd;
	const char *type;
	struct stat st;
	char etag[CONDITIONAL_ETAG_SIZE];
};

void
content_not_found(struct poold_request *req)
{
	answer_problem(req, 404, NULL, "there is nothing at %.200s", poold_path(req));
}

void
content_open_error(struct poold_request *req, int error)
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
		content_not_found(req);
	}
}

/* /folder to /folder/, so that the links of its index.html fit. */
void
content_redirect(struct poold_request *req)
{
	const char *query = poold_query(req);
	char path[LOCATION_MAX], location[LOCATION_MAX];

	if (!path_encode(poold_path(req), path, sizeof(path)) ||
	    (size_t)snprintf(location, sizeof(location), "%s/%s%s", path,
		*query != '\0' ? "?" : "", query) >= sizeof(location) ||
	    poold_set_header(req, "Location", location) == -1) {
		content_not_found(req);
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

void
content_answer(struct poold_request *req, int fd, const struct stat *st, const char *name)
{
	struct file opened = { .fd = fd, .type = mime_type(name), .st = *st };
	const struct file *file = &opened;

	conditional_etag(st, opened.etag);
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
