/* SPDX-License-Identifier: ISC */
/* A worker that never gets ready. */
#include <unistd.h>

int
main(void)
{
	for (;;)
		pause();
}
