/* SPDX-License-Identifier: ISC */
/*
 * A folder of scripts and of files beside them, and what of it a request names.
 *
 * A script runs only when its very name ends in one of the extensions and it is a
 * regular file in the folder: /upload/evil.jpg/x.php is no script.  Nothing whose
 * name looks like a script's is ever sent as a file.
 */
#ifndef FASTCGI_DOCROOT_H
#define FASTCGI_DOCROOT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#define DOCROOT_PATH_SIZE (2 * 8192) /* a path of a URL with its NUL */
#define DOCROOT_LIST_MAX  16

struct docroot {
	/* as the command line says it */
	const char *root;			  /* absolute */
	const char *front;			  /* script for the rest; NULL: none */
	const char *index[DOCROOT_LIST_MAX];	  /* NULL behind the last */
	const char *extensions[DOCROOT_LIST_MAX]; /* with their dot; the same */
	bool files;				  /* are sent too */
	bool follow_links; /* also to what lies outside of the folder */
	/* its own */
	int fd; /* of the folder; -1: not opened yet */
	struct stat st;
	char real[PATH_MAX]; /* its path without links */
};

enum docroot_kind {
	DOCROOT_SCRIPT,
	DOCROOT_FILE,	/* fd and st: open for reading, the caller closes it */
	DOCROOT_FOLDER, /* lacks the slash at its end */
	DOCROOT_NONE,	/* status: 403, 404 or 503 */
};

/* Large: made once. */
struct docroot_target {
	int status;
	int fd;
	struct stat st;
	char file[PATH_MAX];		   /* absolute */
	char name[DOCROOT_PATH_SIZE];	   /* SCRIPT_NAME */
	char path_info[DOCROOT_PATH_SIZE]; /* PATH_INFO; "" if none */
};

/*
 * Opens the folder; it is looked at again with each request, and opened anew when
 * another one has taken its place, as deploys do with links.  Returns 0 or an
 * errno.
 */
int docroot_refresh(struct docroot *docroot);
void docroot_close(struct docroot *docroot);

/* What path, which follows route in a canonical path, names. */
enum docroot_kind docroot_find(struct docroot *docroot, const char *route,
    const char *path, struct docroot_target *target);

#endif
