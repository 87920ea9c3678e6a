/* SPDX-License-Identifier: ISC */
/*
 * The template's side of poold-lease(7), TEMPLATES: loads once, forks a worker
 * for each FORK.
 *
 * Workers are the supervisor's children and not the template's (CLONE_PARENT),
 * which fork(3) cannot do.  What fork(3) does besides is done here: the C
 * library's notes of the thread's id and robust mutexes are made right.  What
 * libraries have registered with pthread_atfork(3) is not called; it is there for
 * other threads, and there are none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/msg.h"
#include "libpoold/internal.h"

/* Numbers that no descriptor of a worker has. */
#define ABOVE (LEASE_FD_FIRST + LEASE_FD_COUNT)

static const struct poold_fork no_hooks;

struct template
{
	const struct poold_fork *hooks;
	int channel;
	pid_t parent; /* the supervisor */
	struct msg_received fds;
	struct lease_fork fork; /* that is being answered, and its environment: */
	char env[LEASE_FORK_MAX];
};

static int
complain(const char *what)
{
	poold_log(NULL, "preload: %s", what);
	poold_status("%s", what);
	return EX_OSERR;
}

/* --- threads ------------------------------------------------------------- */

/* 0: it cannot be told. */
static unsigned
threads_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* A fork of the usual kind: libraries that know how to do without their threads
 * for it (pthread_atfork(3)) end them, and begin them anew when they are used. */
static void
threads_settle(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
}

/* A worker would have this thread alone, and whatever the others had locked
 * would stay so. */
static int
threads_check(void)
{
	unsigned count = threads_count();
	char what[160];

	if (count <= 1)
		return 0;
	threads_settle();
	count = threads_count();
	if (count <= 1)
		return 0;
	snprintf(what, sizeof(what),
	    "it has %u threads when everything is loaded, which workers that are "
	    "forked from it would be without; set preload = no",
	    count);
	complain(what);
	return EX_CONFIG;
}

/* --- in the worker ------------------------------------------------------- */

/* The unused ones of those that the template was given. */
static void
placeholder_close(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
		close(fd);
}

/* The first one is for output, the others become 3, 4 ...; first all move out of
 * the way of each other's numbers. */
static int
fds_place(struct msg_received *received)
{
	int count = received->fd_count - 1;

	for (int i = 0; i <= count; i++) {
		int fd = fcntl(received->fds[i], F_DUPFD_CLOEXEC, ABOVE);

		if (fd == -1)
			return -1;
		close(received->fds[i]);
		received->fds[i] = fd;
	}
	if (dup2(received->fds[0], STDOUT_FILENO) == -1 ||
	    dup2(received->fds[0], STDERR_FILENO) == -1)
		return -1;
	for (int i = 0; i < count; i++)
		if (dup2(received->fds[1 + i], LEASE_FD_FIRST + i) == -1)
			return -1;
	for (int i = 0; i <= count; i++)
		close(received->fds[i]);
	for (int i = count; i < LEASE_FD_COUNT; i++)
		placeholder_close(LEASE_FD_FIRST + i);
	return 0;
}

static int
environment_set(const char *text, size_t len)
{
	for (const char *end = text + len; text < end; text += strlen(text) + 1) {
		const char *equals = strchr(text, '=');
		char *name;
		int bad;

		if (equals == NULL || equals == text)
			continue;
		name = strndup(text, (size_t)(equals - text));
		bad = name == NULL || setenv(name, equals + 1, 1) == -1;
		free(name);
		if (bad)
			return -1;
	}
	return unsetenv("POOLD_TEMPLATE");
}

/* Whether the supervisor still has the other end of the worker's descriptor 4: it
 * does not if the template was ended before it could say who was forked. */
static bool
is_wanted(void)
{
	char byte;

	return recv(LEASE_FD_CONTROL, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

/* Nothing else of the C library comes before. */
static void
thread_fix(void *robust, size_t robust_len)
{
	if (robust != NULL)
		(void)syscall(SYS_set_robust_list, robust, robust_len);
}

static int
worker_begin(struct template *t)
{
	/* before anything that takes time */
	if (prctl(PR_SET_PDEATHSIG, (unsigned long)t->fork.death_signal) == -1 ||
	    getppid() != t->parent)
		return complain("the supervisor is gone");
	if (setsid() == -1)
		return complain("a session of its own cannot be had");
	close(t->channel);
	if (fds_place(&t->fds) == -1 || environment_set(t->env, t->fork.env_len) == -1)
		return complain(strerror(errno));
	if (!is_wanted())
		return EX_UNAVAILABLE;
	if (t->hooks->child != NULL)
		t->hooks->child(t->hooks->arg);
	return 0;
}

/* --- in the template ----------------------------------------------------- */

/*
 * A child of our parent.  With the address of the C library's own note of the
 * thread's id, which the kernel fills in; where it cannot be had the note is that
 * of the template, which matters to mutexes between processes alone.
 */
static pid_t
clone_sibling(void)
{
	uint64_t *tid = NULL;
	struct clone_args args = { .flags = CLONE_PARENT };
	unsigned long flags = CLONE_PARENT;
	pid_t pid;

	if (prctl(PR_GET_TID_ADDRESS, &tid) == 0 && tid != NULL) {
		args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		args.child_tid = (uint64_t)(uintptr_t)tid;
		flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid != -1 || (errno != ENOSYS && errno != EPERM))
		return pid;
	/* The address is the fourth argument or the fifth, as machines differ. */
	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, tid, tid);
}

/* Answers a FORK.  0 in the worker; its pid, or -1 with errno, in the template. */
static pid_t
worker_fork(const struct template *t)
{
	sigset_t all, before;
	void *robust = NULL;
	size_t robust_len = 0;
	pid_t pid;
	int error;

	if (syscall(SYS_get_robust_list, 0, &robust, &robust_len) == -1)
		robust = NULL;
	if (t->hooks->before != NULL)
		t->hooks->before(t->hooks->arg);
	fflush(NULL); /* or it would be written by both */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = clone_sibling();
	error = errno;
	if (pid == 0)
		thread_fix(robust, robust_len);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid != 0 && t->hooks->parent != NULL)
		t->hooks->parent(t->hooks->arg);
	errno = error;
	return pid;
}

