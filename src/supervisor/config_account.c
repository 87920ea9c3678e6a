/* SPDX-License-Identifier: ISC */
/* Who processes run as: see config.h. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/config.h"

/* A decimal id.  (uid_t)-1 means "no change" to system calls: refused. */
static bool
id_parse(const char *text, unsigned *id)
{
	unsigned long value;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || value >= UINT_MAX)
		return false;
	*id = (unsigned)value;
	return true;
}

static bool
group_find(const char *text, gid_t *gid, char **why)
{
	const struct group *gr = getgrnam(text);

	if (gr != NULL)
		*gid = gr->gr_gid;
	else if (!id_parse(text, gid))
		*why = util_asprintf("there is no group '%s'", text);
	return *why == NULL;
}

/* Fills uid, name and the user's own group; *known: there is one. */
static bool
user_find(const char *text, struct config_account *out, bool *known, char **why)
{
	const struct passwd *pw = NULL;
	unsigned id = 0;

	if (*text != '\0')
		pw = getpwnam(text);
	if (pw == NULL && *text == '\0' && geteuid() == 0)
		pw = getpwnam(text = "nobody");
	if (pw == NULL && *text == '\0')
		pw = getpwuid(id = geteuid());
	else if (pw == NULL && id_parse(text, &id))
		pw = getpwuid(id);
	else if (pw == NULL) {
		*why = util_asprintf("there is no user '%s'", text);
		return false;
	}
	*known = pw != NULL;
	if (pw != NULL) {
		out->uid = pw->pw_uid;
		out->gid = pw->pw_gid;
		out->name = util_strdup(pw->pw_name);
	} else {
		out->uid = id;
		out->name = util_asprintf("%u", id);
	}
	return true;
}

static void
groups_find(struct config_account *out, bool known)
{
	int count = 64;

	out->groups = util_alloc((size_t)count * sizeof(*out->groups));
	if (!known) {
		out->groups[0] = out->gid;
		out->group_count = 1;
		return;
	}
	while (getgrouplist(out->name, out->gid, out->groups, &count) == -1) {
		free(out->groups); /* count is now how many there are */
		out->groups = util_alloc((size_t)count * sizeof(*out->groups));
	}
	out->group_count = count;
}

/* What the process itself is, which is all that an unprivileged one can be. */
static void
own_groups(struct config_account *out)
{
	int count = getgroups(0, NULL);

	out->groups = util_alloc(
	    (size_t)(count > 0 ? count : 0) * sizeof(*out->groups) + 1);
	count = count > 0 ? getgroups(count, out->groups) : 0;
	out->group_count = count > 0 ? count : 0;
}

static bool
unprivileged_check(struct config_account *out, const char *user, const char *group,
    char **why)
{
	if (out->uid != geteuid())
		*why = util_asprintf("to run as user '%s' poold must be "
				     "started as root",
		    user);
	else if (*group != '\0' && out->gid != getegid())
		*why = util_asprintf("to run as group '%s' poold must be "
				     "started as root",
		    group);
	out->gid = getegid();
	return *why == NULL;
}

bool
config_account_find(const char *user, const char *group, struct config_account *out,
    char **why)
{
	bool known = false;

	memset(out, 0, sizeof(*out));
	*why = NULL;
	if (!user_find(user, out, &known, why))
		return false;
	if (*group != '\0')
		group_find(group, &out->gid, why);
	else if (!known && geteuid() == 0)
		*why = util_asprintf("user '%s' is not in the user database: "
				     "name a group too",
		    user);
	if (*why == NULL && geteuid() != 0 && unprivileged_check(out, user, group, why))
		own_groups(out);
	else if (*why == NULL)
		groups_find(out, known);
	if (*why != NULL)
		config_account_free(out);
	return *why == NULL;
}

void
config_account_free(struct config_account *account)
{
	free(account->name);
	free(account->groups);
	memset(account, 0, sizeof(*account));
}

bool
config_router_account(const struct config *config, struct config_account *out, char **why)
{
	return config_account_find(config->user, config->group, out, why);
}

bool
config_service_account(const struct config *config, const struct config_service *service,
    struct config_account *out, char **why)
{
	bool own = service->user[0] != '\0';
	const char *user = own ? service->user : config->user;
	const char *group = service->group;

	if (!own && group[0] == '\0')
		group = config->group;
	return config_account_find(user, group, out, why);
}
