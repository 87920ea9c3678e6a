/* SPDX-License-Identifier: ISC */
#include "variables.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define TEXT_FIRST   (16 * 1024)
#define TEXT_MAX     (512 * 1024) /* a head is 32 KiB at most, and a few paths */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A value is put together of several parts. */
struct part {
	const char *text;
	size_t len;
};

void
variables_clear(struct variables *variables)
{
	variables->len = variables->count = 0;
	variables->failed = false;
}

void
variables_free(struct variables *variables)
{
	free(variables->text);
	variables->text = NULL;
	variables->size = 0;
	variables_clear(variables);
}

static bool
reserve(struct variables *v, size_t len)
{
	size_t size = v->size == 0 ? TEXT_FIRST : v->size;
	char *text;

	while (size - v->len < len && size < TEXT_MAX)
		size *= 2;
	if (size - v->len < len)
		return false;
	if (size == v->size)
		return true;
	if ((text = realloc(v->text, size)) == NULL)
		return false;
	v->text = text;
	v->size = size;
	return true;
}

/* Where a variable of this name is; NULL if there is none. */
static struct variable *
find(struct variables *v, const char *name, size_t len)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->list[i].name_len == len &&
		    memcmp(v->text + v->list[i].off, name, len) == 0)
			return &v->list[i];
	return NULL;
}

/* What was the variable's value is left in the text, for nobody. */
static void
put(struct variables *v, const char *name, size_t name_len, const struct part *parts,
    size_t part_count)
{
	struct variable *variable = find(v, name, name_len);
	size_t len = name_len + 2;
	char *out;

	for (size_t i = 0; i < part_count; i++)
		len += parts[i].len;
	if ((variable == NULL && v->count == VARIABLES_MAX) || !reserve(v, len)) {
		v->failed = true;
		return;
	}
	if (variable == NULL)
		variable = &v->list[v->count++];
	*variable = (struct variable){ v->len, name_len, len - name_len - 2 };
	out = v->text + v->len;
	memcpy(out, name, name_len);
	out += name_len;
	*out++ = '=';
	for (size_t i = 0; i < part_count; i++) {
		memcpy(out, parts[i].text, parts[i].len);
		out += parts[i].len;
	}
	*out = '\0';
	v->len += len;
}

static void
set(struct variables *v, const char *name, const char *value)
{
	put(v, name, strlen(name), &(struct part){ value, strlen(value) }, 1);
}

static void
set_number(struct variables *v, const char *name, long long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", number);
	set(v, name, text);
}

void
variables_add(struct variables *variables, const char *name, const char *value)
{
	set(variables, name, value);
}

char **
variables_environment(struct variables *variables)
{
	size_t i;

	if (variables->failed)
		return NULL;
	for (i = 0; i < variables->count; i++)
		variables->environment[i] = variables->text + variables->list[i].off;
	variables->environment[i] = NULL;
	return variables->environment;
}

/* --- what is the same for each request ---------------------------------- */

/* HTTP_ is for fields: HTTP_PROXY, above all, would have programs send their own
 * requests to whom a client names. */
static void
set_own(struct variables *v, const char *name, size_t len)
{
	char copy[128];
	const char *value;

	if (len == 0 || len >= sizeof(copy) || strncmp(name, "HTTP_", 5) == 0)
		return;
	memcpy(copy, name, len);
	copy[len] = '\0';
	if ((value = getenv(copy)) != NULL)
		set(v, copy, value);
}

void
variables_add_process(struct variables *variables)
{
	static const char *const names[] = { "HOME", "LANG", "LC_ALL", "LC_CTYPE",
		"LOGNAME", "PATH", "TMPDIR", "TZ", "USER" };
	const char *name = getenv("POOLD_ENV");

	set(variables, "PATH", DEFAULT_PATH);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		set_own(variables, names[i], strlen(names[i]));
	while (name != NULL && *name != '\0') {
		set_own(variables, name, strcspn(name, ","));
		name += strcspn(name, ",");
		name += strspn(name, ",");
	}
}

/* --- the fields of the request ------------------------------------------- */

/* Fields that have a variable of their own, that are about the connection, or
 * that no program should get. */
static bool
field_is_hidden(const char *name, bool authorization)
{
	static const char *const names[] = { "Connection", "Content-Length",
		"Content-Type", "Expect", "Keep-Alive", "Proxy", "Proxy-Authorization",
		"Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	if (!authorization && strcasecmp(name, "Authorization") == 0)
		return true;
	/* "A_B" must not pass for "A-B" */
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) && *name != '-')
			return true;
	return false;
}

