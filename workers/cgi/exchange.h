/* SPDX-License-Identifier: ISC */
/*
 * One run of a CGI program: the request's body goes in, the response comes out,
 * and what it says on stderr goes to the log, all as it comes.
 */
#ifndef CGI_EXCHANGE_H
#define CGI_EXCHANGE_H

#include <poold.h>

#include "output.h"
#include "process.h"
#include "site.h"

#define IN_SIZE	 (64 * 1024)
#define OUT_SIZE (OUTPUT_HEAD_MAX + 64 * 1024)
#define ERR_SIZE 1024	     /* of a line; longer ones are cut in two */
#define ERR_MAX	 (64 * 1024) /* logged of one run */

enum exchange_state {
	EXCHANGE_HEAD,	 /* the head is not complete */
	EXCHANGE_HELD,	 /* it is; the body is collected for a moment */
	EXCHANGE_STREAM, /* the response has begun */
	EXCHANGE_OVER,	 /* nothing more of the program is wanted */
};

enum exchange_result {
	EXCHANGE_DONE,	   /* answered, or not to be answered any more */
	EXCHANGE_REDIRECT, /* a local redirect: location */
};

/* Large: made once, and used again for each run. */
struct exchange {
	struct poold_request *req;
	const struct script *script;
	struct process process;
	enum exchange_state state;
	enum exchange_result result;
	bool failed;	    /* the response must not look complete */
	int64_t held_until; /* ms; EXCHANGE_HELD */

	char in[IN_SIZE]; /* of the body, on its way to the program */
	size_t in_pos, in_len;

	char out[OUT_SIZE + 1]; /* of its output: head, then body */
	size_t out_len, head_len;
	bool out_ended;
	int64_t rest;	 /* bytes still to read after its end; -1: it runs */
	int64_t to_send; /* of a Content-Length that it gave; -1: none */
	struct output_head head;

	char err[ERR_SIZE + 1];
	size_t err_len, err_total;

	char location[OUTPUT_HEAD_MAX]; /* of a local redirect */
};

/*
 * Runs script with envp and answers req with what it writes.  body: a file with
 * the request's body, which the caller closes; -1: it is read from the client, if
 * there is one.  Logs what goes wrong, and answers that with 502 where it still
 * can.  When this returns the program has ended, and so has all that it left in
 * its process group.
 */
enum exchange_result exchange_run(struct exchange *x, struct poold_request *req,
    const struct script *script, char **envp, int body);

#endif
