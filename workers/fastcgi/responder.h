/* SPDX-License-Identifier: ISC */
/*
 * One request to the application: the body goes in, the response comes out, and
 * what it says on FCGI_STDERR goes to the log, all as it comes.
 */
#ifndef FASTCGI_RESPONDER_H
#define FASTCGI_RESPONDER_H

#include <poold.h>

#include "../gateway/errors.h"
#include "../gateway/relay.h"
#include "../gateway/variables.h"
#include "application.h"
#include "record.h"

#define RESPONDER_IN_SIZE (64 * 1024)

/* Why no more comes of the application. */
enum responder_end {
	RESPONDER_OPEN,
	RESPONDER_ENDED, /* by END_REQUEST */
	RESPONDER_LOST,	 /* its connection; error says how */
	RESPONDER_BAD,	 /* what it sends is not FastCGI */
	RESPONDER_LEFT,	 /* the client did, or nothing more is wanted */
};

/* Large: made once, and used again for each request. */
struct responder {
	struct application app;
	struct variables variables;
	struct relay relay;
	struct errors errors;

	struct poold_request *req;
	const char *name;
	enum responder_end end;
	int error; /* RESPONDER_LOST */
	uint32_t app_status;
	unsigned protocol_status;

	/* records on their way to the application */
	char *out;
	size_t out_pos, out_len, out_size;
	bool out_first; /* they begin with the request's first */
	bool in_over;	/* they end with the request's last */
	bool delivered; /* the application may have read some of them */
	int body_fd;	/* the body; -1: it comes from the client */
	int64_t body_left;

	struct record_reader reader; /* of the connection */
	bool surplus;		     /* there was something behind the end */
	char in[RESPONDER_IN_SIZE];
};

/*
 * Asks the application, and answers req with what it says.  body_fd: a file with
 * the body, at its start, which the caller closes; -1: it is read from the client,
 * if there is one.  Logs what goes wrong, and answers that with 502 where it still
 * can.  When this returns the application is ready for the next request, or
 * poold_stop was called.
 */
void responder_run(struct responder *responder, struct poold_request *req,
    const struct call *call, int body_fd);

void responder_free(struct responder *responder);

#endif
