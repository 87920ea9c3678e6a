/* SPDX-License-Identifier: ISC */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS     1000 /* between SIGTERM and SIGKILL */
#define NAP_MS	     5	  /* between two looks at who is left */
#define CHILDREN_MAX 256  /* looked at in one round; the next one sees the others */

void
process_prepare(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void
close_one(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* --- start ---------------------------------------------------------------- */

/* The program's signals are as every program expects them. */
static int
attributes_set(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	if ((error = posix_spawnattr_setsigmask(attr, &none)) != 0 ||
	    (error = posix_spawnattr_setsigdefault(attr, &all)) != 0)
		return error;
	return posix_spawnattr_setflags(attr,
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int
spawn(pid_t *pid, const struct script *script, char **envp, const int fds[3])
{
	char *argv[] = { (char *)(uintptr_t)script->file, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int error;

	if ((error = posix_spawn_file_actions_init(&actions)) != 0)
		return error;
	if ((error = posix_spawnattr_init(&attr)) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return error;
	}
	error = attributes_set(&attr);
	for (int i = 0; i < 3 && error == 0; i++)
		error = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	if (error == 0)
		error = posix_spawn_file_actions_addchdir_np(&actions, script->dir);
	if (error == 0)
		error = posix_spawn(pid, script->file, &actions, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* A pipe of which our end does not block; theirs is what programs expect. */
static int
pipe_open(int *ours, int *theirs, bool we_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		return errno;
	*ours = fds[we_write];
	*theirs = fds[!we_write];
	if (fcntl(*ours, F_SETFL, O_NONBLOCK) == -1)
		return errno;
	return 0;
}

int
process_start(struct process *process, const struct script *script, char **envp, int body)
{
	int theirs[3] = { -1, -1, -1 };
	int fds[3];
	int error = 0;

	*process =
	    (struct process){ .pid = -1, .pidfd = -1, .in = -1, .out = -1, .err = -1 };
	if (body == -1)
		error = pipe_open(&process->in, &theirs[0], true);
	if (error == 0)
		error = pipe_open(&process->out, &theirs[1], false);
	if (error == 0)
		error = pipe_open(&process->err, &theirs[2], false);
	fds[0] = body == -1 ? theirs[0] : body;
	fds[1] = theirs[1];
	fds[2] = theirs[2];
	if (error == 0)
		error = spawn(&process->pid, script, envp, fds);
	for (int i = 0; i < 3; i++)
		close_one(&theirs[i]);
	if (error == 0) {
		process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
		if (process->pidfd != -1)
			return 0;
		error = errno;
	} else {
		process->ended = true;
	}
	process_finish(process);
	return error;
}

/* --- end -------------------------------------------------------------------- */

static void
reaped(struct process *process, pid_t pid, int status)
{
	if (pid != process->pid)
		return;
	process->ended = true;
	process->status = status;
}

bool
process_wait(struct process *process, int timeout_ms)
{
	struct pollfd pfd = { .fd = process->pidfd, .events = POLLIN };
	int status;

	if (process->ended)
		return true;
	while (poll(&pfd, 1, timeout_ms) == -1)
		if (errno != EINTR)
			return false;
	if (waitpid(process->pid, &status, WNOHANG) == process->pid)
		reaped(process, process->pid, status);
	return process->ended;
}

/* Reaps whoever has ended; false: there are no children at all. */
static bool
reap(struct process *process)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reaped(process, pid, status);
	return pid == 0;
}

/* Our children in our process group, at most CHILDREN_MAX of them. */
static size_t
children_find(const struct process *process, pid_t *pids)
{
	FILE *in = fopen("/proc/thread-self/children", "re");
	size_t count = 0;
	pid_t group = getpgrp();
	int pid;

	if (in == NULL) { /* a chroot without /proc */
		if (!process->ended && process->pid > 0)
			pids[count++] = process->pid;
		return count;
	}
	while (count < CHILDREN_MAX && fscanf(in, "%d", &pid) == 1)
		if (getpgid(pid) == group)
			pids[count++] = pid;
	fclose(in);
	return count;
}

/* Who got SIGTERM already: a second one could disturb the clean-up after the
 * first. */
struct told {
	pid_t pids[CHILDREN_MAX];
	size_t count;
};

static bool
told_add(struct told *told, pid_t pid)
{
	for (size_t i = 0; i < told->count; i++)
		if (told->pids[i] == pid)
			return false;
	if (told->count < CHILDREN_MAX)
		told->pids[told->count++] = pid;
	return true;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A child that ends leaves its own children to us: hence the rounds. */
static void
children_end(struct process *process)
{
	int64_t deadline = now_ms() + GRACE_MS;
	struct told told = { .count = 0 };
	pid_t pids[CHILDREN_MAX];
	size_t count;
	bool hard;

	while (reap(process) && (count = children_find(process, pids)) > 0) {
		hard = now_ms() >= deadline;
		for (size_t i = 0; i < count; i++)
			if (hard)
				(void)kill(pids[i], SIGKILL);
			else if (told_add(&told, pids[i]))
				(void)kill(pids[i], SIGTERM);
		(void)poll(NULL, 0, NAP_MS);
	}
}

void
process_finish(struct process *process)
{
	close_one(&process->in);
	close_one(&process->out);
	close_one(&process->err);
	children_end(process);
	close_one(&process->pidfd);
}
