/* SPDX-License-Identifier: ISC */
/* Connections that another router hands over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "router/address.h"
#include "router/connection.h"
#include "router/router.h"

struct connection *
connection_taken(struct router *router, struct listener *listener, int fd,
    const struct connection *saved)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	*connection = *saved;
	connection_init(connection, router, listener, fd);
	if (saved->is_idle)
		TAILQ_INSERT_TAIL(&router->idle, connection, idle_entry);
	if (router->max_per_address > 0 && !connection->is_unix &&
	    !connection->proxy_pending)
		connection->address = address_enter(&router->addresses,
		    &connection->client, UINT32_MAX);
	return connection;
}

void
connection_activate(struct connection *connection)
{
	static const uint32_t tcp[] = {
		[CONNECTION_READING] = CONNECTION_TCP_READ,
		[CONNECTION_BODY] = CONNECTION_TCP_READ,
		[CONNECTION_WAITING] = CONNECTION_TCP_WATCH,
		[CONNECTION_LEASED] = CONNECTION_TCP_WATCH,
		[CONNECTION_SENDING] = EPOLLOUT | EPOLLONESHOT,
		[CONNECTION_LINGER] = CONNECTION_TCP_READ,
	};
	uint32_t events = tcp[connection->state];

	if (connection->is_unix) {
		events = connection->state == CONNECTION_SENDING ? EPOLLOUT | EPOLLET :
								   CONNECTION_UNIX_READ;
		/* what is there is reported anew, and must count as progress */
		connection->peeked = 0;
	}
	connection->peeks = 0;
	connection_set_deadline(connection, connection->deadline_ns);
	if (loop_io_add(&connection->router->loop, &connection->io, events) == -1)
		log_error("a connection is lost: %s", strerror(errno));
}