static void
fds_close(struct msg_received *received)
{
	for (int i = 0; i < received->fd_count; i++)
		close(received->fds[i]);
	received->fd_count = 0;
}

/* Receives the next FORK.  1: t has it; 0: the end; -1: not understood. */
static int
fork_receive(struct template *t)
{
	char buf[LEASE_FORK_MAX];
	ssize_t n = msg_recv(t->channel, buf, sizeof(buf), 0, &t->fds);

	if (n <= 0)
		return 0;
	memcpy(&t->fork, buf, (size_t)n < sizeof(t->fork) ? (size_t)n : sizeof(t->fork));
	if ((size_t)n >= sizeof(t->fork) && !t->fds.truncated &&
	    t->fork.type == LEASE_FORK && t->fork.header_len >= sizeof(t->fork) &&
	    t->fork.header_len + (uint64_t)t->fork.env_len == (uint64_t)n &&
	    (t->fork.env_len == 0 || buf[n - 1] == '\0') && t->fds.fd_count > 1 &&
	    t->fds.fd_count <= 1 + LEASE_FD_COUNT) {
		memcpy(t->env, buf + t->fork.header_len, t->fork.env_len);
		return 1;
	}
	fds_close(&t->fds);
	return -1;
}

/* Returns true in a worker. */
static bool
template_loop(struct template *t, int *status)
{
	struct lease_forked forked;
	pid_t pid;
	int got;

	while ((got = fork_receive(t)) != 0) {
		if (got == -1) {
			*status = complain("a message was not understood");
			return false;
		}
		if ((pid = worker_fork(t)) == 0) {
			*status = worker_begin(t);
			return *status == 0;
		}
		forked = (struct lease_forked){ .type = LEASE_FORKED,
			.error = pid == -1 ? (uint16_t)errno : 0,
			.serial = t->fork.serial,
			.pid = pid == -1 ? 0 : (uint32_t)pid };
		fds_close(&t->fds);
		if (msg_send(t->channel, &forked, sizeof(forked), 0) == -1)
			break;
	}
	*status = 0;
	return false;
}

/* The channel gets another number, so that a worker can have its own. */
static int
template_open(struct template *t)
{
	struct lease_signal ready = { .type = LEASE_READY, .pid = (uint32_t)getpid() };
	const char *service = getenv("POOLD_SERVICE");
	const char *version = getenv("POOLD_TEMPLATE");
	struct stat st;
	int null, status;

	if (strcmp(version, "1") != 0 || fstat(LEASE_FD_CONTROL, &st) == -1 ||
	    !S_ISSOCK(st.st_mode))
		return complain("started as a template, but not by poold");
	t->parent = getppid();
	t->channel = fcntl(LEASE_FD_CONTROL, F_DUPFD_CLOEXEC, ABOVE);
	if (t->channel == -1)
		return complain(strerror(errno));
	log_name_set(program_invocation_short_name);
	setproctitle("-poold: %.64s template", service != NULL ? service : "?");
	if ((status = threads_check()) != 0)
		return status;
	/* its number stays taken, as a worker's own will take it */
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1 ||
	    dup3(null, LEASE_FD_CONTROL, O_CLOEXEC) == -1)
		return complain(strerror(errno));
	close(null);
	if (msg_send(t->channel, &ready, sizeof(ready), 0) == -1)
		return complain("the supervisor is gone");
	return 0;
}

bool
poold_preload(const struct poold_fork *hooks, int *status)
{
	struct template *t;
	bool is_worker = false;

	*status = 0;
	if (getenv("POOLD_TEMPLATE") == NULL)
		return true;
	if ((t = calloc(1, sizeof(*t))) == NULL) {
		*status = complain(strerror(errno));
		return false;
	}
	t->hooks = hooks != NULL ? hooks : &no_hooks;
	*status = template_open(t);
	if (*status == 0)
		is_worker = template_loop(t, status);
	free(t);
	return is_worker;
}
