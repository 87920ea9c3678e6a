/* SPDX-License-Identifier: ISC */
/*
 * One run of a CGI program: the request's body goes in, the response comes out,
 * and what it says on stderr goes to the log, all as it comes.
 */
#ifndef CGI_EXCHANGE_H
#define CGI_EXCHANGE_H

#include <poold.h>

#include "../gateway/errors.h"
#include "../gateway/relay.h"
#include "process.h"
#include "site.h"

#define IN_SIZE	 (64 * 1024)
#define OUT_SIZE (64 * 1024)

enum exchange_result {
	EXCHANGE_DONE,	   /* answered, or not to be answered any more */
	EXCHANGE_REDIRECT, /* a local redirect: relay.location */
};

/* Large: made once, and used again for each run. */
struct exchange {
	struct poold_request *req;
	const struct script *script;
	struct process process;
	struct relay relay;
	struct errors errors;

	char in[IN_SIZE]; /* of the body, on its way to the program */
	size_t in_pos, in_len;

	char out[OUT_SIZE]; /* of its output, on its way to the relay */
	bool out_ended;
	int64_t rest; /* bytes still to read after its end; -1: it runs */
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
