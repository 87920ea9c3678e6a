/* SPDX-License-Identifier: ISC */
/* Who the services run as, what these accounts may reach, and who has to trust whom. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/access.h"
#include "supervisor/config_check.h"
#include "supervisor/config_keys.h"
#include "supervisor/config_set.h"

/* The folder that workers start in. */
static void
chdir_check(struct config_service *service, const struct config_account *account,
    struct config_errors *errors)
{
	const struct config_origin *origin = config_service_origin(service, "chdir");
	struct stat st;
	char *why = NULL;

	if (service->chdir[0] == '\0') {
		free(service->chdir);
		service->chdir = config_path_beside(service->origin.file, ".");
	}
	if (stat(service->chdir, &st) == -1) {
		config_error_add(errors, origin, "chdir: %s: %s", service->chdir,
		    strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		config_error_add(errors, origin, "chdir: %s is not a folder",
		    service->chdir);
		return;
	}
	if (account != NULL)
		why = access_explain(service->chdir, account->uid, account->gid,
		    account->groups, account->group_count);
	if (why != NULL)
		config_error_add(errors, origin, "chdir: %s", why);
	free(why);
}

/* Who the service runs as, and everything that depends on it.  *uid is then
 * known. */
static bool
account_check(const struct config *config, struct config_service *service,
    struct config_errors *errors, uid_t *uid)
{
	struct config_account account;
	char *why;
	bool known = config_service_account(config, service, &account, &why);
	bool own = service->user[0] != '\0' || service->group[0] != '\0';

	if (!known) {
		/* that of [poold] is reported once, for the router */
		if (own)
			config_error_add(errors,
			    config_service_origin(service,
				service->user[0] != '\0' ? "user" : "group"),
			    "[service %s]: %s", service->name, why);
		free(why);
	}
	if (service->limits.chroot[0] != '\0') {
		config_chroot_check(service, errors);
	} else {
		if (service->command[0] != '\0')
			config_command_check(config, service, known ? &account : NULL,
			    errors);
		chdir_check(service, known ? &account : NULL, errors);
	}
	config_limits_check(service, errors);
	*uid = account.uid;
	config_account_free(&account);
	return known;
}

/*
 * Linux has no way to take a descriptor back.  A worker that was broken into
 * could keep its copy of a client's socket, and read the request that the
 * client sends next, for whatever service that is.
 */
static void
trust_check(const struct config_listen *listen, const struct config_service **known,
    const uid_t *uids, size_t count, struct config_errors *errors)
{
	size_t first = count;

	if (listen->shared_trust)
		return;
	for (size_t i = 0; i < count; i++) {
		if (!config_service_listens(known[i], listen->name) ||
		    known[i]->mode != CONFIG_MODE_LEASE)
			continue;
		if (first == count)
			first = i;
		if (uids[i] == uids[first])
			continue;
		config_error_add(errors, config_service_origin(known[i], "user"),
		    "[service %s] and [service %s] at %s:%u run as different "
		    "users but share the listener '%s': Linux cannot take a "
		    "descriptor back, so a worker that was broken into could "
		    "read the next request of a client that it once served, "
		    "whichever service that is for; give them one user or "
		    "listeners of their own, or say shared_trust = yes in "
		    "[listen %s]",
		    known[i]->name, known[first]->name, known[first]->origin.file,
		    known[first]->origin.line, listen->name, listen->name);
	}
}

void
config_trust_check(const struct config *config, struct config_errors *errors)
{
	const struct config_service **known;
	struct config_service *service;
	const struct config_listen *listen;
	const struct config_origin *given = config_key_origin(CONFIG_POOLD,
	    config->user[0] != '\0' ? "user" : "group", config->at);
	struct config_account router;
	size_t count = 0;
	uid_t *uids;
	char *why;

	if (!config_router_account(config, &router, &why)) {
		if (given == NULL && config->origin.file != NULL)
			given = &config->origin;
		config_error_add(errors, given, "[poold]: %s", why);
		free(why);
	}
	config_account_free(&router);
	TAILQ_FOREACH (service, &config->services, entry)
		count++;
	known = util_alloc((count + 1) * sizeof(*known));
	uids = util_alloc((count + 1) * sizeof(*uids));
	count = 0;
	TAILQ_FOREACH (service, &config->services, entry) {
		if (!account_check(config, service, errors, &uids[count]))
			continue;
		known[count++] = service;
	}
	if (geteuid() == 0)
		TAILQ_FOREACH (listen, &config->listens, entry)
			trust_check(listen, known, uids, count, errors);
	free(known);
	free(uids);
}
