/* SPDX-License-Identifier: ISC */
/*
 * poold-fastcgi: answers requests through a FastCGI application of its own.  With
 * --php that is php-cgi, and the request's path names a script.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#include "../common/answer.h"
#include "../common/program.h"
#include "../files/content.h"
#include "../gateway/reply.h"
#include "../gateway/spool.h"
#include "docroot.h"
#include "responder.h"

#define ARGUMENTS_MAX 256

/* All that a worker has: it answers one request at a time. */
struct fastcgi {
	bool php;
	const char *document_root; /* of an application that is not PHP */
	struct docroot docroot;
	struct docroot_target target;
	struct responder responder;
	struct variables environment;
	char *arguments[ARGUMENTS_MAX + 2];
	size_t argument_count;
	char *owned[DOCROOT_LIST_MAX + 8]; /* strings to be freed at the end */
	size_t owned_count;
};

/* The values of the options that are looked at when all are known. */
struct options {
	const char *app, *php, *root, *front, *interpreter;
	size_t index_count, extension_count;
};

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: poold-fastcgi --app PROGRAM | --php PATH [OPTIONS] [PORT | "
	    "ADDRESS:PORT | unix:PATH]\n"
	    "  --app PROGRAM         a FastCGI application, which accepts from its "
	    "descriptor 0\n"
	    "  --argument TEXT       an argument of it (repeatable)\n"
	    "  --document-root DIR   for PATH_TRANSLATED; default: its folder\n"
	    "  --php PATH            a folder of PHP scripts, or the front controller "
	    "of one\n"
	    "  --root DIR            the folder, if the front controller lies elsewhere\n"
	    "  --index NAME          the script of a folder (repeatable; index.php, "
	    "index.html)\n"
	    "  --front-controller F  the script that answers for what is not there\n"
	    "  --extension NAME      of scripts (repeatable; php)\n"
	    "  --only-scripts        send no other file\n"
	    "  --follow-links        also links that leave the folder\n"
	    "  --interpreter PROGRAM instead of php-cgi\n"
	    "  --php-ini FILE        instead of PHP's own\n"
	    "  --php-option NAME=VALUE  a setting of PHP (repeatable)\n"
	    "The address is needed only without poold: see poold-fastcgi(8).\n");
}

/* --- a request ---------------------------------------------------------------- */

/* The body's length, and a descriptor if it had to be put aside: FastCGI has no
 * way to say that it is not known, and PHP would take it for none.  False: the
 * request was answered. */
static bool
body_open(struct poold_request *req, struct call *call, int *body)
{
	*body = -1;
	call->body_length = poold_body_length(req);
	if (call->body_length == -1) {
		*body = spool_body(req, &call->body_length);
		if (*body == -1) {
			reply_body_failed(req, errno);
			return false;
		}
	} else if (call->body_length == 0 && poold_header(req, "Content-Length") == NULL)
		call->body_length = -1;
	return true;
}

static void
ask(struct fastcgi *fastcgi, struct poold_request *req, struct call *call)
{
	int body;

	call->method = poold_method(req);
	call->query = poold_query(req);
	call->authorization = true;
	if (!body_open(req, call, &body))
		return;
	responder_run(&fastcgi->responder, req, call, body);
	if (body != -1)
		close(body);
}

static void
ask_script(struct fastcgi *fastcgi, struct poold_request *req)
{
	struct call call = {
		.script_name = fastcgi->target.name,
		.script_file = fastcgi->target.file,
		.path_info = fastcgi->target.path_info,
		.document_root = fastcgi->docroot.real,
	};

	ask(fastcgi, req, &call);
}

static void
answer_file(struct fastcgi *fastcgi, struct poold_request *req)
{
	(void)poold_set_header(req, "X-Content-Type-Options", "nosniff");
	if (!answer_method(req, NULL))
		content_answer(req, fastcgi->target.fd, &fastcgi->target.st,
		    fastcgi->target.file);
	close(fastcgi->target.fd);
}

static void
handle_php(struct poold_request *req, void *arg)
{
	struct fastcgi *fastcgi = arg;

	switch (docroot_find(&fastcgi->docroot, poold_route(req), poold_path_info(req),
	    &fastcgi->target)) {
	case DOCROOT_SCRIPT:
		ask_script(fastcgi, req);
		break;
	case DOCROOT_FILE:
		answer_file(fastcgi, req);
		break;
	case DOCROOT_FOLDER:
		content_redirect(req);
		break;
	case DOCROOT_NONE:
		reply_not_found(req, fastcgi->target.status);
	}
}

static void
handle_app(struct poold_request *req, void *arg)
{
	struct fastcgi *fastcgi = arg;
	struct call call = {
		.script_name = poold_route(req),
		.script_file = fastcgi->arguments[0],
		.path_info = poold_path_info(req),
		.document_root = fastcgi->document_root,
	};

	ask(fastcgi, req, &call);
}

