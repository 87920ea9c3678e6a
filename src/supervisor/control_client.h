/* SPDX-License-Identifier: ISC */
/*
 * A client of the control socket: requests in, one JSON object a line; replies
 * out, in the same order.  Nothing waits for a client, and each is bounded: in
 * the length of a request, in what it leaves unread, in time.
 */
#ifndef SUPERVISOR_CONTROL_CLIENT_H
#define SUPERVISOR_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/loop.h"
#include "supervisor/control.h"

#define CONTROL_REQUEST_MAX 4096 /* bytes of a line */
#define CONTROL_CLIENTS_MAX 32
#define CONTROL_FDS	    3  /* standard input, output and error, for run */
#define CONTROL_READERS_MAX 16 /* of them, those who may only look */

struct control_line;
struct json_t;
struct oneoff;

enum control_wait {
	CONTROL_WAIT_NONE,
	CONTROL_WAIT_RELOAD,  /* for the end of one */
	CONTROL_WAIT_UPGRADE, /* for the end of one, which is ours if it is good */
	CONTROL_WAIT_ANSWER,  /* for the router's */
	CONTROL_WAIT_RUN,     /* for the end of its oneoff */
	CONTROL_WAIT_EVENTS,  /* for ever */
};

struct control_client {
	TAILQ_ENTRY(control_client) entry;
	struct control *control;
	struct control_line *line; /* a worker's; NULL: of the control socket */
	struct loop_io io;
	struct loop_timer timer; /* it says or reads nothing */
	struct loop_timer turn;	 /* its next request; or it is freed */
	bool may_change;
	bool ended; /* it says nothing more */
	bool dead;  /* to be freed by its timer, not in the midst of its request */
	enum control_wait wait;
	struct oneoff *oneoff; /* CONTROL_WAIT_RUN */
	int fds[CONTROL_FDS];  /* that came with its request */
	int fd_count;
	struct json_t *request; /* that waits; without wait: to be taken up again */
	unsigned reloads;	/* how many have to end */
	bool steps;		/* of the last of these it wants to know */
	uint64_t free_ns;	/* its next request waits until then */
	uint64_t began_ns;	/* CONTROL_WAIT_RELOAD */
	uint32_t events;	/* epoll's, that are asked for */
	size_t in_len;
	char *out; /* NULL: nothing waits */
	size_t out_at, out_len;
	char in[CONTROL_REQUEST_MAX];
};

/* Takes over a connection of the control socket: asks who it is. */
void control_client_open(struct control *control, int fd);
/* Takes over any connection.  A worker's (line, else NULL) is not counted, and may
 * be silent for ever.  NULL: fd was closed, errno says why. */
struct control_client *control_client_new(struct control *control, int fd,
    bool may_change, struct control_line *line);
/* Goes on after an upgrade, with what was received, what is to be sent (NULL:
 * nothing), and client->request, if it has one. */
void control_client_resume(struct control_client *client, const char *in, const char *out,
    bool follows);
void control_client_close(struct control_client *client);
void control_client_close_all(struct control *control);

/* Sends a reply, which it takes a reference of. */
void control_client_reply(struct control_client *client, struct json_t *reply);
/* Sends text as it is. */
void control_client_send(struct control_client *client, const char *text, size_t len);

/* Another process has its connection; here it ends, but not for the client. */
void control_client_hand_over(struct control_client *client);
/* The descriptors that came are not needed any more. */
void control_client_close_fds(struct control_client *client);
/* Waits on for the end of what an upgrade left. */
void control_client_wait(struct control_client *client, enum control_wait wait);
/* The reply to what it waited for, which it takes over. */
void control_client_done(struct control_client *client, struct json_t *reply);
/* It does not read what it gets: drops it and says so. */
void control_client_drop_unread(struct control_client *client);
/* What was done for it has taken the supervisor's time since then: it has to wait
 * before its next request. */
void control_client_charge(struct control_client *client, uint64_t since_ns);

#endif
