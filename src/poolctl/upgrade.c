/* SPDX-License-Identifier: ISC */
/*
 * poolctl upgrade.  When it goes well, poold executes the new version, and our
 * connection ends with the old one: then the new one is asked what became of it.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <time.h>

#include "poolctl/command.h"

#define PATIENCE_S 30 /* for the new version to answer */

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The next line, unless it says that something failed. */
static json_t *
hear(struct client *client)
{
	json_t *reply = client_receive(client);

	if (reply == NULL || !json_is_false(json_object_get(reply, "ok")))
		return reply;
	json_decref(reply);
	return NULL;
}

/* The number of the last event, and with found the last upgrade since the event
 * before; -1: poold does not say. */
static json_int_t
read_events(struct client *client, json_int_t since, json_t **found)
{
	json_int_t last = since;
	json_t *event;
	const char *name;

	client_send(client, json_pack("{s:s, s:I}", "command", "events", "since", since));
	if ((event = hear(client)) == NULL)
		return -1;
	for (;;) {
		json_decref(event);
		if ((event = hear(client)) == NULL)
			return -1;
		if (json_object_get(event, "end") != NULL)
			break;
		if (json_is_integer(json_object_get(event, "id")))
			last = json_integer_value(json_object_get(event, "id"));
		name = json_string_value(json_object_get(event, "event"));
		if (found != NULL && name != NULL && strcmp(name, "upgraded") == 0) {
			json_decref(*found);
			*found = json_incref(event);
		}
	}
	json_decref(event);
	return last;
}

static json_int_t
read_pid(struct client *client)
{
	json_t *reply;
	json_int_t pid;

	client_send(client, json_pack("{s:s}", "command", "status"));
	reply = hear(client);
	pid = json_integer_value(json_object_get(json_object_get(reply, "poold"), "pid"));
	json_decref(reply);
	return pid;
}

enum there {
	NOT_YET,
	NOBODY, /* the socket stays open in an upgrade, so nobody will come */
	ANOTHER,
};

/* Asks whoever answers now.  Returns the event, or NULL and who is there. */
static json_t *
find_upgrade(const char *path, json_int_t since, json_int_t pid, enum there *who)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct client client;
	json_t *found = NULL;
	json_int_t there;

	*who = NOT_YET;
	if (client_try(&client, path)) {
		setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		    sizeof(patience));
		there = read_pid(&client);
		if (there == pid)
			read_events(&client, since, &found);
		else if (there != 0)
			*who = ANOTHER;
	} else if (errno == ECONNREFUSED || errno == ENOENT)
		*who = NOBODY;
	client_close(&client);
	return found;
}

static int
show(const struct options *options, json_t *event, json_int_t pid, double seconds)
{
	const char *from = json_string_value(json_object_get(event, "from"));
	const char *to = json_string_value(json_object_get(event, "to"));
	json_t *json;

	if (!options->json) {
		printf("poold %s has become poold %s (pid %lld) in %.1f s\n",
		    from != NULL ? from : "?", to != NULL ? to : "?", (long long)pid,
		    seconds);
		return 0;
	}
	json = json_pack("{s:b, s:s?, s:s?, s:I, s:f}", "ok", 1, "from", from, "to", to,
	    "pid", pid, "seconds", seconds);
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(json);
	return 0;
}

/* The old version is gone: there must be a new one. */
static int
wait_for_new(const struct options *options, json_int_t since, json_int_t pid,
    double began)
{
	static const struct timespec moment = { .tv_nsec = 50000000 };
	double until = now() + PATIENCE_S;
	enum there who = NOT_YET;
	json_t *event;
	int status;

	while (now() < until && who == NOT_YET) {
		event = find_upgrade(options->path, since, pid, &who);
		if (event != NULL) {
			status = show(options, event, pid, now() - began);
			json_decref(event);
			return status;
		}
		nanosleep(&moment, NULL);
	}
	if (who == ANOTHER)
		warnx("upgrade: there is another poold now, not that of pid %lld",
		    (long long)pid);
	else
		warnx("upgrade: poold is gone, or does not answer; its log says why");
	return EX_UNAVAILABLE;
}

int
upgrade_run(struct client *client, const struct options *options)
{
	json_int_t pid = read_pid(client), since = read_events(client, 0, NULL);
	double began = now();
	json_t *reply;
	int status;

	if (pid == 0 || since == -1) {
		warnx("upgrade: poold does not answer");
		return EX_UNAVAILABLE;
	}
	client_send(client, json_pack("{s:s}", "command", "upgrade"));
	reply = client_receive(client);
	if (reply == NULL)
		return wait_for_new(options, since, pid, began);
	if (options->json)
		puts(client->line);
	status = options->json ? 1 : command_failure(reply);
	json_decref(reply);
	return status;
}
