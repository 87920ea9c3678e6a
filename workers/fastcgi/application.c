/* SPDX-License-Identifier: ISC */
#include "application.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <poold.h>

#include "record.h"

#define BACKLOG	      8	   /* we connect once at a time */
#define GRACE_MS      1000 /* between SIGTERM and SIGKILL */
#define LOOK_FIRST_MS 1	   /* between two looks whether it reads, at first */
#define LOOK_MAX_MS   50

/* --- the socket ------------------------------------------------------------- */

/* A folder that nobody else can enter. */
static bool
folder_make(char *path, size_t size)
{
	const char *dirs[] = { getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (dirs[i] != NULL &&
		    (size_t)snprintf(path, size, "%s/poold-fastcgi-XXXXXX", dirs[i]) <
			size &&
		    mkdtemp(path) != NULL)
			return true;
	return false;
}

/* Binds the socket and removes its name at once. */
static int
socket_bind(struct application *app, const char **what)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[sizeof(addr.sun_path) - 2];
	int error = 0;

	*what = "a folder for the socket";
	if (!folder_make(dir, sizeof(dir)))
		return errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	*what = "the socket";
	if (bind(app->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    listen(app->listen_fd, BACKLOG) == -1 ||
	    (app->socket_fd = open(addr.sun_path, O_PATH | O_CLOEXEC)) == -1)
		error = errno;
	(void)unlink(addr.sun_path);
	(void)rmdir(dir);
	return error;
}

int
application_open(struct application *app, const char **what)
{
	sigset_t all, before;
	int error;

	child_init(&app->child);
	app->socket_fd = app->fd = -1;
	app->used = false;
	*what = "the socket";
	app->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (app->listen_fd == -1)
		return errno;
	/* a worker that is told to end while it starts leaves no folder behind */
	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	error = socket_bind(app, what);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return error;
}

static void
close_one(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

void
application_close(struct application *app)
{
	close_one(&app->fd);
	close_one(&app->socket_fd);
	close_one(&app->listen_fd);
}

/* --- the connection ----------------------------------------------------------- */

/* By the inode, since the name is gone.  Returns a descriptor, or -1. */
static int
socket_connect(const struct application *app)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d",
	    app->socket_fd);
	if (fd != -1 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* There is nothing to read, and no end of file. */
bool
application_is_connected(const struct application *app)
{
	char byte;

	return app->fd != -1 && recv(app->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
	    errno == EAGAIN;
}

int
application_connect(struct application *app)
{
	application_disconnect(app);
	app->fd = socket_connect(app);
	return app->fd != -1 ? 0 : errno;
}

void
application_disconnect(struct application *app)
{
	close_one(&app->fd);
	app->used = false;
}

/* --- the process ------------------------------------------------------------------ */

bool
application_has_ended(struct application *app, int wait_ms)
{
	if (app->child.pid != -1 && child_has_ended(&app->child, wait_ms))
		application_disconnect(app);
	return app->child.pid == -1;
}

/* In the child: becomes the application, or returns with errno. */
static void
become(const void *arg, int *failure_fd)
{
	const struct application *app = arg;
	const int above = STDERR_FILENO + 1;

	if ((app->dir != NULL && chdir(app->dir) == -1) ||
	    dup2(app->listen_fd, STDIN_FILENO) == -1 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) == -1 ||
	    (*failure_fd != above && dup3(*failure_fd, above, O_CLOEXEC) == -1))
		return;
	*failure_fd = above;
	/* what poold gave us is not for it: queue, scoreboard, ... */
	closefrom(above + 1);
	execvpe(app->argv[0], app->argv, app->envp);
}

/* Whether what was sent on fd has been read, answered, or hung up on. */
static bool
was_taken(int fd, short revents)
{
	int left;

	return (revents & (POLLIN | POLLHUP)) != 0 ||
	    (ioctl(fd, SIOCOUTQ, &left) == 0 && left == 0);
}

/*
 * A connection is accepted by the kernel, so that proves nothing.  Each
 * application reads the header of a record, whatever it thinks of GET_VALUES.
 */
bool
application_wait_free(struct application *app, bool (*stop)(void))
{
	char query[RECORD_HEADER];
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int fd = socket_connect(app), look_ms = LOOK_FIRST_MS;
	bool taken = false;

	record_header(query, RECORD_GET_VALUES, 0, 0);
	if (fd == -1)
		return false;
	if (send(fd, query, sizeof(query), MSG_NOSIGNAL) != sizeof(query)) {
		close(fd);
		return false;
	}
	fds[0].fd = fd;
	while (!taken && !application_has_ended(app, 0) && (stop == NULL || !stop())) {
		fds[1].fd = app->child.pidfd;
		(void)poll(fds, 2, look_ms);
		taken = was_taken(fd, fds[0].revents);
		if (look_ms < LOOK_MAX_MS)
			look_ms *= 2;
	}
	close(fd);
	return taken && app->child.pid != -1;
}

int
application_start(struct application *app)
{
	char text[64];
	int error;

	application_stop(app);
	if ((error = child_start(&app->child, become, app)) != 0) {
		poold_log(NULL, "cannot start %s: %s", app->argv[0], strerror(error));
		return error;
	}
	if (application_wait_free(app, NULL))
		return 0;
	error = errno;
	if (!application_has_ended(app, 0)) {
		poold_log(NULL, "cannot connect to %s: %s", app->argv[0],
		    strerror(error));
		return error;
	}
	child_end_text(&app->child, text, sizeof(text));
	poold_log(NULL, "%s took no FastCGI connection: it %s", app->argv[0], text);
	return ECHILD;
}

void
application_stop(struct application *app)
{
	application_disconnect(app);
	if (application_has_ended(app, 0))
		return;
	child_signal(&app->child, SIGTERM);
	if (application_has_ended(app, GRACE_MS))
		return;
	child_kill(&app->child);
}
