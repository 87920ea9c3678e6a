/* SPDX-License-Identifier: ISC */
#include "variables.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LIST_MAX     512 /* fields of a request and keys of a service are fewer */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct list {
	char **vars; /* LIST_MAX places, NULL behind the last */
	size_t count;
	bool failed;
};

static size_t
name_length(const char *var)
{
	return strcspn(var, "=");
}

/* Where a variable of this name is; count if there is none. */
static size_t
list_find(const struct list *list, const char *name, size_t len)
{
	size_t i = 0;

	while (i < list->count &&
	    (name_length(list->vars[i]) != len || strncmp(list->vars[i], name, len) != 0))
		i++;
	return i;
}

/* Adds NAME=VALUE, or replaces NAME; takes it over. */
static void
list_take(struct list *list, char *var)
{
	size_t i;

	if (var == NULL) {
		list->failed = true;
		return;
	}
	i = list_find(list, var, name_length(var));
	if (i == LIST_MAX - 1) {
		list->failed = true;
		free(var);
		return;
	}
	free(list->vars[i]);
	list->vars[i] = var;
	if (i == list->count)
		list->count++;
}

static void set(struct list *list, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
set(struct list *list, const char *fmt, ...)
{
	va_list ap;
	char *var;

	va_start(ap, fmt);
	if (vasprintf(&var, fmt, ap) == -1)
		var = NULL;
	va_end(ap);
	list_take(list, var);
}

/* --- what is the same for each request ---------------------------------- */

/* HTTP_ is for fields: HTTP_PROXY, above all, would have programs send their own
 * requests to whom a client names. */
static void
set_own(struct list *list, const char *name, size_t len)
{
	char copy[128];
	const char *value;

	if (len == 0 || len >= sizeof(copy) || strncmp(name, "HTTP_", 5) == 0)
		return;
	memcpy(copy, name, len);
	copy[len] = '\0';
	if ((value = getenv(copy)) != NULL)
		set(list, "%s=%s", copy, value);
}

static void
set_process(struct list *list)
{
	static const char *const names[] = { "HOME", "LANG", "LC_ALL", "LC_CTYPE",
		"LOGNAME", "PATH", "TMPDIR", "TZ", "USER" };
	const char *name = getenv("POOLD_ENV");

	set(list, "PATH=" DEFAULT_PATH);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		set_own(list, names[i], strlen(names[i]));
	while (name != NULL && *name != '\0') {
		set_own(list, name, strcspn(name, ","));
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
set_field(struct list *list, const char *name, const char *value)
{
	char *var = NULL;
	size_t i, len = strlen(name) + strlen("HTTP_");

	if (asprintf(&var, "HTTP_%s=%s", name, value) == -1) {
		list->failed = true;
		return;
	}
	for (i = 0; i < len; i++)
		var[i] = var[i] == '-' ? '_' : (char)toupper((unsigned char)var[i]);
	i = list_find(list, var, len);
	if (i < list->count) { /* a field that stands several times is a list */
		set(list, "%s%s%s", list->vars[i],
		    strcasecmp(name, "Cookie") == 0 ? "; " : ", ", value);
		free(var);
	} else {
		list_take(list, var);
	}
}

static void
set_fields(struct list *list, struct poold_request *req, bool authorization)
{
	const char *name, *value;

	for (size_t i = 0; poold_header_at(req, i, &name, &value); i++)
		if (!field_is_hidden(name, authorization))
			set_field(list, name, value);
}

/* --- the request ---------------------------------------------------------- */

/* SERVER_NAME and SERVER_PORT: as the client named us. */
static void
set_server(struct list *list, struct poold_request *req)
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
		set(list, "SERVER_NAME=%.*s", (int)len, host);
	else if (strchr(local, ':') != NULL)
		set(list, "SERVER_NAME=[%s]", local);
	else
		set(list, "SERVER_NAME=%s", port != 0 ? local : "localhost");
	if (port == 0) /* a unix socket: what the client believes */
		port = colon != NULL && len < strlen(host) ? atoi(colon + 1) : 80;
	set(list, "SERVER_PORT=%d", port);
	set(list, "SERVER_ADDR=%s", local);
	set(list, "SERVER_PROTOCOL=HTTP/1.%d", poold_http_minor(req));
	set(list, "SERVER_SOFTWARE=poold/" PACKAGE_VERSION);
	set(list, "GATEWAY_INTERFACE=CGI/1.1");
	set(list, "REQUEST_SCHEME=http");
}

static void
set_client(struct list *list, struct poold_request *req)
{
	set(list, "REMOTE_ADDR=%s", poold_client_address(req));
	set(list, "REMOTE_HOST=%s", poold_client_address(req));
	set(list, "REMOTE_PORT=%d", poold_client_port(req));
	set(list, "REQUEST_ID=%s", poold_request_id(req));
	set(list, "REQUEST_URI=%s", poold_target(req));
}

static void
set_script(struct list *list, const struct site *site, const struct script *script)
{
	set(list, "SCRIPT_NAME=%s", script->name);
	set(list, "SCRIPT_FILENAME=%s", script->file);
	set(list, "DOCUMENT_ROOT=%s", site->document_root);
	/* php-cgi wants to see that a server started it */
	set(list, "REDIRECT_STATUS=200");
	if (script->path_info[0] == '\0')
		return;
	set(list, "PATH_INFO=%s", script->path_info);
	set(list, "PATH_TRANSLATED=%s%s", site->document_root, script->path_info);
}

static void
set_call(struct list *list, struct poold_request *req, const struct call *call)
{
	const char *type = poold_header(req, "Content-Type");

	set(list, "REQUEST_METHOD=%s", call->method);
	set(list, "QUERY_STRING=%s", call->query);
	if (call->redirect_url != NULL)
		set(list, "REDIRECT_URL=%s", call->redirect_url);
	if (call->body_length < 0)
		return;
	set(list, "CONTENT_LENGTH=%lld", (long long)call->body_length);
	if (type != NULL)
		set(list, "CONTENT_TYPE=%s", type);
}

char **
variables_new(struct poold_request *req, const struct call *call, const struct site *site,
    const struct script *script)
{
	struct list list = { .vars = calloc(LIST_MAX, sizeof(*list.vars)) };

	if (list.vars == NULL)
		return NULL;
	set_process(&list);
	set_fields(&list, req, site->authorization);
	set_server(&list, req);
	set_client(&list, req);
	set_script(&list, site, script);
	set_call(&list, req, call);
	if (!list.failed)
		return list.vars;
	variables_free(list.vars);
	return NULL;
}

void
variables_free(char **list)
{
	if (list == NULL)
		return;
	for (char **var = list; *var != NULL; var++)
		free(*var);
	free(list);
}
