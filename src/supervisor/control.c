/* SPDX-License-Identifier: ISC */
#include "supervisor/control.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/control_path.h"
#include "common/log.h"
#include "common/roles.h"
#include "common/util.h"
#include "supervisor/control_client.h"
#include "supervisor/control_wait.h"
#include "supervisor/event.h"
#include "supervisor/json_text.h"
#include "supervisor/supervisor.h"

#define NO_GROUP  ((gid_t)-1)
#define BACKLOG	  16
#define ANSWER_NS (200 * MS_NS) /* for the router, which may be dead */

/* --- the socket -------------------------------------------------------- */

static void
on_connect(void *owner, uint32_t events)
{
	struct control *control = owner;
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	int fd;

	(void)events;
	/* one a turn: others wait in the backlog */
	fd = accept4(control->socket.io.fd, (struct sockaddr *)&addr, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd != -1)
		control_client_open(control, fd);
}

/* The group's number, or that of no group. */
static gid_t
find_group(const char *name)
{
	const struct group *group;
	char *end;
	unsigned long number = strtoul(name, &end, 10);

	if (name[0] == '\0')
		return NO_GROUP;
	group = getgrnam(name);
	if (group != NULL)
		return group->gr_gid;
	return *end == '\0' ? (gid_t)number : NO_GROUP;
}

/* Where configuration wants it; NULL: nowhere.  *given: it says so itself. */
static char *
wanted_path(const struct config *config, bool *given)
{
	struct sockaddr_un addr;
	char path[sizeof(addr.sun_path)];

	*given = config->control[0] != '\0';
	if (strcmp(config->control, "off") == 0)
		return NULL;
	if (*given)
		return util_strdup(config->control);
	if (control_path_default(path, sizeof(path)))
		return util_strdup(path);
	return NULL;
}

/* What is left of a process that died; anything else is not ours to remove. */
static bool
remove_stale(const struct sockaddr_un *addr, const char **why)
{
	struct stat st;
	int fd, result;

	*why = "it is there already, and is no socket";
	if (lstat(addr->sun_path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return false;
	*why = "another process listens there";
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return false;
	result = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	if (result == 0 || errno != ECONNREFUSED)
		result = 0;
	close(fd);
	return result == -1 && unlink(addr->sun_path) == 0;
}

/* Never more open than it will be; returns NULL, or why not (static text). */
static const char *
bind_path(int fd, const struct sockaddr_un *addr, bool all)
{
	const struct sockaddr *sa = (const struct sockaddr *)addr;
	const char *why = NULL;
	mode_t mask = umask(all ? 0111 : 0117);
	int result = bind(fd, sa, sizeof(*addr));

	if (result == -1 && errno == EADDRINUSE) {
		if (remove_stale(addr, &why))
			result = bind(fd, sa, sizeof(*addr));
		else
			errno = EADDRINUSE;
	}
	if (result == -1 && why == NULL)
		why = strerror(errno);
	umask(mask);
	return result == -1 ? why : NULL;
}

static void
socket_clear(struct control_socket *socket)
{
	memset(socket, 0, sizeof(*socket));
	socket->io.fd = -1;
	socket->group = NO_GROUP;
}

/* Nobody has removed the file, or put another one there. */
static bool
is_in_place(const struct control_socket *sock)
{
	struct stat st;

	return lstat(sock->path, &st) == 0 && st.st_dev == sock->dev &&
	    st.st_ino == sock->ino;
}

static void
socket_close(struct control *control, struct control_socket *socket)
{
	if (socket->io.fd != -1) {
		loop_io_remove(&control->supervisor->loop, &socket->io);
		close(socket->io.fd);
		if (is_in_place(socket))
			unlink(socket->path);
	}
	free(socket->path);
	socket_clear(socket);
}

/* Returns NULL, or why there is none (static text). */
static const char *
socket_listen(struct control_socket *sock)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	const char *why;

	if (strlcpy(addr.sun_path, sock->path, sizeof(addr.sun_path)) >=
	    sizeof(addr.sun_path))
		return "the path is too long";
	sock->io.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock->io.fd == -1)
		return strerror(errno);
	why = bind_path(sock->io.fd, &addr, sock->all);
	if (why == NULL && lstat(sock->path, &st) == -1)
		why = strerror(errno);
	if (why != NULL) {
		close(sock->io.fd); /* the file is somebody else's */
		sock->io.fd = -1;
		return why;
	}
	sock->dev = st.st_dev;
	sock->ino = st.st_ino;
	if (sock->group != NO_GROUP && lchown(sock->path, (uid_t)-1, sock->group) == -1)
		return "it cannot be given to control_group";
	return listen(sock->io.fd, BACKLOG) == -1 ? strerror(errno) : NULL;
}