/* --- the command line ------------------------------------------------------------- */

/* Keeps an allocated string, which may be NULL, for as long as the worker lives. */
static const char *
own(struct fastcgi *fastcgi, char *text)
{
	if (fastcgi->owned_count == sizeof(fastcgi->owned) / sizeof(fastcgi->owned[0])) {
		free(text);
		return NULL;
	}
	return fastcgi->owned[fastcgi->owned_count++] = text;
}

/* Links are not followed for good: the folder may be one to what is current. */
static const char *
absolute(struct fastcgi *fastcgi, const char *path)
{
	char *cwd, *whole = NULL;

	if (*path == '/')
		return path;
	if ((cwd = getcwd(NULL, 0)) != NULL && asprintf(&whole, "%s/%s", cwd, path) == -1)
		whole = NULL;
	free(cwd);
	return own(fastcgi, whole);
}

static bool
argument_add(struct fastcgi *fastcgi, const char *text)
{
	if (fastcgi->argument_count == ARGUMENTS_MAX)
		return false;
	fastcgi->arguments[fastcgi->argument_count++] = (char *)(uintptr_t)text;
	return true;
}

static bool
list_add(const char **list, size_t *count, const char *text)
{
	if (*count == DOCROOT_LIST_MAX - 1)
		return false;
	list[(*count)++] = text;
	return true;
}

/* An extension with its dot, whichever way it is written. */
static const char *
extension(struct fastcgi *fastcgi, const char *text)
{
	char *dotted = NULL;

	if (*text == '.')
		return text;
	return own(fastcgi, asprintf(&dotted, ".%s", text) == -1 ? NULL : dotted);
}

static int
not_found(const char *option, const char *value)
{
	warn("%s %s", option, value);
	return EX_NOINPUT;
}

/* The folder of a file, which is an absolute path. */
static const char *
folder_of(struct fastcgi *fastcgi, const char *file)
{
	const char *slash = strrchr(file, '/');

	return own(fastcgi, strndup(file, slash == file ? 1 : (size_t)(slash - file)));
}

/* A script named by a path, or below the root. */
static int
front_set(struct fastcgi *fastcgi, const char *name)
{
	struct docroot *docroot = &fastcgi->docroot;
	const char *front = name;
	char *below = NULL;
	struct stat st;

	if (*name != '/')
		front = own(fastcgi,
		    asprintf(&below, "%s/%s", docroot->root, name) == -1 ? NULL : below);
	if (front == NULL)
		return EX_OSERR;
	if (stat(front, &st) == -1)
		return not_found("--front-controller", front);
	if (!S_ISREG(st.st_mode)) {
		warnx("--front-controller %s: not a file", front);
		return EX_NOINPUT;
	}
	docroot->front = front;
	return EX_OK;
}

/* --php is the root, or the front controller in it. */
static int
php_set(struct fastcgi *fastcgi, const struct options *o)
{
	struct docroot *docroot = &fastcgi->docroot;
	const char *path = absolute(fastcgi, o->php);
	int status = EX_OK, error;
	struct stat st;

	if (path == NULL || stat(path, &st) == -1)
		return not_found("--php", o->php);
	if (o->root != NULL)
		docroot->root = absolute(fastcgi, o->root);
	else
		docroot->root = S_ISDIR(st.st_mode) ? path : folder_of(fastcgi, path);
	if (docroot->root == NULL)
		return EX_OSERR;
	if (!S_ISDIR(st.st_mode))
		status = front_set(fastcgi, path);
	if (status == EX_OK && o->front != NULL)
		status = front_set(fastcgi, o->front);
	if (status == EX_OK && (error = docroot_refresh(docroot)) != 0) {
		warnc(error, "--root %s", docroot->root);
		return EX_NOINPUT;
	}
	if (o->index_count == 0) {
		docroot->index[0] = "index.php";
		docroot->index[1] = "index.html";
	}
	if (o->extension_count == 0)
		docroot->extensions[0] = ".php";
	fastcgi->arguments[0] = (char *)(uintptr_t)(o->interpreter != NULL ?
		o->interpreter :
		"php-cgi");
	return status;
}

static int
app_set(struct fastcgi *fastcgi, const struct options *o)
{
	const char *path = absolute(fastcgi, o->app);
	struct stat st;

	if (path == NULL || stat(path, &st) == -1)
		return not_found("--app", o->app);
	fastcgi->arguments[0] = (char *)(uintptr_t)path;
	if (fastcgi->document_root == NULL)
		fastcgi->document_root = folder_of(fastcgi, path);
	return fastcgi->document_root != NULL ? EX_OK : EX_OSERR;
}

enum { OPT_INDEX = 256, OPT_EXTENSION, OPT_ONLY_SCRIPTS, OPT_FOLLOW_LINKS };

