/* SPDX-License-Identifier: ISC */
/* The environment of a CGI program (RFC 3875 section 4.1). */
#ifndef CGI_VARIABLES_H
#define CGI_VARIABLES_H

#include <poold.h>

#include "site.h"

/* What a program is asked.  After a local redirect that is not what the client
 * asked. */
struct call {
	const char *method;
	const char *query;
	int64_t body_length;	  /* -1: there is none */
	const char *redirect_url; /* path that redirected here; NULL: none */
};

/*
 * The environment for a program: the variables of the request, a few of our own
 * (PATH and the like), and those that POOLD_ENV names, which poold sets to the
 * names of the service's env keys.  Freed with variables_free; NULL: no memory.
 */
char **variables_new(struct poold_request *req, const struct call *call,
    const struct site *site, const struct script *script);
void variables_free(char **list);

#endif