/* The run-time folder of root and of users is made when it is missing. */
static void
make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	mode_t mask;

	if (!control_path_folder(folder, sizeof(folder)) ||
	    strncmp(path, folder, strlen(folder)) != 0)
		return;
	mask = umask(0);
	mkdir(folder, geteuid() == 0 ? 0755 : 0700); /* bind says what is wrong */
	umask(mask);
}

/* Two poolds may run side by side, each with the default: the second one does
 * without.  A path that was given is a promise. */
static char *
socket_open(struct control *control, struct control_socket *sock,
    const struct config *config)
{
	const char *why;
	char *text = NULL;
	bool given;

	free(sock->path);
	socket_clear(sock);
	sock->path = wanted_path(config, &given);
	sock->group = find_group(config->control_group);
	sock->all = config->control_readers == CONFIG_READERS_ALL;
	if (sock->path == NULL) {
		if (!given)
			log_info("no control socket: there is no run-time folder "
				 "(XDG_RUNTIME_DIR)");
		return NULL;
	}
	if (!given)
		make_folder(sock->path);
	why = socket_listen(sock);
	if (why == NULL)
		return NULL;
	text = util_asprintf("cannot open the control socket %s: %s", sock->path, why);
	socket_close(control, sock);
	if (given)
		return text;
	log_warn("%s; going on without", text);
	free(text);
	return NULL;
}

static void
socket_watch(struct control *control)
{
	struct control_socket *sock = &control->socket;

	if (sock->io.fd == -1)
		return;
	sock->io.fn = on_connect;
	sock->io.owner = control;
	if (loop_io_add(&control->supervisor->loop, &sock->io, EPOLLIN) == -1)
		log_error("cannot watch the control socket: %s", strerror(errno));
}

char *
control_open(struct supervisor *supervisor, const struct config *config)
{
	struct control *control = &supervisor->control;
	char *why = socket_open(control, &control->socket, config);

	if (why == NULL)
		socket_watch(control);
	return why;
}

void
control_adopt(struct supervisor *supervisor)
{
	struct control *control = &supervisor->control;
	char *why;

	if (control->socket.io.fd != -1) {
		socket_watch(control);
		return;
	}
	/* not worth the end of what serves */
	why = control_open(supervisor, supervisor->plan->config);
	if (why != NULL)
		log_error("%s; going on without", why);
	free(why);
}

/* --- reload: the socket ------------------------------------------------ */

char *
control_prepare(struct supervisor *supervisor, const struct config *config)
{
	struct control *control = &supervisor->control;
	bool given;
	char *path = wanted_path(config, &given), *why = NULL;
	const char *old = control->socket.path;
	bool same = path != NULL && old != NULL && strcmp(path, old) == 0 &&
	    is_in_place(&control->socket);

	control->has_fresh = !same;
	if (!same)
		why = socket_open(control, &control->fresh, config);
	if (why != NULL)
		control->has_fresh = false;
	free(path);
	return why;
}

/* The same file, for other people. */
static void
socket_update(struct control_socket *sock, const struct config *config)
{
	gid_t group = find_group(config->control_group);
	bool all = config->control_readers == CONFIG_READERS_ALL;

	if (sock->io.fd == -1 || (group == sock->group && all == sock->all))
		return;
	sock->group = group;
	sock->all = all;
	if (lchown(sock->path, (uid_t)-1, group != NO_GROUP ? group : getegid()) == -1 ||
	    chmod(sock->path, all ? 0666 : 0660) == -1)
		log_warn("cannot change the control socket %s: %s", sock->path,
		    strerror(errno));
}

