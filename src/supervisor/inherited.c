/* SPDX-License-Identifier: ISC */
#include "supervisor/inherited.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"

#define FD_FIRST 3 /* SD_LISTEN_FDS_START */
#define FDS_MAX	 4096
#define TEXT_MAX 128 /* "unix:" and a path, with its NUL */

static void
add(struct inherited_sockets *sockets, int fd, const char *name, size_t name_len)
{
	struct inherited *inherited = util_alloc(sizeof(*inherited));

	inherited->fd = fd;
	inherited->name = util_asprintf("%.*s", (int)name_len, name);
	TAILQ_INSERT_TAIL(sockets, inherited, entry);
}

static int
release(struct inherited_sockets *sockets, struct inherited *inherited)
{
	int fd = inherited->fd;

	TAILQ_REMOVE(sockets, inherited, entry);
	free(inherited->name);
	free(inherited);
	return fd;
}

/* --- the environment --------------------------------------------------- */

static bool
is_for_us(const char *pid)
{
	const char *error = NULL;

	return pid != NULL && strtonum(pid, 1, INT32_MAX, &error) == getpid() &&
	    error == NULL;
}

static char *
take_all(struct inherited_sockets *sockets, const char *fds, const char *names)
{
	const char *error = NULL;
	int count = (int)strtonum(fds, 0, FDS_MAX, &error);

	if (error != NULL)
		return util_asprintf("LISTEN_FDS is '%.32s': %s", fds, error);
	for (int fd = FD_FIRST; fd < FD_FIRST + count; fd++) {
		size_t len = strcspn(names, ":");

		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
			return util_asprintf(
			    "LISTEN_FDS is %d, but descriptor %d is not open", count, fd);
		add(sockets, fd, names, len);
		names += len + (names[len] == ':');
	}
	return NULL;
}

char *
inherited_open(struct inherited_sockets *sockets)
{
	const char *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	char *why = NULL;

	if (fds != NULL && is_for_us(getenv("LISTEN_PID")))
		why = take_all(sockets, fds, names != NULL ? names : "");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return why;
}

/* --- which is which ---------------------------------------------------- */

/* An address as the configuration would say it. */
static void
format_address(const struct sockaddr_storage *ss, bool both_families, char text[TEXT_MAX])
{
	const struct sockaddr_in *sin = (const void *)ss;
	const struct sockaddr_in6 *sin6 = (const void *)ss;
	const struct sockaddr_un *un = (const void *)ss;
	char host[INET6_ADDRSTRLEN];

	if (ss->ss_family == AF_INET &&
	    inet_ntop(AF_INET, &sin->sin_addr, host, sizeof(host)) != NULL)
		snprintf(text, TEXT_MAX, "%s:%u", host, ntohs(sin->sin_port));
	else if (ss->ss_family == AF_INET6 && both_families &&
	    IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr))
		snprintf(text, TEXT_MAX, ":%u", ntohs(sin6->sin6_port));
	else if (ss->ss_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &sin6->sin6_addr, host, sizeof(host)) != NULL)
		snprintf(text, TEXT_MAX, "[%s]:%u", host, ntohs(sin6->sin6_port));
	else if (ss->ss_family == AF_UNIX)
		snprintf(text, TEXT_MAX, "unix:%.*s", (int)sizeof(un->sun_path),
		    un->sun_path);
	else
		snprintf(text, TEXT_MAX, "an address of family %d", ss->ss_family);
}

static int
option_of(int fd, int level, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, option, &value, &len) == 0 ? value : -1;
}

/* Returns whether it is a socket that connections can be accepted from; its
 * address is in text. */
static bool
describe(int fd, char text[TEXT_MAX])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int only;

	memset(&ss, 0, sizeof(ss));
	if (option_of(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
	    option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		return false;
	only = option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	format_address(&ss, only == 0, text);
	return true;
}

static struct inherited *
find(struct inherited_sockets *sockets, const char *name, const char *address)
{
	struct inherited *inherited;
	char text[TEXT_MAX];

	TAILQ_FOREACH (inherited, sockets, entry)
		if ((name == NULL || strcmp(inherited->name, name) == 0) &&
		    (address == NULL ||
			(describe(inherited->fd, text) && strcmp(text, address) == 0)))
			return inherited;
	return NULL;
}

static char *
explain(const struct inherited *inherited, const struct config_listen *config,
    const char *address)
{
	char text[TEXT_MAX];

	if (!describe(inherited->fd, text))
		return util_asprintf("%s:%u: [listen %s]: the descriptor %d of that name "
				     "(LISTEN_FDNAMES) is not a listening stream socket",
		    config->origin.file, config->origin.line, config->name,
		    inherited->fd);
	return util_asprintf("%s:%u: [listen %s]: the socket of that name "
			     "(LISTEN_FDNAMES) listens on %s, not on %s",
	    config->origin.file, config->origin.line, config->name, text, address);
}

int
inherited_take(struct inherited_sockets *sockets, const struct config_listen *config,
    const struct config_address *address, char **why)
{
	struct inherited *inherited;
	char text[TEXT_MAX];

	*why = NULL;
	format_address(&address->ss, address->kind == CONFIG_ADDRESS_ANY, text);
	/* one unit of systemd gives several sockets the same name */
	inherited = find(sockets, config->name, text);
	if (inherited == NULL) {
		inherited = find(sockets, config->name, NULL);
		if (inherited != NULL) {
			*why = explain(inherited, config, text);
			return -1;
		}
		inherited = find(sockets, NULL, text);
	}
	return inherited != NULL ? release(sockets, inherited) : -1;
}

void
inherited_keep(struct inherited_sockets *sockets, int fd)
{
	/* without its name, which may by now be that of another listener */
	add(sockets, fd, "", 0);
}

void
inherited_close(struct inherited_sockets *sockets, bool warn)
{
	struct inherited *inherited;
	char text[TEXT_MAX];

	while ((inherited = TAILQ_FIRST(sockets)) != NULL) {
		if (!describe(inherited->fd, text))
			strlcpy(text, "no listening stream socket", sizeof(text));
		if (warn)
			log_warn("descriptor %d of LISTEN_FDS ('%s', %s) belongs to no "
				 "[listen] section: it is closed",
			    inherited->fd, inherited->name, text);
		close(release(sockets, inherited));
	}
}
