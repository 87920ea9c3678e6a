/* SPDX-License-Identifier: ISC */
/*
 * poold-cgi: answers each request with a run of a CGI program (RFC 3875).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#include "../common/program.h"
#include "../gateway/reply.h"
#include "../gateway/spool.h"
#include "../gateway/variables.h"
#include "common/http.h"
#include "exchange.h"

#define REDIRECTS_MAX 10

/* All that a worker has: it answers one request at a time. */
struct cgi {
	struct site site;
	struct script script;
	struct variables variables;
	struct exchange exchange;
	char route[CGI_PATH_SIZE];
	char path[CGI_PATH_SIZE]; /* canonical: what the next run is for */
	char query[OUTPUT_HEAD_MAX];
	char redirect_url[CGI_PATH_SIZE];
};

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: poold-cgi --app PATH [OPTIONS] [PORT | ADDRESS:PORT | unix:PATH]\n"
	    "  --app PATH            a CGI program, or a folder of them\n"
	    "  --root DIR            a folder of them\n"
	    "  --document-root DIR   for PATH_TRANSLATED; default: the folder\n"
	    "  --pass-authorization  programs see the field Authorization\n"
	    "The address is needed only without poold: see poold-workers(7).\n");
}

/* One run, for cgi->path and cgi->query. */
static enum exchange_result
run(struct cgi *cgi, struct poold_request *req, struct call *call, int body)
{
	size_t route_len = strlen(cgi->route);
	char **envp;
	int status;

	status = site_find(&cgi->site, cgi->route, cgi->path + route_len, &cgi->script);
	if (status != 0) {
		reply_not_found(req, status);
		return EXCHANGE_DONE;
	}
	call->script_name = cgi->script.name;
	call->script_file = cgi->script.file;
	call->path_info = cgi->script.path_info;
	variables_clear(&cgi->variables);
	variables_add_process(&cgi->variables);
	variables_add_request(&cgi->variables, req, call);
	envp = variables_environment(&cgi->variables);
	if (envp == NULL) {
		reply_not_started(req, cgi->script.name, cgi->script.file, ENOMEM);
		return EXCHANGE_DONE;
	}
	return exchange_run(&cgi->exchange, req, &cgi->script, envp, body);
}