/* Takes one option.  False: too many of them. */
static bool
option_take(struct fastcgi *fastcgi, struct options *o, int c)
{
	struct docroot *docroot = &fastcgi->docroot;

	switch (c) {
	case 'a':
		o->app = optarg;
		break;
	case 'g':
		return argument_add(fastcgi, optarg);
	case 'd':
		fastcgi->document_root = optarg;
		break;
	case 'p':
		o->php = optarg;
		break;
	case 'r':
		o->root = optarg;
		break;
	case 'f':
		o->front = optarg;
		break;
	case 'i':
		o->interpreter = optarg;
		break;
	case 'c':
		return argument_add(fastcgi, "-c") && argument_add(fastcgi, optarg);
	case 'o':
		return argument_add(fastcgi, "-d") && argument_add(fastcgi, optarg);
	case OPT_INDEX:
		return list_add(docroot->index, &o->index_count, optarg);
	case OPT_EXTENSION:
		return list_add(docroot->extensions, &o->extension_count,
		    extension(fastcgi, optarg));
	case OPT_ONLY_SCRIPTS:
		docroot->files = false;
		break;
	case OPT_FOLLOW_LINKS:
		docroot->follow_links = true;
		break;
	}
	return true;
}

static int
options_read(int argc, char **argv, struct fastcgi *fastcgi)
{
	static const struct option options[] = {
		{ "app", required_argument, NULL, 'a' },
		{ "argument", required_argument, NULL, 'g' },
		{ "document-root", required_argument, NULL, 'd' },
		{ "php", required_argument, NULL, 'p' },
		{ "root", required_argument, NULL, 'r' },
		{ "index", required_argument, NULL, OPT_INDEX },
		{ "front-controller", required_argument, NULL, 'f' },
		{ "extension", required_argument, NULL, OPT_EXTENSION },
		{ "only-scripts", no_argument, NULL, OPT_ONLY_SCRIPTS },
		{ "follow-links", no_argument, NULL, OPT_FOLLOW_LINKS },
		{ "interpreter", required_argument, NULL, 'i' },
		{ "php-ini", required_argument, NULL, 'c' },
		{ "php-option", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .app = NULL };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			exit(EX_OK);
		}
		if (c == '?') /* getopt_long said what is wrong */
			return program_usage_error("bad options");
		if (!option_take(fastcgi, &o, c))
			return program_usage_error("too many options");
	}
	if ((o.app == NULL) == (o.php == NULL))
		return program_usage_error("one of --app PROGRAM and --php PATH is "
					   "needed");
	fastcgi->php = o.php != NULL;
	return fastcgi->php ? php_set(fastcgi, &o) : app_set(fastcgi, &o);
}

/* --- the application -------------------------------------------------------------- */

/* Its environment is as a CGI program's.  We are its process manager: it is to
 * have no children, and to live as long as we do, unless the service says else. */
static int
environment_make(struct fastcgi *fastcgi)
{
	struct variables *v = &fastcgi->environment;

	variables_add(v, "PHP_FCGI_MAX_REQUESTS", "0");
	variables_add_process(v);
	variables_add(v, "PHP_FCGI_CHILDREN", "0");
	fastcgi->responder.app.envp = variables_environment(v);
	return fastcgi->responder.app.envp != NULL ? EX_OK : EX_OSERR;
}

static int
application_begin(struct fastcgi *fastcgi)
{
	struct application *app = &fastcgi->responder.app;
	const char *what;
	int error;

	app->argv = fastcgi->arguments;
	if ((error = application_open(app, &what)) != 0) {
		warnc(error, "cannot make %s", what);
		return EX_OSERR;
	}
	if (environment_make(fastcgi) != EX_OK)
		return EX_OSERR;
	return application_start(app) == 0 ? EX_OK : EX_UNAVAILABLE;
}

int
main(int argc, char **argv)
{
	struct fastcgi *fastcgi = calloc(1, sizeof(*fastcgi));
	int status;

	if (fastcgi == NULL)
		err(EX_OSERR, "out of memory");
	fastcgi->argument_count = 1; /* the first is the program */
	fastcgi->docroot.fd = -1;
	fastcgi->docroot.files = true;
	status = options_read(argc, argv, fastcgi);
	if (status == EX_OK) {
		status = application_begin(fastcgi);
		if (status == EX_OK)
			status = program_serve(argc, argv,
			    fastcgi->php ? handle_php : handle_app, fastcgi);
		application_stop(&fastcgi->responder.app);
		application_close(&fastcgi->responder.app);
	}
	docroot_close(&fastcgi->docroot);
	responder_free(&fastcgi->responder);
	variables_free(&fastcgi->environment);
	for (size_t i = 0; i < fastcgi->owned_count; i++)
		free(fastcgi->owned[i]);
	free(fastcgi);
	return status;
}
