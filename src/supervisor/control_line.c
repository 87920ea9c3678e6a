/* SPDX-License-Identifier: ISC */
#include "supervisor/control_line.h"

#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "supervisor/control_client.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

void
control_line_init(struct control_line *line)
{
	*line = (struct control_line){ .fd = -1 };
}

void
control_line_clear(struct control_line *line)
{
	free(line->in);
	free(line->out);
	free(line->request);
	line->in = line->out = line->request = NULL;
	line->follows = false;
	line->fd = -1; /* the client's, or nobody's any more */
}

static bool
is_local(const struct config_address *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address->ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->ss;

	switch (address->kind) {
	case CONFIG_ADDRESS_UNIX:
		return true;
	case CONFIG_ADDRESS_INET:
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case CONFIG_ADDRESS_INET6:
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	default:
		return false;
	}
}

void
control_line_warn(const struct config *config, const struct config_service *service)
{
	const struct config_string *name;
	const struct config_listen *listen;
	struct config_address address;
	const char *why;

	if (service->control != CONFIG_RIGHT_CHANGE)
		return;
	TAILQ_FOREACH (name, &service->listen, entry) {
		listen = config_listen_find(config, name->value);
		if (listen == NULL ||
		    !config_address_parse(listen->address, &address, &why) ||
		    is_local(&address))
			continue;
		log_warn("service %s: its workers may change how poold runs (control = "
			 "change), and [listen %s] is in the reach of other machines at "
			 "%s; see SECURITY CONSIDERATIONS in poold-workers(7)",
		    service->name, listen->name, listen->address);
	}
}

static bool
may_change(const struct worker *worker)
{
	return worker->pool->config->control == CONFIG_RIGHT_CHANGE;
}

bool
control_line_open(struct worker *worker, int *end)
{
	struct control *control = &worker->pool->supervisor->control;
	int ends[2];

	*end = -1;
	worker->line.number = 0;
	if (worker->pool->config->control == CONFIG_RIGHT_OFF)
		return true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
		return false;
	worker->line.client = control_client_new(control, ends[0], may_change(worker),
	    &worker->line);
	if (worker->line.client == NULL) {
		close(ends[1]);
		return false;
	}
	*end = ends[1];
	return true;
}

void
control_line_close(struct worker *worker)
{
	if (worker->line.client != NULL)
		control_client_close(worker->line.client); /* which forgets it here */
}

/* --- upgrade ----------------------------------------------------------- */

void
control_line_save(struct worker *worker)
{
	struct control_line *line = &worker->line;
	const struct control_client *client = line->client;

	if (client == NULL || client->dead)
		return;
	line->fd = client->io.fd;
	line->follows = client->wait == CONTROL_WAIT_EVENTS;
	if (client->in_len > 0)
		line->in = strndup(client->in, client->in_len);
	if (client->out != NULL)
		line->out = strndup(client->out + client->out_at,
		    client->out_len - client->out_at);
	if (client->request != NULL)
		line->request = json_dumps(client->request, JSON_COMPACT);
}

void
control_line_adopt(struct worker *worker)
{
	struct control *control = &worker->pool->supervisor->control;
	struct control_line *line = &worker->line;
	json_error_t error;

	if (line->fd == -1)
		return;
	line->client = control_client_new(control, line->fd, may_change(worker), line);
	if (line->client != NULL) {
		if (line->request != NULL)
			line->client->request = json_loads(line->request, 0, &error);
		control_client_resume(line->client, line->in, line->out, line->follows);
	}
	control_line_clear(line);
}