void
control_commit(struct supervisor *supervisor)
{
	struct control *control = &supervisor->control;

	if (!control->has_fresh) {
		socket_update(&control->socket, supervisor->plan->config);
		return;
	}
	control->has_fresh = false;
	socket_close(control, &control->socket);
	control->socket = control->fresh;
	socket_clear(&control->fresh);
	socket_watch(control);
}

void
control_abandon(struct supervisor *supervisor)
{
	struct control *control = &supervisor->control;

	control->has_fresh = false;
	socket_close(control, &control->fresh);
}

/* --- reload: those who wait -------------------------------------------- */

void
control_reloading(struct supervisor *supervisor)
{
	struct control *control = &supervisor->control;

	json_decref(control->errors);
	control->errors = json_array();
	control->reloads.began_ns = util_now_ns();
	event_tell(supervisor, "reload_started", NULL, NULL);
}

void
control_reload_error(struct supervisor *supervisor, const char *text)
{
	json_array_append_new(supervisor->control.errors, json_text(text));
}

void
control_reloaded(struct supervisor *supervisor, const char *failure)
{
	struct control *control = &supervisor->control;
	struct control_reloads *reloads = &control->reloads;

	reloads->last_ns = util_now_ns() - reloads->began_ns;
	if (failure == NULL) {
		reloads->done++;
		reloads->last_done_ms = util_epoch_ms();
	} else
		reloads->failed++;
	free(control->failure);
	control->failure = failure != NULL ? util_strdup(failure) : NULL;
	if (failure != NULL)
		event_tell(supervisor, "reload_failed", NULL, "s:o", "error",
		    json_text(failure));
	else
		event_tell(supervisor, "reload_done", NULL, NULL);
	control_wait_reloaded(control, failure);
}

void
control_stopping(struct supervisor *supervisor)
{
	event_tell(supervisor, "stopping", NULL, NULL);
	control_wait_stopping(&supervisor->control);
}

/* --- asking the router ------------------------------------------------- */

void
control_ask(struct control *control, const struct service *service)
{
	struct supervisor *supervisor = control->supervisor;
	struct role_ask role = { .type = ROLE_ASK };

	/* under way already; but if it is about more, the next answer is for all */
	if (loop_timer_is_set(&control->query_timer) && service == NULL)
		return;
	if (service != NULL)
		strlcpy(role.service, service->name, sizeof(role.service));
	role.id = ++control->query;
	control->answered = false;
	if (supervisor->link.process.pid == 0) {
		control_wait_answered(control);
		return;
	}
	if (!loop_timer_is_set(&control->query_timer))
		loop_timer_set(&supervisor->loop, &control->query_timer,
		    util_now_ns() + ANSWER_NS);
	link_send(&supervisor->link, &role, sizeof(role), NULL, 0);
}

static void
on_query_timer(void *owner)
{
	control_wait_answered(owner);
}

void
control_answered(struct control *control, uint32_t query, uint32_t connections)
{
	if (query != control->query || !loop_timer_is_set(&control->query_timer))
		return; /* too late */
	loop_timer_clear(&control->supervisor->loop, &control->query_timer);
	control->answered = true;
	control->connections = connections;
	control_wait_answered(control);
}

/* --- begin and end ----------------------------------------------------- */

void
control_init(struct supervisor *supervisor)
{
	struct control *control = &supervisor->control;

	control->supervisor = supervisor;
	TAILQ_INIT(&control->clients);
	socket_clear(&control->socket);
	socket_clear(&control->fresh);
	control->query_timer.fn = on_query_timer;
	control->query_timer.owner = control;
}

void
control_close(struct supervisor *supervisor)
{
	struct control *control = &supervisor->control;

	loop_timer_clear(&supervisor->loop, &control->query_timer);
	control_client_close_all(control);
	socket_close(control, &control->socket);
	socket_close(control, &control->fresh);
	json_decref(control->errors);
	control->errors = NULL;
	free(control->failure);
	control->failure = NULL;
}
