/* SPDX-License-Identifier: ISC */
#include "router/listener.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "router/connection.h"
#include "router/router.h"

#define ACCEPT_BATCH 32		    /* connections taken before others get their turn */
#define PAUSE_NS     (200 * MS_NS)  /* without descriptors or memory */
#define FULL_LOG_NS  (1000 * MS_NS) /* max_connections is told that often */

static bool
network_has(const struct role_network *network, const struct lease_addr *addr)
{
	uint32_t whole = network->bits / 8, rest = network->bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	if (network->addr.family != addr->family)
		return false;
	if (addr->family == LEASE_FAMILY_UNIX)
		return true;
	if (whole > sizeof(addr->addr) ||
	    memcmp(network->addr.addr, addr->addr, whole) != 0)
		return false;
	return rest == 0 || whole >= sizeof(addr->addr) ||
	    ((network->addr.addr[whole] ^ addr->addr[whole]) & mask) == 0;
}

bool
listener_trusts(const struct listener *listener, const struct lease_addr *addr)
{
	const struct listener_settings *settings = &listener->settings;

	for (uint32_t i = 0; i < settings->trusted_count && i < ROLE_NETWORKS_MAX; i++)
		if (network_has(&settings->trusted[i], addr))
			return true;
	return false;
}

static bool
lacks_resources(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* No descriptor is free, or no memory: to be woken again and again would not
 * help, so do not listen for a moment; clients wait in the backlog. */
static void
pause_accepting(struct listener *listener, int error)
{
	struct router *router = listener->router;

	log_warn("listener %s: cannot accept: %s; %u connections are open",
	    listener->name, strerror(error), router->connection_count);
	loop_io_remove(&router->loop, &listener->io);
	loop_timer_set(&router->loop, &listener->pause_timer,
	    router->loop.now_ns + PAUSE_NS);
}

static void
on_pause_over(void *owner)
{
	struct listener *listener = owner;

	if (!listener->closed && !listener->router->full)
		loop_io_add(&listener->router->loop, &listener->io, EPOLLIN);
}

/* At max_connections, with none to close for a new one. */
static void
stop_while_full(struct router *router)
{
	struct listener *listener;

	if (router->loop.now_ns >= router->full_logged_ns + FULL_LOG_NS) {
		log_warn("max_connections is reached: %u connections are open, "
			 "none of them idle",
		    router->connection_count);
		router->full_logged_ns = router->loop.now_ns;
	}
	router->full = true;
	TAILQ_FOREACH (listener, &router->listeners, entry)
		if (!listener->closed)
			loop_io_remove(&router->loop, &listener->io);
}

void
listeners_resume(struct router *router)
{
	struct listener *listener;

	if (!router->full ||
	    (router->connection_count + router->detached >= router->max_connections &&
		TAILQ_EMPTY(&router->idle)))
		return;
	router->full = false;
	TAILQ_FOREACH (listener, &router->listeners, entry)
		if (!listener->closed && !loop_timer_is_set(&listener->pause_timer))
			loop_io_add(&router->loop, &listener->io, EPOLLIN);
}

/* accept(2) may say that there are no descriptors where nobody waits. */
static bool
someone_waits(const struct listener *listener)
{
	struct pollfd pfd = { .fd = listener->io.fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* Returns false when nothing waits, or nothing can be taken now. */
static bool
accept_one(struct listener *listener)
{
	struct router *router = listener->router;
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct lease_addr client;
	int fd;

	if (router->connection_count + router->detached >= router->max_connections) {
		if (!someone_waits(listener))
			return false;
		if (!connection_evict(router)) {
			stop_while_full(router);
			return false;
		}
	}
	/* the socket stays blocking, so that any worker can use it; the router
	 * itself uses MSG_DONTWAIT */
	fd = accept4(listener->io.fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC);
	if (fd == -1 && lacks_resources(errno)) {
		int error = errno;

		if (!someone_waits(listener))
			return false;
		if (connection_evict(router))
			return true;
		pause_accepting(listener, error);
		return false;
	}
	if (fd == -1) /* others than EAGAIN (ECONNABORTED ...) are one client's */
		return errno != EAGAIN;
	util_addr_from_sockaddr(&client, &ss);
	if (listener->is_unix)
		client.family = LEASE_FAMILY_UNIX;
	connection_new(router, listener, fd, &client);
	return true;
}

static void
on_event(void *owner, uint32_t events)
{
	struct listener *listener = owner;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++)
		if (!accept_one(listener))
			break;
}

struct listener *
listener_find(struct router *router, uint32_t id)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &router->listeners, entry)
		if (listener->id == id)
			return listener;
	return NULL;
}

void
listener_add_closed(struct router *router, const struct listener *saved)
{
	struct listener *listener;

	if (listener_find(router, saved->id) != NULL)
		return;
	listener = util_alloc(sizeof(*listener));
	listener->router = router;
	listener->id = saved->id;
	listener->is_unix = saved->is_unix;
	listener->settings = saved->settings;
	memcpy(listener->name, saved->name, sizeof(listener->name));
	listener->io.fd = -1;
	listener->closed = true;
	access_log_assign_listener(&router->access_log, listener);
	listener->place = &router->meter.no_listener;
	TAILQ_INSERT_TAIL(&router->listeners, listener, entry);
}

void
listener_activate(struct listener *listener)
{
	struct router *router = listener->router;

	if (!listener->closed && !router->full && !router->taking &&
	    loop_io_add(&router->loop, &listener->io, EPOLLIN) == -1)
		log_error("listener %s: %s", listener->name, strerror(errno));
}

void
listener_add(struct router *router, const struct role_listener *role, int fd)
{
	struct listener *listener = util_alloc(sizeof(*listener));

	listener->router = router;
	listener->id = role->id;
	listener->is_unix = role->is_unix != 0;
	listener->settings = role->settings;
	strlcpy(listener->name, role->name, sizeof(listener->name));
	meter_place_listener(listener, role->stats_index);
	listener->io = (struct loop_io){ .fd = fd, .fn = on_event, .owner = listener };
	listener->pause_timer.fn = on_pause_over;
	listener->pause_timer.owner = listener;
	access_log_assign_listener(&router->access_log, listener);
	TAILQ_INSERT_TAIL(&router->listeners, listener, entry);
	listener_activate(listener);
}

void
listener_change(struct router *router, const struct role_listener *role)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &router->listeners, entry)
		if (listener->id == role->id && !listener->closed) {
			listener->settings = role->settings;
			strlcpy(listener->name, role->name, sizeof(listener->name));
		}
}

static void
stop_accepting(struct listener *listener)
{
	struct router *router = listener->router;

	if (listener->closed)
		return;
	listener->closed = true;
	loop_timer_clear(&router->loop, &listener->pause_timer);
	loop_io_remove(&router->loop, &listener->io);
	close(listener->io.fd);
	listener->io.fd = -1;
}

void
listeners_free(struct router *router)
{
	struct listener *listener;

	while ((listener = TAILQ_FIRST(&router->listeners)) != NULL) {
		stop_accepting(listener);
		TAILQ_REMOVE(&router->listeners, listener, entry);
		free(listener);
	}
}

void
listener_remove(struct router *router, uint32_t id)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &router->listeners, entry)
		if (listener->id == id && !listener->closed)
			listener_drain(listener);
}

void
listener_drain(struct listener *listener)
{
	while (!listener->closed && accept_one(listener))
		continue;
	stop_accepting(listener);
}
