/* SPDX-License-Identifier: ISC */
#include "supervisor/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/control_wait.h"
#include "supervisor/event.h"
#include "supervisor/json_text.h"
#include "supervisor/pool.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/supervisor.h"

#define DRY_RUN_NS (10000 * MS_NS)

static void
failed(struct supervisor *supervisor, const char *why)
{
	log_error("upgrade failed: %s %s; the running version goes on",
	    supervisor->program, why);
	event_tell(supervisor, "upgrade_failed", NULL, "s:o", "error", json_text(why));
	control_wait_upgrade_failed(&supervisor->control, why);
}

/* --- the state --------------------------------------------------------- */

static bool
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n)
		if ((n = write(fd, text, len)) == -1)
			return false;
	return true;
}

/* The state in a memfd at its beginning; -1 with errno.  The descriptors that
 * it names are those of writer. */
static int
open_state(struct supervisor *supervisor, struct record_writer *writer)
{
	int fd = memfd_create("poold-state", MFD_CLOEXEC), error;

	if (fd == -1)
		return -1;
	if (!state_save(supervisor, writer)) {
		errno = ENOMEM;
	} else if (write_all(fd, writer->text, writer->len) &&
	    lseek(fd, 0, SEEK_SET) == 0) {
		return fd;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* --- in its place ------------------------------------------------------ */

static void
set_close_on_exec(const struct record_fds *fds, int flags)
{
	for (size_t i = 0; i < fds->count; i++)
		fcntl(fds->fds[i], F_SETFD, flags);
}

/* A worker that is stopped to be looked at goes on: who comes after us looks
 * again. */
static void
let_stuck_go(struct supervisor *supervisor)
{
	struct service *service;
	struct pool *pool;

	TAILQ_FOREACH (service, &supervisor->services, entry)
		TAILQ_FOREACH (pool, &service->pools, entry)
			for (uint32_t i = 0; i < pool->worker_count; i++)
				if (loop_timer_is_set(&pool->workers[i].stuck.timer)) {
					stuck_clear(&pool->workers[i]);
					worker_signal(&pool->workers[i], SIGCONT);
				}
}

static void
execute(struct supervisor *supervisor)
{
	struct record_writer writer = { 0 };
	char role[32], why[256];
	char *argv[] = { "poold", "-c", supervisor->config_file, "-R", role, NULL };
	int fd = open_state(supervisor, &writer);

	if (fd == -1) {
		snprintf(why, sizeof(why), "was not executed: %s", strerror(errno));
		failed(supervisor, why);
		record_writer_free(&writer);
		return;
	}
	let_stuck_go(supervisor);
	snprintf(role, sizeof(role), "upgraded=%d", fd);
	log_flush();
	set_close_on_exec(&writer.fds, 0);
	fcntl(fd, F_SETFD, 0);
	execve(supervisor->program, argv, environ);
	snprintf(why, sizeof(why), "cannot be executed: %s", strerror(errno));
	set_close_on_exec(&writer.fds, FD_CLOEXEC);
	close(fd);
	record_writer_free(&writer);
	failed(supervisor, why);
}

/* --- the dry run ------------------------------------------------------- */

static void
close_dry_run(struct supervisor *supervisor)
{
	struct upgrade *upgrade = &supervisor->upgrade;

	loop_timer_clear(&supervisor->loop, &upgrade->timer);
	loop_io_close(&supervisor->loop, &upgrade->exit);
	close(upgrade->failure_fd);
	close(upgrade->words_fd);
	upgrade->failure_fd = upgrade->words_fd = -1;
	upgrade->pid = 0;
}

/* What it said, on one line. */
static void
read_words(const struct upgrade *upgrade, char words[UPGRADE_WORDS_MAX])
{
	ssize_t n = read(upgrade->words_fd, words, UPGRADE_WORDS_MAX - 1);

	words[n > 0 ? n : 0] = '\0';
	for (size_t len = strlen(words); len > 0 && words[len - 1] == '\n';)
		words[--len] = '\0';
	for (char *p = words; (p = strchr(p, '\n')) != NULL;)
		*p = ';';
}

/* Returns false with the reason in why. */
static bool
went_well(const struct upgrade *upgrade, const siginfo_t *info, char *why, size_t size)
{
	struct spawn_failure failure;
	char words[UPGRADE_WORDS_MAX];

	read_words(upgrade, words);
	if (spawn_failure_read(upgrade->failure_fd, &failure)) {
		snprintf(why, size, "cannot be started: %s: %s", failure.step,
		    strerror(failure.error));
		return false;
	}
	if (info->si_code == CLD_EXITED && info->si_status == 0) {
		snprintf(why, size, "%s", words);
		return true;
	}
	if (upgrade->timed_out)
		snprintf(why, size, "gave no answer in a dry run within %d s",
		    (int)(DRY_RUN_NS / (1000 * MS_NS)));
	else
		snprintf(why, size, "%s %d in a dry run%s%s",
		    info->si_code == CLD_EXITED ? "exited with status" :
						  "was killed by signal",
		    info->si_status, words[0] != '\0' ? ": " : "", words);
	return false;
}

/* Whether the dry run was of the program that would be executed now. */
static bool
is_same_program(const struct supervisor *supervisor)
{
	const struct stat *then = &supervisor->upgrade.program;
	struct stat now;

	return stat(supervisor->program, &now) == 0 && now.st_dev == then->st_dev &&
	    now.st_ino == then->st_ino && now.st_size == then->st_size &&
	    now.st_ctim.tv_sec == then->st_ctim.tv_sec &&
	    now.st_ctim.tv_nsec == then->st_ctim.tv_nsec;
}

static void
on_exit_event(void *owner, uint32_t events)
{
	struct supervisor *supervisor = owner;
	struct upgrade *upgrade = &supervisor->upgrade;
	char why[UPGRADE_WORDS_MAX + 128];
	siginfo_t info = { 0 };
	bool good;

	(void)events;
	waitid(P_PIDFD, (id_t)upgrade->exit.fd, &info, WEXITED | WNOHANG);
	good = went_well(upgrade, &info, why, sizeof(why));
	close_dry_run(supervisor);
	supervisor_reap_strangers(supervisor);
	if (!good) {
		failed(supervisor, why);
		upgrade_check(supervisor);
	} else if (upgrade->stale || supervisor->reload != NULL ||
	    link_is_changing(&supervisor->link) || !is_same_program(supervisor)) {
		upgrade->wanted = true; /* it was of another state, or program */
		upgrade_check(supervisor);
	} else {
		log_info("upgrade: executing %s%s%s", supervisor->program,
		    why[0] != '\0' ? ": " : "", why);
		execute(supervisor);
	}
}

static void
on_timer(void *owner)
{
	struct supervisor *supervisor = owner;
	struct upgrade *upgrade = &supervisor->upgrade;

	upgrade->timed_out = true;
	syscall(SYS_pidfd_send_signal, upgrade->exit.fd, SIGKILL, NULL, 0);
}

/* Its standard output and error are our pipe. */
static bool
start_dry_run(struct supervisor *supervisor, int state_fd)
{
	static char *argv[] = { "poold", "-R", "dry-run=3", NULL };
	struct upgrade *upgrade = &supervisor->upgrade;
	struct spawn spawn = { .path = supervisor->program,
		.argv = argv,
		.envp = environ,
		.fds = { state_fd },
		.fd_count = 1,
		.stdin_fd = -1,
		.death_signal = SIGKILL };
	int ends[2];

	memset(&upgrade->program, 0, sizeof(upgrade->program));
	(void)stat(supervisor->program, &upgrade->program);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return false;
	spawn.log_fd = ends[1];
	upgrade->pid = spawn_process(&spawn, &upgrade->exit.fd, &upgrade->failure_fd);
	close(ends[1]);
	if (upgrade->pid == -1) {
		upgrade->pid = 0;
		close(ends[0]);
		return false;
	}
	upgrade->words_fd = ends[0];
	upgrade->timed_out = upgrade->stale = false;
	loop_io_add(&supervisor->loop, &upgrade->exit, EPOLLIN);
	loop_timer_set(&supervisor->loop, &upgrade->timer, util_now_ns() + DRY_RUN_NS);
	return true;
}

static void
begin(struct supervisor *supervisor)
{
	struct record_writer writer = { 0 };
	int fd = open_state(supervisor, &writer);
	char why[256];

	record_writer_free(&writer);
	if (fd == -1 || !start_dry_run(supervisor, fd)) {
		snprintf(why, sizeof(why), "was not started: %s", strerror(errno));
		failed(supervisor, why);
	}
	if (fd != -1)
		close(fd);
}

/* --- when -------------------------------------------------------------- */

void
upgrade_check(struct supervisor *supervisor)
{
	struct upgrade *upgrade = &supervisor->upgrade;

	if (!upgrade->wanted || upgrade->pid != 0 || supervisor->reload != NULL ||
	    link_is_changing(&supervisor->link) ||
	    supervisor->phase != SUPERVISOR_SERVING)
		return;
	upgrade->wanted = false;
	begin(supervisor);
}

void
upgrade_ask(struct supervisor *supervisor)
{
	struct upgrade *upgrade = &supervisor->upgrade;

	if (supervisor->phase != SUPERVISOR_SERVING)
		return;
	if (upgrade->wanted || upgrade->pid != 0) {
		log_info("an upgrade is under way already");
		return;
	}
	upgrade->wanted = true;
	if (supervisor->reload != NULL)
		log_info("the upgrade begins when the reload has ended");
	upgrade_check(supervisor);
}

void
upgrade_cancel(struct supervisor *supervisor)
{
	struct upgrade *upgrade = &supervisor->upgrade;

	upgrade->wanted = false;
	if (upgrade->pid == 0)
		return;
	log_info("the upgrade is given up: poold stops");
	syscall(SYS_pidfd_send_signal, upgrade->exit.fd, SIGKILL, NULL, 0);
	close_dry_run(supervisor); /* reaped as a stranger */
}

void
upgrade_init(struct supervisor *supervisor)
{
	struct upgrade *upgrade = &supervisor->upgrade;

	upgrade->exit = (struct loop_io){ .fd = -1,
		.fn = on_exit_event,
		.owner = supervisor };
	upgrade->failure_fd = upgrade->words_fd = -1;
	upgrade->timer.fn = on_timer;
	upgrade->timer.owner = supervisor;
}

/* --- which program ----------------------------------------------------- */

static bool
is_us(const char *path)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat("/proc/self/exe", &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static char *
find_in_path(const char *name)
{
	const char *path = getenv("PATH");
	char *candidate;
	size_t len;

	for (; path != NULL && *path != '\0'; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		candidate = util_asprintf("%.*s/%s", (int)len, path, name);
		if (candidate[0] == '/' && is_us(candidate))
			return candidate;
		free(candidate);
	}
	return NULL;
}

/* As it was called, links unresolved: an upgrade may lead them elsewhere. */
static char *
find_as_called(const char *name)
{
	char cwd[PATH_MAX], *path;

	if (strchr(name, '/') == NULL)
		return find_in_path(name);
	if (name[0] == '/')
		path = util_strdup(name);
	else if (getcwd(cwd, sizeof(cwd)) != NULL)
		path = util_asprintf("%s/%s", cwd, name);
	else
		return NULL;
	if (is_us(path))
		return path;
	free(path);
	return NULL;
}

char *
upgrade_program(const char *name)
{
	char *path = find_as_called(name), *real;

	if (path != NULL)
		return path;
	real = realpath("/proc/self/exe", NULL);
	return real != NULL ? real : util_strdup(name);
}
