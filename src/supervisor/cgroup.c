/* SPDX-License-Identifier: ISC */
#include "supervisor/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/pool.h"
#include "supervisor/service.h"

#define CPU_PERIOD_US 100000 /* the kernel's default */

enum cgroup_kind { CGROUP_MEMORY, CGROUP_CPU, CGROUP_PIDS, CGROUP_KINDS };

static const struct {
	const char *key;
	const char *controller;
	const char *file;
	size_t offset; /* in struct config_limits */
} kinds[CGROUP_KINDS] = {
	[CGROUP_MEMORY] = { "cgroup_memory_max", "memory", "memory.max",
	    offsetof(struct config_limits, cgroup_memory_max) },
	[CGROUP_CPU] = { "cgroup_cpu_max", "cpu", "cpu.max",
	    offsetof(struct config_limits, cgroup_cpu_max) },
	[CGROUP_PIDS] = { "cgroup_pids_max", "pids", "pids.max",
	    offsetof(struct config_limits, cgroup_pids_max) },
};

static int64_t
value_of(const struct pool *pool, enum cgroup_kind kind)
{
	const void *at = (const char *)&pool->config->limits + kinds[kind].offset;

	return *(const int64_t *)at;
}

static bool
wants_group(const struct pool *pool)
{
	for (unsigned kind = 0; kind < CGROUP_KINDS; kind++)
		if (value_of(pool, kind) != CONFIG_UNSET)
			return true;
	return false;
}

static struct cgroup *
group_find(struct cgroup_root *root, const char *service)
{
	struct cgroup *group;

	TAILQ_FOREACH (group, &root->groups, entry)
		if (strcmp(group->service, service) == 0)
			return group;
	return NULL;
}

/* --- the end of a group ------------------------------------------------ */

static void
stop_waiting(struct cgroup *group)
{
	if (group->events.fd == -1)
		return;
	loop_io_close(group->root->loop, &group->events);
}

static void
group_free(struct cgroup *group)
{
	stop_waiting(group);
	if (group->fd != -1)
		close(group->fd);
	TAILQ_REMOVE(&group->root->groups, group, entry);
	free(group->service);
	free(group->dir);
	free(group);
}

/* Whether it is gone. */
static bool
group_remove(struct cgroup *group)
{
	if (group->fd != -1 && rmdir(group->dir) == -1 && errno != ENOENT)
		return false;
	group_free(group);
	return true;
}

/* The kernel tells when a group becomes empty; it has to be read to tell again. */
static void
on_events(void *owner, uint32_t events)
{
	struct cgroup *group = owner;
	char buf[256];

	(void)events;
	if (pread(group->events.fd, buf, sizeof(buf), 0) == -1)
		log_debug("%s/cgroup.events: %s", group->dir, strerror(errno));
	group_remove(group);
}

/* What a worker started, and left behind, may live on in the group. */
static void
group_release(struct cgroup *group)
{
	char *path;

	if (group_remove(group) || group->events.fd != -1)
		return;
	path = util_asprintf("%s/cgroup.events", group->dir);
	group->events.fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (group->events.fd == -1)
		return;
	log_info("service %s: processes that its workers started live on in %s",
	    group->service, group->dir);
	if (loop_io_add(group->root->loop, &group->events, EPOLLPRI) == -1)
		stop_waiting(group);
	else
		on_events(group, 0); /* between the two calls it may have ended */
}

/* --- its limits -------------------------------------------------------- */

static void
warn_once(struct cgroup *group, enum cgroup_kind kind, const char *why)
{
	if (group->warned & 1U << kind)
		return;
	group->warned |= 1U << kind;
	log_warn("service %s: %s is not in force: %s", group->service, kinds[kind].key,
	    why);
}

/*
 * A group with members cannot hand controllers down ("no internal processes"):
 * then, and only then, poold moves to a leaf.  Returns NULL, or why the groups
 * of services do not have the controller (the caller frees it).
 */
static char *
controller_enable(struct cgroup_root *root, const char *controller)
{
	char *word;
	int result;

	if (cgroup_has_word(root->dir, "cgroup.subtree_control", controller))
		return NULL;
	if (!cgroup_has_word(root->dir, "cgroup.controllers", controller))
		return util_asprintf("the control group %s has no %s controller",
		    root->dir, controller);
	word = util_asprintf("+%s", controller);
	result = cgroup_write(root->dir, "cgroup.subtree_control", word);
	if (result == -1 && errno == EBUSY && !root->moved) {
		root->moved = true;
		if (cgroup_make_room(root->dir) == 0)
			result = cgroup_write(root->dir, "cgroup.subtree_control", word);
	}
	free(word);
	if (result == 0)
		return NULL;
	return util_asprintf("%s/cgroup.subtree_control: %s%s", root->dir,
	    strerror(errno),
	    errno == EBUSY ? " (the group has processes that are not poold's)" : "");
}

