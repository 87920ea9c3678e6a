/* SPDX-License-Identifier: ISC */
/*
 * A worker that shows its line to the supervisor (the service key control):
 * POST /send writes the body to it, /line reads one line from it, /ask does both.
 * GET /fd tells the number of its descriptor, 0 for none.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <poold.h>

#define BODY_MAX (64 * 1024)
#define WAIT_MS	 20000

static int line_fd = -1;

static void
send_body(struct poold_request *req)
{
	size_t len;
	const char *body = poold_body(req, BODY_MAX, &len);

	if (body != NULL && write(line_fd, body, len) != (ssize_t)len)
		poold_log(req, "line: %s", strerror(errno));
}

/* Byte by byte, so that nothing of the next line is taken. */
static void
answer_line(struct poold_request *req)
{
	struct pollfd pollfd = { .fd = line_fd, .events = POLLIN };
	char *text = NULL, byte = '\0';
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	while (byte != '\n' && poll(&pollfd, 1, WAIT_MS) == 1 &&
	    read(line_fd, &byte, 1) == 1)
		fputc(byte, out);
	fclose(out);
	if (byte == '\n')
		poold_respond(req, 200, "application/json", text, len);
	else
		poold_problem(req, 504, "no line");
	free(text);
}

static void
handle(struct poold_request *req, void *arg)
{
	const char *path = poold_path_info(req);
	char number[16];

	(void)arg;
	if (strcmp(path, "/fd") == 0) {
		snprintf(number, sizeof(number), "%d", line_fd == -1 ? 0 : line_fd);
		poold_respond(req, 200, "text/plain", number, strlen(number));
		return;
	}
	if (strcmp(path, "/line") != 0)
		send_body(req);
	if (strcmp(path, "/send") != 0)
		answer_line(req);
	else
		poold_respond(req, 204, NULL, NULL, 0);
}

int
main(int argc, char **argv)
{
	const char *number = getenv("POOLD_CONTROL_FD");

	if (number != NULL)
		line_fd = atoi(number);
	return poold_serve(argc, argv, handle, NULL);
}
