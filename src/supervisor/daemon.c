/* SPDX-License-Identifier: ISC */
#include "supervisor/daemon.h"

#include <err.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"

static int ready_fd = -1;

void
daemon_begin(void)
{
	unsigned char status = EX_SOFTWARE;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1)
		err(EX_OSERR, "pipe");
	pid = fork();
	if (pid == -1)
		err(EX_OSERR, "fork");
	if (pid == 0) {
		close(ends[0]);
		ready_fd = ends[1];
		setsid();
		return;
	}
	close(ends[1]);
	/* no byte: the child died and said why */
	if (read(ends[0], &status, 1) != 1)
		status = EX_SOFTWARE;
	_exit(status);
}

void
daemon_ready(int status)
{
	unsigned char byte = (unsigned char)status;
	ssize_t n;
	int null;

	if (status == 0 && (null = open("/dev/null", O_RDWR)) != -1) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	n = write(ready_fd, &byte, 1);
	if (n != 1)
		log_warn("nobody waits for the start");
	close(ready_fd);
	ready_fd = -1;
}