static char *
value_text(enum cgroup_kind kind, int64_t value)
{
	if (value == CONFIG_UNLIMITED)
		return util_strdup("max");
	if (kind == CGROUP_CPU)
		return util_asprintf("%lld %d", (long long)value * (CPU_PERIOD_US / 100),
		    CPU_PERIOD_US);
	return util_asprintf("%lld", (long long)value);
}

/* What nobody ever limited is left alone, and so needs no controller. */
static void
limit_set(struct cgroup *group, enum cgroup_kind kind, int64_t value)
{
	char *why = NULL, *text;
	char *limit_file = util_asprintf("%s/%s", group->dir, kinds[kind].file);
	bool there = access(limit_file, F_OK) == 0;

	free(limit_file);
	if (value == CONFIG_UNLIMITED && !there)
		return;
	why = controller_enable(group->root, kinds[kind].controller);
	if (why == NULL) {
		text = value_text(kind, value);
		if (cgroup_write(group->dir, kinds[kind].file, text) == -1)
			why = util_asprintf("%s/%s: %s", group->dir, kinds[kind].file,
			    strerror(errno));
		free(text);
	}
	if (why != NULL)
		warn_once(group, kind, why);
	free(why);
}

/* The loosest that any generation asks for; CONFIG_UNSET: none has a group. */
static int64_t
loosest(struct service *service, enum cgroup_kind kind)
{
	int64_t most = CONFIG_UNSET, value;
	struct pool *pool;

	TAILQ_FOREACH (pool, &service->pools, entry) {
		if (!wants_group(pool))
			continue;
		value = value_of(pool, kind);
		if (value == CONFIG_UNSET)
			value = CONFIG_UNLIMITED;
		if (value > most)
			most = value;
	}
	return most;
}

/* --- its beginning ----------------------------------------------------- */

static struct cgroup *
group_new(struct cgroup_root *root, const char *service)
{
	struct cgroup *group = util_alloc(sizeof(*group));

	group->root = root;
	group->service = util_strdup(service);
	group->fd = -1;
	group->events = (struct loop_io){ .fd = -1, .fn = on_events, .owner = group };
	TAILQ_INSERT_TAIL(&root->groups, group, entry);
	return group;
}

/* Returns NULL, or why there is none (the caller frees it). */
static char *
group_open(struct cgroup *group)
{
	struct cgroup_root *root = group->root;

	if (group->fd != -1)
		return NULL;
	if (!root->looked) {
		root->looked = true;
		root->dir = cgroup_find_delegated(&root->why);
	}
	if (root->dir == NULL)
		return util_strdup(root->why);
	free(group->dir);
	group->dir = util_asprintf("%s/poold.%s", root->dir, group->service);
	if (mkdir(group->dir, 0755) == -1 && errno != EEXIST)
		return util_asprintf("cannot make %s: %s", group->dir, strerror(errno));
	group->fd = open(group->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group->fd == -1)
		return util_asprintf("cannot open %s: %s", group->dir, strerror(errno));
	return NULL;
}

void
cgroup_update(struct cgroup_root *root, struct service *service)
{
	struct cgroup *group = group_find(root, service->name);
	int64_t value;
	char *why;

	if (loosest(service, CGROUP_MEMORY) == CONFIG_UNSET) {
		if (group != NULL)
			group_release(group);
		return;
	}
	if (group == NULL)
		group = group_new(root, service->name);
	stop_waiting(group);
	why = group_open(group);
	for (unsigned kind = 0; kind < CGROUP_KINDS; kind++) {
		value = loosest(service, kind);
		if (why == NULL)
			limit_set(group, kind, value);
		else if (value != CONFIG_UNLIMITED)
			warn_once(group, kind, why);
	}
	free(why);
}

int
cgroup_fd(struct cgroup_root *root, const struct pool *pool)
{
	struct cgroup *group;

	if (!wants_group(pool))
		return -1;
	group = group_find(root, pool->service->name);
	return group != NULL ? group->fd : -1;
}

void
cgroup_init(struct cgroup_root *root, struct loop *loop)
{
	root->loop = loop;
	TAILQ_INIT(&root->groups);
}

void
cgroup_close(struct cgroup_root *root)
{
	struct cgroup *group, *next;

	TAILQ_FOREACH_SAFE (group, &root->groups, entry, next)
		if (!group_remove(group))
			group_free(group);
	free(root->dir);
	free(root->why);
}
