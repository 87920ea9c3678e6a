/* SPDX-License-Identifier: ISC */
/*
 * Large responses: ?bytes=N letters, as=whole (default), file, or stream; a
 * request without bytes gets the worker's pid.
 */
#include <poold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP 10000 /* bytes of one poold_write, and of one letter */

static char *letters; /* SIZE_MAX_BYTES of them */
static int file;
#define SIZE_MAX_BYTES (32 << 20)

static void
answer_pid(struct poold_request *req)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%d", (int)getpid());

	poold_respond(req, 200, "text/plain", text, (size_t)len);
}

static void
stream(struct poold_request *req, size_t len)
{
	poold_start(req, 200, "text/plain", -1);
	for (size_t at = 0; at < len; at += STEP)
		if (poold_write(req, letters + at, len - at < STEP ? len - at : STEP) ==
		    -1)
			return;
	poold_end(req);
}

static void
big(struct poold_request *req, void *arg)
{
	const char *bytes = poold_param(req, "bytes"), *as;
	size_t len;

	(void)arg;
	if (bytes == NULL) {
		answer_pid(req);
		return;
	}
	len = (size_t)strtoul(bytes, NULL, 10);
	if (len > SIZE_MAX_BYTES)
		len = SIZE_MAX_BYTES;
	as = poold_param(req, "as");
	if (as != NULL && strcmp(as, "file") == 0)
		poold_respond_file(req, 200, "text/plain", file, 0, len);
	else if (as != NULL && strcmp(as, "stream") == 0)
		stream(req, len);
	else
		poold_respond(req, 200, "text/plain", letters, len);
}

int
main(int argc, char **argv)
{
	file = memfd_create("letters", MFD_CLOEXEC);
	if (file == -1 || ftruncate(file, SIZE_MAX_BYTES) == -1)
		return 71;
	letters = mmap(NULL, SIZE_MAX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (letters == MAP_FAILED)
		return 71;
	for (size_t i = 0; i < SIZE_MAX_BYTES; i++)
		letters[i] = (char)('a' + i / STEP % 26);
	return poold_serve(argc, argv, big, NULL);
}
