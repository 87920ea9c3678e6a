/* SPDX-License-Identifier: ISC */
#include <poold.h>

static void
hello(struct poold_request *req, void *arg)
{
	(void)arg;
	poold_respond(req, 200, "application/json", "{\"hello\":\"world\"}", 17);
}

int
main(int argc, char **argv)
{
	return poold_serve(argc, argv, hello, NULL);
}