/* Whether path is one of this service. */
static bool
is_below(const char *path, const char *route)
{
	size_t len = strlen(route);

	return strncmp(path, route, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/*
 * A local redirect (RFC 3875 section 6.2.2): the request becomes one for the
 * location.  What is not ours cannot be run here; the client is sent there.
 * Returns whether there is something to run.
 */
static bool
redirect(struct cgi *cgi, struct poold_request *req)
{
	const char *location = cgi->exchange.relay.location;
	size_t path_len = strcspn(location, "?#"), len;
	const char *query = location + path_len;
	char path[CGI_PATH_SIZE];
	bool encoded_slash;

	if (path_len >= sizeof(path) ||
	    http_path_canonical(location, path_len, path, sizeof(path) - 1, &len,
		&encoded_slash) != NULL) {
		reply_bad_output(req, cgi->script.name, "its Location is no path");
		return false;
	}
	path[len] = '\0';
	if (!is_below(path, cgi->route)) {
		(void)poold_set_header(req, "Location", location);
		(void)poold_respond(req, 302, NULL, "", 0);
		return false;
	}
	strlcpy(cgi->redirect_url, cgi->path, sizeof(cgi->redirect_url));
	strlcpy(cgi->path, path, sizeof(cgi->path));
	query += *query == '?';
	strlcpy(cgi->query, query, sizeof(cgi->query));
	cgi->query[strcspn(cgi->query, "#")] = '\0';
	return true;
}

/* The body of the request as the first program gets it: a descriptor, or -1 to
 * read it from the client.  False: the request was answered. */
static bool
body_open(struct poold_request *req, struct call *call, int null_fd, int *body)
{
	int64_t length = poold_body_length(req);

	*body = -1;
	call->body_length = length;
	if (length == 0) {
		*body = null_fd;
		if (poold_header(req, "Content-Length") == NULL)
			call->body_length = -1;
	} else if (length == -1) {
		*body = spool_body(req, &call->body_length);
		if (*body == -1) {
			reply_body_failed(req, errno);
			return false;
		}
	}
	return true;
}

static void
answer(struct cgi *cgi, struct poold_request *req, int null_fd)
{
	struct call call = {
		.method = poold_method(req),
		.query = cgi->query,
		.document_root = cgi->site.document_root,
		.authorization = cgi->site.authorization,
	};
	int redirects = 0, body;

	if (!body_open(req, &call, null_fd, &body))
		return;
	while (run(cgi, req, &call, body) == EXCHANGE_REDIRECT) {
		if (redirects++ == REDIRECTS_MAX) {
			reply_bad_output(req, cgi->script.name,
			    "too many local redirects");
			break;
		}
		if (!redirect(cgi, req))
			break;
		/* what follows is a request of its own, without a body */
		if (strcmp(call.method, "HEAD") != 0)
			call.method = "GET";
		if (body != null_fd && body != -1)
			close(body);
		body = null_fd;
		call.body_length = -1;
		call.redirect_url = cgi->redirect_url;
	}
	if (body != null_fd && body != -1)
		close(body);
}

static void
handle(struct poold_request *req, void *arg)
{
	struct cgi *cgi = arg;
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	strlcpy(cgi->route, poold_route(req), sizeof(cgi->route));
	strlcpy(cgi->path, poold_path(req), sizeof(cgi->path));
	strlcpy(cgi->query, poold_query(req), sizeof(cgi->query));
	if (null_fd == -1) {
		reply_not_found(req, 503);
		return;
	}
	answer(cgi, req, null_fd);
	close(null_fd);
}

/* Links are not followed for good: the folder may be one to what is current. */
static char *
absolute(const char *path)
{
	char *cwd, *whole = NULL;

	if (*path == '/')
		return strdup(path);
	if ((cwd = getcwd(NULL, 0)) != NULL && asprintf(&whole, "%s/%s", cwd, path) == -1)
		whole = NULL;
	free(cwd);
	return whole;
}

/* Sets path, which must be a folder or, unless only_folder, a program. */
static int
path_set(char **path, bool *is_folder, const char *option, const char *value,
    bool only_folder)
{
	char *whole = absolute(value);
	struct stat st;

	if (whole == NULL || stat(whole, &st) == -1) {
		warn("%s %s", option, value);
		free(whole);
		return EX_NOINPUT;
	}
	*is_folder = S_ISDIR(st.st_mode);
	if (!*is_folder &&
	    (only_folder || !S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)) {
		warnx("%s %s: not a %s", option, value,
		    only_folder ? "folder" : "program or folder");
		free(whole);
		return EX_NOINPUT;
	}
	*path = whole;
	return EX_OK;
}

/* The default: the folder of the programs. */
static char *
folder_of(const struct site *site)
{
	const char *slash = strrchr(site->app, '/');

	if (site->is_folder)
		return strdup(site->app);
	return strndup(site->app, slash == site->app ? 1 : (size_t)(slash - site->app));
}

static int
options_read(int argc, char **argv, struct site *site)
{
	static const struct option options[] = {
		{ "app", required_argument, NULL, 'a' },
		{ "root", required_argument, NULL, 'r' },
		{ "document-root", required_argument, NULL, 'd' },
		{ "pass-authorization", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *app = NULL, *root = NULL, *documents = NULL;
	bool folder;
	int c, status = EX_OK;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			app = optarg;
			break;
		case 'r':
			root = optarg;
			break;
		case 'd':
			documents = optarg;
			break;
		case 'p':
			site->authorization = true;
			break;
		case 'h':
			usage(stdout);
			exit(EX_OK);
		default: /* getopt_long said what is wrong */
			return program_usage_error("bad options");
		}
	}
	if ((app == NULL) == (root == NULL))
		return program_usage_error("one of --app PATH and --root DIR is needed");
	if (app != NULL)
		status = path_set(&site->app, &site->is_folder, "--app", app, false);
	else
		status = path_set(&site->app, &site->is_folder, "--root", root, true);
	if (status == EX_OK && documents != NULL)
		status = path_set(&site->document_root, &folder, "--document-root",
		    documents, true);
	if (status == EX_OK && documents == NULL &&
	    (site->document_root = folder_of(site)) == NULL)
		return EX_OSERR;
	return status;
}

int
main(int argc, char **argv)
{
	struct cgi *cgi = calloc(1, sizeof(*cgi));
	int status;

	if (cgi == NULL)
		err(EX_OSERR, "out of memory");
	status = options_read(argc, argv, &cgi->site);
	if (status == EX_OK) {
		process_prepare();
		status = program_serve(argc, argv, handle, cgi);
	}
	variables_free(&cgi->variables);
	free(cgi->site.app);
	free(cgi->site.document_root);
	free(cgi);
	return status;
}
