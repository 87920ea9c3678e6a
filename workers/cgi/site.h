/* SPDX-License-Identifier: ISC */
/* What a poold-cgi serves, and the program that answers a request. */
#ifndef CGI_SITE_H
#define CGI_SITE_H

#include <limits.h>
#include <stdbool.h>

#define CGI_PATH_SIZE (2 * 8192) /* a path of a URL with its NUL */

/* As the command line says it. */
struct site {
	char *app;	     /* absolute: a program, or a folder of them */
	bool is_folder;	     /* app is */
	char *document_root; /* absolute; for PATH_TRANSLATED */
	bool authorization;  /* programs see the field Authorization */
};

/* A program, and how the request names it. */
struct script {
	char file[PATH_MAX];	       /* absolute */
	char dir[PATH_MAX];	       /* its folder */
	char name[CGI_PATH_SIZE];      /* SCRIPT_NAME */
	char path_info[CGI_PATH_SIZE]; /* PATH_INFO; "" if none */
	bool raw;		       /* its name begins with nph- */
};

/*
 * Finds the program for path, which follows route in a canonical path.  In a
 * folder it is the first part of the path that is a file; it must be executable
 * and lie in the folder, symbolic links included, and no part of its name may
 * begin with a dot.  Returns 0, or the status to answer with: 403 for what may
 * not be executed, 404, 503.
 */
int site_find(const struct site *site, const char *route, const char *path,
    struct script *script);

#endif
