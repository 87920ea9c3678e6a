/* SPDX-License-Identifier: ISC */
/* The variables of a CGI or FastCGI program (RFC 3875 section 4.1). */
#ifndef GATEWAY_VARIABLES_H
#define GATEWAY_VARIABLES_H

#include <poold.h>

#define VARIABLES_MAX 512 /* fields of a request and keys of a service are fewer */

/* What a program is asked, and how the request names it.  After a local redirect
 * that is not what the client asked. */
struct call {
	const char *method;
	const char *query;
	int64_t body_length;	   /* -1: there is none */
	const char *redirect_url;  /* path that redirected here; NULL: none */
	const char *script_name;   /* SCRIPT_NAME */
	const char *script_file;   /* SCRIPT_FILENAME, absolute */
	const char *path_info;	   /* PATH_INFO; "" if none */
	const char *document_root; /* absolute; for PATH_TRANSLATED */
	bool authorization;	   /* the field Authorization is passed on */
};

struct variable {
	size_t off; /* in text: "NAME=VALUE" and a NUL */
	size_t name_len, value_len;
};

/* Zeroed before its first use; the memory is used again for each request. */
struct variables {
	char *text;
	size_t len, size;
	struct variable list[VARIABLES_MAX];
	size_t count;
	bool failed; /* too many, too long, or no memory */
	char *environment[VARIABLES_MAX + 1];
};

void variables_clear(struct variables *variables);

/* Adds a few of our own (PATH and the like), and those that POOLD_ENV names,
 * which poold sets to the names of the service's env keys. */
void variables_add_process(struct variables *variables);

/* Adds those of the request, in the place of others of the same name. */
void variables_add_request(struct variables *variables, struct poold_request *req,
    const struct call *call);

/* Adds one, in the place of another of the same name. */
void variables_add(struct variables *variables, const char *name, const char *value);

/* All of them for execve(2); valid until the next change.  NULL: they failed. */
char **variables_environment(struct variables *variables);

void variables_free(struct variables *variables);

#endif
