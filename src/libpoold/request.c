/* SPDX-License-Identifier: ISC */
/* One request: from its parsed head to its completed response. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "libpoold/internal.h"

struct poold_request *
request_new(void)
{
	struct poold_request *req;

	if ((req = calloc(1, sizeof(*req))) == NULL)
		return NULL;
	req->peer = calloc(1, sizeof(*req->peer));
	req->in.buf = malloc(INPUT_SIZE);
	if (req->peer == NULL || req->in.buf == NULL) {
		request_free(req);
		return NULL;
	}
	req->fd = req->out.file = -1;
	req->method = req->target = req->query = req->host = "";
	req->path_info = req->path;
	return req;
}

void
request_free(struct poold_request *req)
{
	if (req == NULL)
		return;
	out_reset(&req->out);
	free(req->out.buf);
	free(req->raw.head);
	free(req->params.text);
	free(req->form.text);
	free(req->body.whole);
	free(req->in.buf);
	free(req->peer);
	free(req);
}

/*
 * Makes a string of a span.  What stands behind most of them separates and has
 * been parsed, so a NUL can take its place.  NULL: it cannot.
 */
static const char *
span_terminate(const struct poold_request *req, struct lease_span span)
{
	char *end = req->head + span.off + span.len;

	if (span.len == 0)
		return "";
	if (*end != '\0' && strchr(" \t\r:", *end) == NULL)
		return NULL;
	*end = '\0';
	return req->head + span.off;
}

/* The authority of an absolute-form target has the path behind it. */
static const char *
host_text(struct poold_request *req, struct lease_span host)
{
	const char *text = span_terminate(req, host);

	if (text != NULL)
		return text;
	if (host.len >= sizeof(req->host_text))
		return "";
	memcpy(req->host_text, req->head + host.off, host.len);
	req->host_text[host.len] = '\0';
	return req->host_text;
}

static const char *
text_or_empty(const char *text)
{
	return text != NULL ? text : "";
}

void
request_open(struct poold_request *req, int fd, const struct request_index *index,
    size_t head_len)
{
	req->fd = fd;
	req->rest = NULL;
	req->detached = req->upgraded = req->nonblocking = false;
	req->on_detach = NULL;
	req->data = NULL;
	req->head = req->in.buf + req->in.pos;
	req->in.pos += head_len;
	req->minor = index->minor;
	req->keep = index->keep;
	req->field_count = index->field_count;
	memcpy(req->fields, index->fields, index->field_count * sizeof(req->fields[0]));
	/* The target ends with the query: the longer one's NUL serves both.
	 * The host may lie within the target and is looked at after it. */
	req->method = text_or_empty(span_terminate(req, index->method));
	req->target = text_or_empty(span_terminate(req, index->target));
	req->query = text_or_empty(span_terminate(req, index->query));
	req->host = host_text(req, index->host);
	req->is_head = strcmp(req->method, "HEAD") == 0;
	pairs_reset(&req->params);
	pairs_reset(&req->form);
	body_reset(&req->body);
	timing_reset(&req->timing);
	req->traceparent[0] = '\0';
	body_open(req, index->body_len, index->body_max, index->expect);
	response_reset(&req->response);
}

void
request_route(struct poold_request *req, size_t path_len, size_t prefix_len)
{
	req->path[path_len] = '\0';
	/* "/api/" as a route is "/api": what follows it begins with a slash. */
	if (prefix_len > 0 && req->path[prefix_len - 1] == '/')
		prefix_len--;
	memcpy(req->route, req->path, prefix_len);
	req->route[prefix_len] = '\0';
	req->path_info = req->path + prefix_len;
}

void
request_identify(struct poold_request *req)
{
	struct trace trace;

	req->sampled = false;
	if (trace_find(req->fields, req->field_count, req->head, &trace)) {
		memcpy(req->trace_id, trace.id, sizeof(req->trace_id));
		req->sampled = trace.sampled;
	} else {
		util_random(req->trace_id, sizeof(req->trace_id));
	}
	util_random(req->span_id, sizeof(req->span_id));
	util_hex(req->trace_id, sizeof(req->trace_id), req->id);
}

