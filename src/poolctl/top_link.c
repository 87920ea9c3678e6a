/* SPDX-License-Identifier: ISC */
#include "poolctl/top_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_MAX (64 << 20) /* whoever says more is no poold */
#define STEP	  65536

void
top_link_init(struct top_link *link, const char *path)
{
	memset(link, 0, sizeof(*link));
	link->path = path;
	link->fd = -1;
}

bool
top_link_open(struct top_link *link)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int error;

	errno = ENAMETOOLONG;
	if (strlcpy(addr.sun_path, link->path, sizeof(addr.sun_path)) >=
	    sizeof(addr.sun_path))
		return false;
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->fd != -1 &&
	    connect(link->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return true;
	error = errno;
	top_link_close(link);
	errno = error;
	return false;
}

void
top_link_close(struct top_link *link)
{
	if (link->fd != -1)
		close(link->fd);
	link->fd = -1;
	free(link->in);
	link->in = NULL;
	link->in_len = link->in_size = link->looked = 0;
}

bool
top_link_send(struct top_link *link, const char *line)
{
	size_t len = strlen(line);

	/* a buffer that has no room for so little is nobody's that reads */
	return send(link->fd, line, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool
top_link_read(struct top_link *link)
{
	ssize_t n;
	char *in;

	for (;;) {
		if (link->in_size - link->in_len < STEP) {
			in = link->in_size < REPLY_MAX ?
			    realloc(link->in, link->in_size * 2 + STEP) :
			    NULL;
			if (in == NULL)
				return false;
			link->in = in;
			link->in_size = link->in_size * 2 + STEP;
		}
		n = recv(link->fd, link->in + link->in_len, link->in_size - link->in_len,
		    0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		link->in_len += (size_t)n;
	}
}

json_t *
top_link_next(struct top_link *link, bool *broken)
{
	json_error_t error;
	json_t *json;
	size_t len;
	char *end;

	*broken = false;
	if (link->in_len == link->looked)
		return NULL;
	end = memchr(link->in + link->looked, '\n', link->in_len - link->looked);
	if (end == NULL) {
		link->looked = link->in_len;
		return NULL;
	}
	len = (size_t)(end - link->in) + 1;
	json = json_loadb(link->in, len, 0, &error);
	link->in_len -= len;
	memmove(link->in, link->in + len, link->in_len);
	link->looked = 0;
	if (json_is_object(json))
		return json;
	json_decref(json);
	*broken = true;
	return NULL;
}