static void
set_field(struct variables *v, const char *name, const char *value)
{
	char var[256] = "HTTP_";
	size_t len = strlen("HTTP_"), name_len = strlen(name), size = strlen(value), old;
	const struct variable *before;

	if (name_len >= sizeof(var) - len)
		return; /* nobody's name */
	for (size_t i = 0; i < name_len; i++)
		var[len++] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
	if ((before = find(v, var, len)) == NULL) {
		put(v, var, len, &(struct part){ value, size }, 1);
		return;
	}
	/* A field that stands several times is a list.  The memory moves when more
	 * of it is needed: that must happen before the old value is pointed to. */
	old = before->value_len;
	if (!reserve(v, len + old + size + 4)) {
		v->failed = true;
		return;
	}
	put(v, var, len,
	    (const struct part[]){ { v->text + before->off + len + 1, old },
		{ strcasecmp(name, "Cookie") == 0 ? "; " : ", ", 2 }, { value, size } },
	    3);
}

static void
set_fields(struct variables *v, struct poold_request *req, bool authorization)
{
	const char *name, *value;

	for (size_t i = 0; poold_header_at(req, i, &name, &value); i++)
		if (!field_is_hidden(name, authorization))
			set_field(v, name, value);
}

/* --- the request ---------------------------------------------------------- */

/* SERVER_NAME and SERVER_PORT: as the client named us. */
static void
set_server(struct variables *v, struct poold_request *req)
{
	const char *host = poold_host(req), *local = poold_local_address(req);
	const char *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');
	int port = poold_local_port(req);
	size_t len;

	if (colon != NULL && (bracket == NULL || colon > bracket))
		len = (size_t)(colon - host);
	else
		len = strlen(host);
	if (len > 0)
		put(v, "SERVER_NAME", strlen("SERVER_NAME"), &(struct part){ host, len },
		    1);
	else if (strchr(local, ':') != NULL)
		put(v, "SERVER_NAME", strlen("SERVER_NAME"),
		    (const struct part[]){ { "[", 1 }, { local, strlen(local) },
			{ "]", 1 } },
		    3);
	else
		set(v, "SERVER_NAME", port != 0 ? local : "localhost");
	if (port == 0) /* a unix socket: what the client believes */
		port = colon != NULL && len < strlen(host) ? atoi(colon + 1) : 80;
	set_number(v, "SERVER_PORT", port);
	set(v, "SERVER_ADDR", local);
	set(v, "SERVER_PROTOCOL", poold_http_minor(req) == 0 ? "HTTP/1.0" : "HTTP/1.1");
	set(v, "SERVER_SOFTWARE", "poold/" PACKAGE_VERSION);
	set(v, "GATEWAY_INTERFACE", "CGI/1.1");
	set(v, "REQUEST_SCHEME", "http");
}

static void
set_client(struct variables *v, struct poold_request *req)
{
	set(v, "REMOTE_ADDR", poold_client_address(req));
	set(v, "REMOTE_HOST", poold_client_address(req));
	set_number(v, "REMOTE_PORT", poold_client_port(req));
	set(v, "REQUEST_ID", poold_request_id(req));
	set(v, "REQUEST_URI", poold_target(req));
}

static void
set_script(struct variables *v, const struct call *call)
{
	set(v, "SCRIPT_NAME", call->script_name);
	set(v, "SCRIPT_FILENAME", call->script_file);
	set(v, "DOCUMENT_ROOT", call->document_root);
	/* php-cgi wants to see that a server started it */
	set(v, "REDIRECT_STATUS", "200");
	if (call->path_info[0] == '\0')
		return;
	set(v, "PATH_INFO", call->path_info);
	put(v, "PATH_TRANSLATED", strlen("PATH_TRANSLATED"),
	    (const struct part[]){ { call->document_root, strlen(call->document_root) },
		{ call->path_info, strlen(call->path_info) } },
	    2);
}

static void
set_call(struct variables *v, struct poold_request *req, const struct call *call)
{
	const char *type = poold_header(req, "Content-Type");

	set(v, "REQUEST_METHOD", call->method);
	set(v, "QUERY_STRING", call->query);
	if (call->redirect_url != NULL)
		set(v, "REDIRECT_URL", call->redirect_url);
	if (call->body_length < 0)
		return;
	set_number(v, "CONTENT_LENGTH", (long long)call->body_length);
	if (type != NULL)
		set(v, "CONTENT_TYPE", type);
}

void
variables_add_request(struct variables *variables, struct poold_request *req,
    const struct call *call)
{
	set_fields(variables, req, call->authorization);
	set_server(variables, req);
	set_client(variables, req);
	set_script(variables, call);
	set_call(variables, req, call);
}
