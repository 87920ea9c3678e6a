/* SPDX-License-Identifier: ISC */
#include "poolctl/client.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define PATIENCE_S 10 /* to be let in */

static int
explain(const char *path)
{
	int error = errno;

	if (error == ENAMETOOLONG) {
		warnx("%s: the path is too long", path);
		return EX_USAGE;
	}
	if (error == EAGAIN)
		warnx("poold does not answer: others wait before us on %s", path);
	else if (error == ENOENT || error == ECONNREFUSED)
		warnx("no poold listens on %s: %s", path, strerror(error));
	else
		warnx("cannot connect to %s: %s", path, strerror(error));
	return error == EACCES || error == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
}

bool
client_try(struct client *client, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S }, no_end = { 0 };

	*client = (struct client){ .path = path, .fd = -1 };
	errno = ENAMETOOLONG;
	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path))
		return false;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd == -1)
		err(EX_OSERR, "socket");
	/* a poold that hangs takes up nobody: connect(2) waits behind a full backlog */
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)) == -1)
		return false;
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &no_end, sizeof(no_end));
	client->stream = fdopen(client->fd, "r");
	if (client->stream == NULL)
		err(EX_OSERR, "fdopen");
	return true;
}

int
client_open(struct client *client, const char *path)
{
	return client_try(client, path) ? 0 : explain(path);
}

void
client_close(struct client *client)
{
	if (client->stream != NULL)
		fclose(client->stream);
	else if (client->fd != -1)
		close(client->fd);
	free(client->line);
}

bool
client_send(struct client *client, json_t *request)
{
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t len, sent = 0;
	ssize_t n;

	json_decref(request);
	if (text == NULL)
		errx(EX_DATAERR, "what was asked for is not UTF-8");
	len = strlen(text);
	text[len++] = '\n'; /* in place of the NUL */
	while (sent < len) {
		n = send(client->fd, text + sent, len - sent, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			break; /* the reply, if any, says why */
		sent += (size_t)n;
	}
	free(text);
	return sent == len;
}

json_t *
client_receive(struct client *client)
{
	ssize_t len = getline(&client->line, &client->size, client->stream);
	json_error_t error;
	json_t *json;

	if (len <= 0)
		return NULL;
	if (client->line[len - 1] == '\n')
		client->line[len - 1] = '\0';
	json = json_loads(client->line, 0, &error);
	if (json_is_object(json))
		return json;
	json_decref(json);
	warnx("%s does not speak the protocol of poold", client->path);
	return NULL;
}
