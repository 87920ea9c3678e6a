/* SPDX-License-Identifier: ISC */
/* Limits of a service that cannot work, and its root folder. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/config_check.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_set.h"

static void
cpus_check(const struct config_service *service, struct config_errors *errors)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);
	char why[CONFIG_WHY_SIZE];
	cpu_set_t cpus;

	if (service->limits.cpu_affinity[0] == '\0' || count < 1 ||
	    !config_value_cpus(service->limits.cpu_affinity, &cpus, why))
		return;
	for (int cpu = (int)count; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus)) {
			config_error_add(errors,
			    config_service_origin(service, "cpu_affinity"),
			    "cpu_affinity: this machine has no CPU %d: the last is %ld",
			    cpu, count - 1);
			return;
		}
}

static bool
lies_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* With a /tmp of its own, what lies in the machine's is gone. */
static void
hidden_check(const struct config_service *service, const char *key, const char *path,
    struct config_errors *errors)
{
	char *real = service->limits.chroot[0] == '\0' ? realpath(path, NULL) : NULL;
	const char *seen = real != NULL ? real : path;

	if (lies_below(seen, "/tmp") || lies_below(seen, "/var/tmp"))
		config_error_add(errors, config_service_origin(service, key),
		    "%s: private_tmp = yes of [service %s] hides %s from its workers",
		    key, service->name, seen);
	free(real);
}

void
config_limits_check(const struct config_service *service, struct config_errors *errors)
{
	const struct config_limits *limits = &service->limits;

	if (limits->rlimit_cpu_ms != CONFIG_UNSET &&
	    limits->rlimit_cpu_ms != CONFIG_UNLIMITED &&
	    limits->rlimit_cpu_ms % 1000 != 0)
		config_error_add(errors, config_service_origin(service, "rlimit_cpu"),
		    "rlimit_cpu: the kernel counts whole seconds");
	cpus_check(service, errors);
	if (limits->private_tmp && geteuid() != 0)
		config_error_add(errors, config_service_origin(service, "private_tmp"),
		    "private_tmp: only a poold that was started as root can give "
		    "workers a /tmp of their own");
	if (!limits->private_tmp)
		return;
	if (service->argv != NULL)
		hidden_check(service, "command", service->argv[0], errors);
	if (service->app[0] == '/')
		hidden_check(service, "app", service->app, errors);
	hidden_check(service, "chdir", service->chdir, errors);
}

/* --- the root folder --------------------------------------------------- */

/* Opens path as one sees it whose root is the chroot.  Returns a descriptor, or
 * -1 with errno. */
static int
open_inside(const char *chroot, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int root = open(chroot, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, error;

	if (root == -1)
		return -1;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	error = errno;
	close(root);
	errno = error;
	return fd;
}

/* NULL, or what is wrong with it (static). */
static const char *
program_explain(const char *chroot, const char *path)
{
	int fd = open_inside(chroot, path, O_PATH);
	const char *why = NULL;
	struct stat st;

	if (fd == -1)
		return strerror(errno);
	if (fstat(fd, &st) == -1)
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = "is not a regular file";
	else if ((st.st_mode & 0111) == 0)
		why = "is not executable";
	close(fd);
	return why;
}

static void
program_check(const struct config_service *service, struct config_errors *errors)
{
	const char *chroot = service->limits.chroot, *path = service->argv[0], *why;
	char *interpreter;
	int fd;

	if (path[0] != '/') {
		config_error_add(errors, &service->command_origin,
		    "command: with a chroot, '%s' must be an absolute path, as it is "
		    "seen in there",
		    path);
		return;
	}
	why = program_explain(chroot, path);
	if (why != NULL) {
		config_error_add(errors, &service->command_origin,
		    "command: cannot execute '%s' in the chroot %s: %s", path, chroot,
		    why);
		return;
	}
	fd = open_inside(chroot, path, O_RDONLY);
	if (fd == -1)
		return;
	interpreter = config_interpreter_read(fd);
	if (interpreter != NULL && (why = program_explain(chroot, interpreter)) != NULL)
		config_error_add(errors, &service->command_origin,
		    "command: the interpreter '%s' of the script %s in the chroot %s: %s",
		    interpreter, path, chroot, why);
	free(interpreter);
}

static void
folder_check(struct config_service *service, struct config_errors *errors)
{
	int fd;

	if (service->chdir[0] == '\0') {
		free(service->chdir);
		service->chdir = util_strdup("/");
	}
	fd = open_inside(service->limits.chroot, service->chdir, O_PATH | O_DIRECTORY);
	if (fd == -1)
		config_error_add(errors, config_service_origin(service, "chdir"),
		    "chdir: %s in the chroot %s: %s", service->chdir,
		    service->limits.chroot, strerror(errno));
	else
		close(fd);
}

void
config_chroot_check(struct config_service *service, struct config_errors *errors)
{
	const struct config_origin *origin = config_service_origin(service, "chroot");
	char why[CONFIG_WHY_SIZE];
	struct stat st;

	if (service->command[0] != '\0' &&
	    !config_value_argv(service->command, &service->argv, why)) {
		config_error_add(errors, &service->command_origin, "command: %s", why);
		return;
	}
	if (geteuid() != 0) {
		config_error_add(errors, origin,
		    "chroot: only a poold that was started as root can change the "
		    "root folder of workers");
		return;
	}
	if (stat(service->limits.chroot, &st) == -1) {
		config_error_add(errors, origin, "chroot: %s: %s", service->limits.chroot,
		    strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		config_error_add(errors, origin, "chroot: %s is not a folder",
		    service->limits.chroot);
		return;
	}
	if (service->argv != NULL)
		program_check(service, errors);
	folder_check(service, errors);
}
