/* SPDX-License-Identifier: ISC */
#include "supervisor/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/util.h"

static void
set_on(int fd, int level, int option)
{
	int on = 1;

	setsockopt(fd, level, option, &on, sizeof(on));
}

/* ":8080" is one socket for both families; without IPv6 in the kernel it is an
 * IPv4 socket. */
static int
open_socket(struct config_address *address)
{
	int family = address->ss.ss_family, only;
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 && errno == EAFNOSUPPORT && address->kind == CONFIG_ADDRESS_ANY) {
		in.sin_port = htons(address->port);
		memcpy(&address->ss, &in, sizeof(in));
		address->ss_len = sizeof(in);
		family = AF_INET;
		fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	if (fd == -1 || family == AF_UNIX)
		return fd;
	set_on(fd, SOL_SOCKET, SO_REUSEADDR);
	set_on(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it */
	if (family == AF_INET6) {
		only = address->kind != CONFIG_ADDRESS_ANY;
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	}
	return fd;
}

/* Removes a socket file that no process listens on. */
static bool
remove_stale(const struct config_address *address)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(address->path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return false;
	stale = connect(fd, (const struct sockaddr *)&address->ss, address->ss_len) ==
		-1 &&
	    errno == ECONNREFUSED;
	close(fd);
	return stale && unlink(address->path) == 0;
}

static int
bind_address(int fd, const struct config_address *address)
{
	const struct sockaddr *sa = (const struct sockaddr *)&address->ss;
	mode_t mask;
	int result;

	if (address->kind != CONFIG_ADDRESS_UNIX)
		return bind(fd, sa, address->ss_len);
	/* who may connect is decided by the folder's permissions */
	mask = umask(0111);
	result = bind(fd, sa, address->ss_len);
	if (result == -1 && errno == EADDRINUSE && remove_stale(address))
		result = bind(fd, sa, address->ss_len);
	umask(mask);
	return result;
}

static char *
explain(const struct config_listen *config, const char *what, int error)
{
	const char *hint = "";

	if (error == EADDRINUSE)
		hint = ": another process listens there";
	else if (error == EACCES)
		hint = ": ports below 1024 need root or CAP_NET_BIND_SERVICE, "
		       "unix sockets a folder that may be written";
	else if (error == EADDRNOTAVAIL)
		hint = ": this machine does not have the address";
	return util_asprintf("%s:%u: [listen %s]: cannot %s %s: %s%s",
	    config->origin.file, config->origin.line, config->name, what, config->address,
	    strerror(error), hint);
}

static void
take_settings(struct listener *listener, const struct config_listen *config)
{
	struct config_string *network;
	const char *why;
	uint32_t count = 0;

	listener->settings = (struct listener_settings){
		.head_timeout_ns = (uint64_t)config->head_timeout_ms * MS_NS,
		.keepalive_timeout_ns = (uint64_t)config->keepalive_timeout_ms * MS_NS,
		.keepalive_requests = (uint64_t)config->keepalive_requests,
	};
	listener->settings.proxy_protocol = config->proxy_protocol;
	TAILQ_FOREACH (network, &config->trusted, entry)
		if (count < ROLE_NETWORKS_MAX &&
		    config_network_parse(network->value,
			&listener->settings.trusted[count], &why))
			count++;
	listener->settings.trusted_count = count;
}

/* Returns NULL, or why there is no socket (the caller frees it). */
static char *
bind_socket(struct listener *listener, const struct config_listen *config)
{
	const char *step = "bind";

	listener->fd = open_socket(&listener->address);
	if (listener->fd == -1)
		step = "open a socket for";
	if (listener->fd != -1 && bind_address(listener->fd, &listener->address) == 0)
		return NULL;
	listener->address.kind = CONFIG_ADDRESS_ANY; /* no file of ours */
	return explain(config, step, errno);
}

static char *
find_socket(struct listener *listener, const struct config_listen *config,
    struct inherited_sockets *inherited)
{
	const char *reason = "";
	char *why;

	if (!config_address_parse(config->address, &listener->address, &reason))
		return util_asprintf("%s: %s", config->address, reason);
	listener->fd = inherited_take(inherited, config, &listener->address, &why);
	if (why != NULL)
		return why;
	if (listener->fd == -1)
		return bind_socket(listener, config);
	listener->inherited = true;
	if (listener->address.kind != CONFIG_ADDRESS_UNIX)
		set_on(listener->fd, IPPROTO_TCP, TCP_NODELAY);
	return NULL;
}

struct listener *
listener_open(const struct config_listen *config, uint32_t id,
    struct inherited_sockets *inherited, char **why)
{
	struct listener *listener = util_alloc(sizeof(*listener));

	listener->id = id;
	listener->fresh = true;
	take_settings(listener, config);
	listener->name = util_strdup(config->name);
	listener->text = util_strdup(config->address);
	listener->fd = -1;
	*why = find_socket(listener, config, inherited);
	if (*why == NULL && listen(listener->fd, (int)config->backlog) == -1)
		*why = explain(config, "listen on", errno);
	if (*why == NULL)
		return listener;
	listener_close(listener);
	return NULL;
}

void
listener_close(struct listener *listener)
{
	if (listener->fd != -1) {
		close(listener->fd);
		if (listener->address.kind == CONFIG_ADDRESS_UNIX && !listener->inherited)
			unlink(listener->address.path);
	}
	free(listener->name);
	free(listener->text);
	free(listener);
}

struct listener *
listener_by_address(struct listeners *listeners, const char *text)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, listeners, entry)
		if (strcmp(listener->text, text) == 0)
			return listener;
	return NULL;
}

void
listener_update(struct listener *listener, const struct config_listen *config)
{
	free(listener->name);
	listener->name = util_strdup(config->name);
	take_settings(listener, config);
	listen(listener->fd, (int)config->backlog);
}

bool
listener_restore(struct listener *listener, const struct config_listen *config)
{
	const char *why;

	listener->name = util_strdup(config->name);
	take_settings(listener, config);
	return config_address_parse(listener->text, &listener->address, &why);
}

void
listener_set_routed(struct listener *listener, bool routed)
{
	int flags = fcntl(listener->fd, F_GETFL);

	listener->routed = routed;
	if (routed && flags != -1)
		fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK);
}
