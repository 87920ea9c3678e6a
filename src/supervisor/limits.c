/* SPDX-License-Identifier: ISC */
#include "supervisor/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/config_set.h"

static const struct resource {
	const char *key;
	int resource;
	size_t offset; /* in struct config_limits */
	int64_t unit;  /* of the value, for one of the kernel's */
} resources[] = {
	{ "rlimit_as", RLIMIT_AS, offsetof(struct config_limits, rlimit_as), 1 },
	{ "rlimit_nofile", RLIMIT_NOFILE, offsetof(struct config_limits, rlimit_nofile),
	    1 },
	{ "rlimit_cpu", RLIMIT_CPU, offsetof(struct config_limits, rlimit_cpu_ms), 1000 },
	{ "rlimit_core", RLIMIT_CORE, offsetof(struct config_limits, rlimit_core), 1 },
	{ "rlimit_nproc", RLIMIT_NPROC, offsetof(struct config_limits, rlimit_nproc), 1 },
};
#define RESOURCES (sizeof(resources) / sizeof(resources[0]))

/* The sysctl fs.nr_open, or its default. */
static int64_t
most_files(void)
{
	FILE *f = fopen("/proc/sys/fs/nr_open", "re");
	long long most;

	if (f == NULL)
		return 1 << 20;
	if (fscanf(f, "%lld", &most) != 1)
		most = 1 << 20;
	fclose(f);
	return most;
}

void
limits_init(struct limits *limits, const struct config_limits *config, int cgroup_fd)
{
	char why[CONFIG_WHY_SIZE];

	limits->config = config;
	limits->cgroup_fd = cgroup_fd;
	limits->nofile_max = config->rlimit_nofile == CONFIG_UNLIMITED ? most_files() : 0;
	CPU_ZERO(&limits->cpus);
	if (config->cpu_affinity[0] != '\0')
		config_value_cpus(config->cpu_affinity, &limits->cpus, why);
}

/* --- in the child ------------------------------------------------------ */

/*
 * Soft and hard, so that the worker cannot raise it again.  A worker out of CPU
 * time gets SIGXCPU, which says why, and SIGKILL a second later if it has caught
 * that: with both limits alike SIGKILL would be all.
 */
static int
set_resource(const struct resource *resource, int64_t value)
{
	bool cpu = resource->resource == RLIMIT_CPU;
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY }, old;

	if (value != CONFIG_UNLIMITED) {
		limit.rlim_cur = (rlim_t)(value / resource->unit);
		limit.rlim_max = limit.rlim_cur + (cpu ? 1 : 0);
	}
	if (setrlimit(resource->resource, &limit) == 0)
		return 0;
	if (!cpu || errno != EPERM || getrlimit(resource->resource, &old) == -1)
		return -1;
	/* for want of that second */
	limit.rlim_max = old.rlim_max;
	errno = EPERM;
	return limit.rlim_cur > old.rlim_max ? -1 : setrlimit(resource->resource, &limit);
}

static const char *
set_resources(const struct limits *limits)
{
	for (size_t i = 0; i < RESOURCES; i++) {
		const void *at = (const char *)limits->config + resources[i].offset;
		int64_t value = *(const int64_t *)at;

		if (resources[i].resource == RLIMIT_NOFILE && value == CONFIG_UNLIMITED)
			value = limits->nofile_max;
		if (value != CONFIG_UNSET && set_resource(&resources[i], value) == -1)
			return resources[i].key;
	}
	return NULL;
}

static int
write_text(int dir_fd, const char *path, const char *text)
{
	ssize_t len = (ssize_t)strlen(text), n;
	int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC), error;

	if (fd == -1)
		return -1;
	n = write(fd, text, (size_t)len);
	error = errno;
	close(fd);
	errno = error;
	return n == len ? 0 : -1;
}

/* Decimal; buf has room for any. */
static const char *
number_text(int64_t value, char buf[24])
{
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char *p = buf + 23;

	*p = '\0';
	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--p = '-';
	return p;
}

/*
 * The supervisor is not dumpable, so /proc/self of its child is root's until
 * exec.  Nothing of the supervisor's is open here any more.
 */
static int
set_oom_score(int64_t value)
{
	const char *path = "/proc/self/oom_score_adj";
	char buf[24];
	const char *text = number_text(value, buf);
	int result;

	if (write_text(AT_FDCWD, path, text) == 0)
		return 0;
	if (errno != EACCES || geteuid() == 0)
		return -1;
	prctl(PR_SET_DUMPABLE, 1);
	result = write_text(AT_FDCWD, path, text);
	prctl(PR_SET_DUMPABLE, 0);
	return result;
}

const char *
limits_enter_cgroup(const struct limits *limits)
{
	if (limits->cgroup_fd != -1 &&
	    write_text(limits->cgroup_fd, "cgroup.procs", "0") == -1)
		return "cgroup";
	return NULL;
}