/* A handler that returned without a word, or in the middle of a response. */
void
request_complete(struct poold_request *req)
{
	struct response *r = &req->response;

	if (r->state == RESPONSE_DONE)
		return;
	if (r->state == RESPONSE_NONE) {
		poold_log(req, "no response to %s %s", req->method, req->path);
		response_reset(r);
		poold_problem(req, 500, "The service gave no response.");
	} else if (r->state == RESPONSE_BEGUN && r->sized && r->left == 0)
		poold_end(req);
	else if (r->state == RESPONSE_BEGUN) {
		poold_log(req, "unfinished response to %s %s", req->method, req->path);
		r->state = RESPONSE_BROKEN;
	}
}

void
request_handle(struct poold_request *req, poold_handler handler, void *arg)
{
	handler(req, arg);
	timing_end(&req->timing);
	request_complete(req);
	request_close(req);
}

void
request_close(struct poold_request *req)
{
	if (req->response.state != RESPONSE_DONE) {
		/* A plain close could pass for the end of the response. */
		req->keep = false;
		out_reset(&req->out);
		shutdown(req->fd, SHUT_RDWR);
	} else if (req->keep)
		req->keep = body_keeps(req) && body_drain(req);
}

const char *
poold_method(const struct poold_request *req)
{
	return req->method;
}

const char *
poold_target(const struct poold_request *req)
{
	return req->target;
}

const char *
poold_path(const struct poold_request *req)
{
	return req->path;
}

const char *
poold_route(const struct poold_request *req)
{
	return req->route;
}

const char *
poold_path_info(const struct poold_request *req)
{
	return req->path_info;
}

const char *
poold_query(const struct poold_request *req)
{
	return req->query;
}

const char *
poold_host(const struct poold_request *req)
{
	return req->host;
}

int
poold_http_minor(const struct poold_request *req)
{
	return req->minor;
}

const char *
poold_header(struct poold_request *req, const char *name)
{
	const struct lease_span *value;

	value = http_field_find(req->fields, req->field_count, req->head, name);
	return value == NULL ? NULL : text_or_empty(span_terminate(req, *value));
}

bool
poold_header_at(struct poold_request *req, size_t index, const char **name,
    const char **value)
{
	if (index >= req->field_count)
		return false;
	*name = text_or_empty(span_terminate(req, req->fields[index].name));
	*value = text_or_empty(span_terminate(req, req->fields[index].value));
	return true;
}

const char *
poold_client_address(const struct poold_request *req)
{
	return util_addr_text(&req->peer->client, req->peer->client_text);
}

int
poold_client_port(const struct poold_request *req)
{
	return req->peer->client.port;
}

/* Connections that the library accepted itself are asked only when needed. */
static const struct lease_addr *
local_addr(const struct poold_request *req)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (!req->peer->local_known) {
		if (getsockname(req->fd, (struct sockaddr *)&ss, &len) == 0)
			util_addr_from_sockaddr(&req->peer->local, &ss);
		req->peer->local_known = true;
	}
	return &req->peer->local;
}

const char *
poold_local_address(const struct poold_request *req)
{
	return util_addr_text(local_addr(req), req->peer->local_text);
}

int
poold_local_port(const struct poold_request *req)
{
	return local_addr(req)->port;
}

int
poold_client_fd(const struct poold_request *req)
{
	return req->fd;
}

void
poold_set_data(struct poold_request *req, void *data)
{
	req->data = data;
}

void *
poold_data(const struct poold_request *req)
{
	return req->data;
}

int
poold_nonblocking(struct poold_request *req)
{
	if (req->worker == NULL) {
		errno = EINVAL;
		return -1;
	}
	req->nonblocking = true;
	return 0;
}

const char *
poold_request_id(const struct poold_request *req)
{
	return req->id;
}

const char *
poold_traceparent(struct poold_request *req)
{
	if (req->traceparent[0] == '\0')
		trace_format(req->traceparent, req->trace_id, req->span_id, req->sampled);
	return req->traceparent;
}

uint64_t
poold_queue_us(const struct poold_request *req)
{
	return req->started_ns > req->arrived_ns ?
	    (req->started_ns - req->arrived_ns) / 1000 :
	    0;
}
