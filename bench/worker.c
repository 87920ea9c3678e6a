/* SPDX-License-Identifier: ISC */
/*
 * The worker that bench/run measures behind every server: /64, /16k and /1m
 * are answered with that many prepared bytes, a POST with 64 bytes once its
 * body was read.
 */
#include <poold.h>
#include <string.h>

#define BODY_MAX (1024 * 1024)

static const struct {
	const char *path;
	size_t size;
} answers[] = {
	{ "/64", 64 },
	{ "/16k", 16 * 1024 },
	{ "/1m", 1024 * 1024 },
};

static char bytes[1024 * 1024];

static void
answer(struct poold_request *req, void *arg)
{
	const char *path = poold_path(req);
	size_t i, len;

	(void)arg;
	if (poold_body_length(req) != 0 && poold_body(req, BODY_MAX, &len) == NULL) {
		poold_problem(req, 400, "the body cannot be read");
		return;
	}
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (strcmp(path, answers[i].path) == 0) {
			poold_respond(req, 200, "text/plain", bytes, answers[i].size);
			return;
		}
	poold_problem(req, 404, "there is no %s", path);
}

int
main(int argc, char **argv)
{
	memset(bytes, 'x', sizeof(bytes));
	return poold_serve(argc, argv, answer, NULL);
}