const char *
limits_apply(const struct limits *limits)
{
	const struct config_limits *config = limits->config;
	const char *failed = set_resources(limits);

	if (failed != NULL)
		return failed;
	if (config->nice != CONFIG_UNSET &&
	    setpriority(PRIO_PROCESS, 0, (int)config->nice) == -1)
		return "nice";
	if (config->oom_score_adj != CONFIG_UNSET &&
	    set_oom_score(config->oom_score_adj) == -1)
		return "oom_score_adj";
	if (config->cpu_affinity[0] != '\0' &&
	    sched_setaffinity(0, sizeof(limits->cpus), &limits->cpus) == -1)
		return "cpu_affinity";
	if (config->umask != CONFIG_UNSET)
		umask((mode_t)config->umask);
	return NULL;
}

/* A root folder need not have one: then there is nothing to hide. */
static int
mount_tmp(const char *path)
{
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") == 0 ||
	    errno == ENOENT)
		return 0;
	return -1;
}

const char *
limits_confine(const struct limits *limits)
{
	const struct config_limits *config = limits->config;

	/* what is mounted in here stays in here; what the machine mounts later
	 * is seen here too */
	if (config->private_tmp &&
	    (unshare(CLONE_NEWNS) == -1 ||
		mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == -1))
		return "private_tmp";
	if (config->chroot[0] != '\0' &&
	    (chroot(config->chroot) == -1 || chdir("/") == -1))
		return "chroot";
	if (config->private_tmp &&
	    (mount_tmp("/tmp") == -1 || mount_tmp("/var/tmp") == -1))
		return "private_tmp";
	return NULL;
}

/* --- in the parent ----------------------------------------------------- */

static char *
resource_explain(const struct resource *resource, int error)
{
	struct rlimit limit;
	char hard[24];

	if (error != EPERM || getrlimit(resource->resource, &limit) == -1)
		return NULL;
	if (limit.rlim_max == RLIM_INFINITY)
		return NULL;
	return util_asprintf("poold's own hard limit is %s, and raising it takes "
			     "CAP_SYS_RESOURCE%s",
	    number_text((int64_t)limit.rlim_max, hard),
	    resource->resource == RLIMIT_NOFILE ? "; the most is fs.nr_open" : "");
}

static char *
hint_new(const char *step, int error)
{
	for (size_t i = 0; i < RESOURCES; i++)
		if (strcmp(step, resources[i].key) == 0)
			return resource_explain(&resources[i], error);
	if (error == EACCES && strcmp(step, "nice") == 0)
		return util_asprintf("poold's own is %d, and only root may go below it",
		    getpriority(PRIO_PROCESS, 0));
	if (error == EACCES && strcmp(step, "oom_score_adj") == 0)
		return util_strdup("only root may make it less than poold's own");
	if (error == EINVAL && strcmp(step, "cpu_affinity") == 0)
		return util_strdup("poold may use none of these CPUs");
	return NULL;
}

/* Limits that only show when the program is executed. */
static char *
exec_explain(const struct config_service *service, int error)
{
	const struct config_limits *limits = &service->limits;

	if (error == EAGAIN && limits->rlimit_nproc != CONFIG_UNSET)
		return util_asprintf("execute %s: its user has more processes than "
				     "rlimit_nproc = %lld, which counts all of that "
				     "user's, allows",
		    service->argv[0], (long long)limits->rlimit_nproc);
	if (limits->chroot[0] != '\0')
		return util_asprintf("execute %s in the chroot %s: %s%s",
		    service->argv[0], limits->chroot, strerror(error),
		    error == ENOENT ?
			" (the interpreter or loader it needs must be there, too)" :
			"");
	return NULL;
}

char *
limits_explain(const char *step, const struct config_service *service, int error)
{
	static const char *const others[] = { "nice", "oom_score_adj", "cpu_affinity",
		"chroot", "private_tmp" };
	char *value, *hint, *text;
	const struct config_key *key = config_key_find(CONFIG_SERVICE, step);
	bool ours = false;

	if (strcmp(step, "exec") == 0)
		return exec_explain(service, error);
	if (strcmp(step, "cgroup") == 0)
		return util_asprintf("enter its control group: %s", strerror(error));
	for (size_t i = 0; i < RESOURCES; i++)
		ours = ours || strcmp(step, resources[i].key) == 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ours = ours || strcmp(step, others[i]) == 0;
	if (!ours || key == NULL)
		return NULL;
	value = config_key_text(key, service);
	hint = hint_new(step, error);
	text = util_asprintf("set %s = %s: %s%s%s%s", step, value, strerror(error),
	    hint != NULL ? " (" : "", hint != NULL ? hint : "", hint != NULL ? ")" : "");
	free(value);
	free(hint);
	return text;
}
