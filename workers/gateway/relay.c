/* SPDX-License-Identifier: ISC */
#include "relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "reply.h"

int64_t
relay_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
relay_begin(struct relay *relay, struct poold_request *req, const char *name)
{
	relay->req = req;
	relay->name = name;
	relay->raw = relay->local = false;
	relay->state = RELAY_HEAD;
	relay->to_send = -1;
	relay->len = relay->head_len = 0;
}

bool
relay_wants(const struct relay *relay)
{
	return relay->state < RELAY_REDIRECT;
}

bool
relay_is_silent(const struct relay *relay)
{
	return relay->state < RELAY_STREAM;
}

void
relay_fail(struct relay *relay, const char *why)
{
	reply_bad_output(relay->req, relay->name, why);
	relay->state = RELAY_OVER;
}

void
relay_client_left(struct relay *relay)
{
	if (relay_is_silent(relay))
		reply_client_left(relay->req);
	relay->state = RELAY_OVER;
}

/* --- the response --------------------------------------------------------- */

static void
body_send(struct relay *relay, const char *buf, size_t len)
{
	bool over = relay->to_send >= 0 && (int64_t)len > relay->to_send;

	if (over) {
		poold_log(relay->req, "%s: it wrote more than its Content-Length",
		    relay->name);
		len = (size_t)relay->to_send;
	}
	if (relay->to_send >= 0)
		relay->to_send -= (int64_t)len;
	if (len > 0 && poold_write(relay->req, buf, len) == -1) {
		relay_client_left(relay);
	} else if (over) {
		(void)poold_end(relay->req);
		relay->state = RELAY_OVER;
	}
}

/* A path of this service is no matter of the client. */
static bool
is_local(const struct output_head *head)
{
	return head->location != NULL && head->location[0] == '/' &&
	    head->location[1] != '/' && head->status == 0;
}

/* They were checked, and there is room for them. */
static void
fields_set(struct poold_request *req, const struct output_head *head)
{
	if (head->location != NULL)
		(void)poold_set_header(req, "Location", head->location);
	for (size_t i = 0; i < head->field_count; i++)
		(void)poold_set_header(req, head->fields[i].name, head->fields[i].value);
}

/* Begins the response with what was collected.  complete: that is all of it. */
static void
response_begin(struct relay *relay, bool complete)
{
	const struct output_head *head = &relay->head;
	int64_t body_len = (int64_t)(relay->len - relay->head_len);
	bool is_head = strcmp(poold_method(relay->req), "HEAD") == 0;
	int status = head->status;

	if (status == 0)
		status = head->location != NULL ? 302 : 200;
	if (complete && head->length > body_len && !is_head && status != 304) {
		relay_fail(relay, "it wrote less than its Content-Length");
		return;
	}
	fields_set(relay->req, head);
	relay->to_send = head->length;
	if (complete && head->length == -1 && !is_head)
		relay->to_send = body_len;
	if (poold_start(relay->req, status, head->type, relay->to_send) == -1) {
		relay_fail(relay, strerror(errno));
		return;
	}
	relay->state = RELAY_STREAM;
	body_send(relay, relay->buf + relay->head_len, (size_t)body_len);
	relay->len = 0;
}

static void
head_read(struct relay *relay)
{
	const char *why;
	ssize_t len = output_parse(relay->buf, relay->len, &relay->head, &why);

	if (len == -1) {
		relay_fail(relay, why);
	} else if (len > 0 && relay->local && is_local(&relay->head)) {
		snprintf(relay->location, sizeof(relay->location), "%s",
		    relay->head.location);
		relay->state = RELAY_REDIRECT;
	} else if (len > 0) {
		relay->head_len = (size_t)len;
		relay->held_until = relay_now_ms() + RELAY_HELD_MS;
		relay->state = RELAY_HELD;
	}
}

/* The output of an nph- program is the response. */
static void
raw_head_read(struct relay *relay)
{
	int status = output_raw_status(relay->buf, relay->len);

	if (status == -1) {
		relay_fail(relay,
		    "its name begins with nph-, but it does not write HTTP");
	} else if (status > 0 && poold_start_raw(relay->req, status) == 0) {
		relay->state = RELAY_STREAM;
		body_send(relay, relay->buf, relay->len);
		relay->len = 0;
	}
}

/* --- what comes of the program ---------------------------------------------- */

/* Keeps what fits, and looks at it.  Returns how much that was. */
static size_t
collect(struct relay *relay, const char *buf, size_t len)
{
	/* a head has to fit into its limit; the NUL is for the parser */
	size_t size = relay->state == RELAY_HEAD ? OUTPUT_HEAD_MAX : RELAY_SIZE;

	if (len > size - relay->len)
		len = size - relay->len;
	memcpy(relay->buf + relay->len, buf, len);
	relay->len += len;
	relay->buf[relay->len] = '\0';
	if (relay->state == RELAY_HEAD && relay->raw)
		raw_head_read(relay);
	else if (relay->state == RELAY_HEAD)
		head_read(relay);
	else if (relay->len == RELAY_SIZE)
		response_begin(relay, false);
	return len;
}

void
relay_put(struct relay *relay, const char *buf, size_t len)
{
	size_t used;

	while (len > 0 && relay_wants(relay)) {
		if (relay->state == RELAY_STREAM) {
			body_send(relay, buf, len);
			return;
		}
		used = collect(relay, buf, len);
		buf += used;
		len -= used;
	}
}

int
relay_timeout_ms(const struct relay *relay)
{
	int64_t left;

	if (relay->state != RELAY_HELD)
		return -1;
	left = relay->held_until - relay_now_ms();
	return left > 0 ? (int)left : 0;
}

void
relay_tick(struct relay *relay)
{
	if (relay->state == RELAY_HELD && relay_now_ms() >= relay->held_until)
		response_begin(relay, false);
}

void
relay_finish(struct relay *relay, const char *why)
{
	if (relay->state == RELAY_HEAD)
		relay_fail(relay,
		    why != NULL		? why :
			relay->len == 0 ? "no output" :
					  "the head does not end");
	else if (relay->state == RELAY_HELD && why != NULL)
		relay_fail(relay, why);
	else if (relay->state == RELAY_HELD)
		response_begin(relay, true);
	if (relay->state == RELAY_STREAM && why == NULL)
		(void)poold_end(relay->req);
	relay->state = RELAY_OVER;
}
