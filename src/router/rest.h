/* SPDX-License-Identifier: ISC */
/*
 * Sending the rest of a response that a worker left in its memfd (fd 7 of the
 * lease contract) to a slow client.
 *
 * It is read and sent, not sendfile(2)d: that call knows no MSG_DONTWAIT, and a
 * worker that kept a copy of the socket could make it block us.
 */
#ifndef ROUTER_REST_H
#define ROUTER_REST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct lease_worker;

/* A worker's memfd.  It outlives the worker as long as a connection sends from
 * it. */
struct rest_file {
	int fd;
	uint64_t size;
	uint32_t refs;
	struct lease_worker *worker; /* to be told what is free; NULL: it is gone */
};

/* fd is the file's from now on.  Returns NULL when it is no such file (fd is
 * closed). */
struct rest_file *rest_file_new(int fd, struct lease_worker *worker);
void rest_file_release(struct rest_file *file); /* NULL is fine */
/* Its worker is gone: releases the worker's hold. */
void rest_file_orphan(struct rest_file *file);

/* What a connection still has to send. */
struct rest {
	struct rest_file *file; /* NULL: nothing */
	uint64_t off;
	uint64_t left;
};

/* Whether [off, off + len) can be a rest of file: the worker named it. */
bool rest_is_valid(const struct rest_file *file, uint64_t off, uint64_t len);
void rest_begin(struct rest *rest, struct rest_file *file, uint64_t off, uint64_t len);
/* Gives the space and the file back, whether all was sent or not. */
void rest_end(struct rest *rest);

enum rest_result { REST_DONE, REST_MORE, REST_FAILED };
/* Sends what the socket takes, in bounded portions. */
enum rest_result rest_send(struct rest *rest, int fd);

#endif
