/* SPDX-License-Identifier: ISC */
/*
 * What this program and poold-node.js tell each other, both ways: frames of 32-bit
 * words in the machine's order, with bytes behind them, filled up to whole words of
 * 64 bits.  poold-node.js has the same places by number.
 */
#ifndef NODE_FRAMES_H
#define NODE_FRAMES_H

#include <assert.h>
#include <stdint.h>

#define FRAME_ALIGN(len) (((len) + 7) & ~(size_t)7)

/* To Node, a stream.  A 64-bit number is its low half and its high half. */
enum request_type {
	REQUEST_WHOLE = 1, /* a request, with all of its body */
	REQUEST_GONE = 2,  /* the client of one has left */
};

enum request_flag {
	REQUEST_KEEP = 1 << 0,	/* its connection may be kept */
	REQUEST_RESET = 1 << 1, /* GONE: nothing can be sent to it either */
};

/* Behind it: the client's address and ours as text, the head, the body. */
struct frame_request {
	uint32_t len;	    /* of the whole frame */
	uint32_t type;	    /* enum request_type */
	uint32_t id[2];	    /* of the lease */
	uint32_t cookie[2]; /* of the connection: never used twice.  0: not known */
	uint32_t flags;	    /* enum request_flag */
	uint32_t head_len, body_len;
	uint32_t client_len, client_port;
	uint32_t local_len, local_port;
	uint32_t answer[2]; /* see poold_answer_fd.  0: there is none */
	uint32_t reserved;
};

/* From Node: messages of one frame or several. */
enum result_type {
	RESULT_LISTENS = 1, /* the application does */
	RESULT_CLOSED,	    /* it has closed its server */
	RESULT_WORDS,	    /* behind it: why it cannot start */
	RESULT_RESPONSE,    /* behind it: a whole response, to be sent */
	RESULT_DONE,	    /* Node has sent the response by itself */
	RESULT_LEND,	    /* it wants the client's socket, to do so */
	RESULT_DETACHED,    /* the connection is no longer a lease's */
	RESULT_ALIVE,	    /* WATCHDOG=1 */
};

struct frame_result {
	uint32_t len;  /* of the whole frame */
	uint32_t type; /* enum result_type */
	uint32_t id[2];
	uint32_t status;   /* of the response */
	uint32_t keep;	   /* 1: the connection may be */
	uint32_t bytes[2]; /* behind it, or of what Node has sent */
};

#define RESULTS_MAX 65536 /* bytes of a message */

static_assert(sizeof(struct frame_request) == 64, "poold-node.js knows the places");
static_assert(sizeof(struct frame_result) == 32, "poold-node.js knows the places");

static inline uint64_t
frame_number(const uint32_t halves[2])
{
	return (uint64_t)halves[1] << 32 | halves[0];
}

static inline void
frame_number_set(uint32_t halves[2], uint64_t number)
{
	halves[0] = (uint32_t)number;
	halves[1] = (uint32_t)(number >> 32);
}

#endif
