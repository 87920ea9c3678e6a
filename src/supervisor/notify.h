/* SPDX-License-Identifier: ISC */
/*
 * The socket behind NOTIFY_SOCKET of all workers: sd_notify(3) messages,
 * attributed to a worker by the pid that the kernel names (SO_PASSCRED).
 */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include "common/loop.h"

struct supervisor;

struct notify {
	struct loop_io io;
	char path[64]; /* "@poold-...": abstract, so no file is left behind and
			* a chroot does not matter */
};

/* Opens the socket, unless an earlier version of poold left it.  Returns 0, or -1
 * with errno. */
int notify_open(struct supervisor *supervisor);
/* Reads what has come by now. */
void notify_read(struct supervisor *supervisor);
void notify_close(struct supervisor *supervisor);

#endif
