/* SPDX-License-Identifier: ISC */
/* The command of a service: where its program is, and who may execute it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/util.h"
#include "supervisor/access.h"
#include "supervisor/config_check.h"
#include "supervisor/config_set.h"

/* The search for one program. */
struct search {
	const char *name; /* argv[0] as written */
	char *found;	  /* NULL: not yet */
	char *looked;	  /* "a (No such file or directory), b (is a folder)" */
};

/* Looks at path, which is freed or becomes found. */
static void
candidate_try(struct search *search, char *path)
{
	const char *why = NULL;
	struct statvfs fs;
	struct stat st;
	char *looked;

	if (search->found != NULL) {
		free(path);
		return;
	}
	if (stat(path, &st) == -1)
		why = strerror(errno);
	else if (S_ISDIR(st.st_mode))
		why = "is a folder";
	else if (!S_ISREG(st.st_mode))
		why = "is not a regular file";
	else if ((st.st_mode & 0111) == 0)
		why = "is not executable";
	else if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC) != 0)
		why = "lies on a file system mounted noexec";
	if (why == NULL) {
		search->found = path;
		return;
	}
	looked = util_asprintf("%s%s%s (%s)",
	    search->looked != NULL ? search->looked : "",
	    search->looked != NULL ? ", " : "", path, why);
	free(search->looked);
	search->looked = looked;
	free(path);
}

/* Only absolute folders: what a relative one is depends on who looks.  Folders
 * without such a file are not listed one by one. */
static void
path_search(struct search *search)
{
	const char *path = getenv("PATH");
	char *candidate, *looked;

	for (const char *p = path; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, ":");

		if (p[0] == '/') {
			candidate = util_asprintf("%.*s/%s", (int)len, p, search->name);
			if (access(candidate, F_OK) == 0)
				candidate_try(search, candidate);
			else
				free(candidate);
		}
		p += len;
		p += strspn(p, ":");
	}
	looked = util_asprintf("%s, and in PATH (%s)", search->looked,
	    path != NULL ? path : "not set");
	free(search->looked);
	search->looked = looked;
}

/* The absolute path of the program; NULL after an error. */
static char *
program_find(const struct config *config, const char *name,
    const struct config_origin *origin, struct config_errors *errors)
{
	struct search search = { .name = name };

	if (name[0] == '/') {
		candidate_try(&search, util_strdup(name));
	} else {
		candidate_try(&search, config_path_beside(origin->file, name));
		candidate_try(&search, util_asprintf("%s/%s", config->libexec, name));
		if (search.found == NULL && strchr(name, '/') == NULL)
			path_search(&search);
	}
	if (search.found == NULL)
		config_error_add(errors, origin,
		    "command: cannot execute '%s'; looked at %s", name, search.looked);
	free(search.looked);
	return search.found;
}

char *
config_interpreter_read(int fd)
{
	char head[256]; /* as much as the kernel looks at */
	ssize_t len;
	char *name;

	if (fd == -1)
		return NULL;
	len = read(fd, head, sizeof(head) - 1);
	close(fd);
	if (len < 2 || head[0] != '#' || head[1] != '!')
		return NULL;
	head[len] = '\0';
	name = head + 2 + strspn(head + 2, " \t");
	name[strcspn(name, " \t\n")] = '\0';
	return util_strdup(name);
}

/* NULL, or why account may not execute path.  What the kernel itself says is
 * the better answer where it can be asked. */
static char *
account_explain(const char *path, const struct config_account *account)
{
	if (account->uid == geteuid() && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return NULL;
	return access_explain(path, account->uid, account->gid, account->groups,
	    account->group_count);
}

static void
interpreter_check(const char *program, const struct config_account *account,
    const struct config_origin *origin, struct config_errors *errors)
{
	char *interpreter = config_interpreter_read(open(program, O_RDONLY | O_CLOEXEC));
	char *why = NULL;
	struct stat st;

	if (interpreter == NULL)
		return;
	if (stat(interpreter, &st) == -1)
		config_error_add(errors, origin,
		    "command: the interpreter '%s' of the script %s: %s", interpreter,
		    program, strerror(errno));
	else if (account != NULL && *interpreter == '/')
		why = account_explain(interpreter, account);
	if (why != NULL)
		config_error_add(errors, origin,
		    "command: the interpreter '%s' of the script %s: %s", interpreter,
		    program, why);
	free(why);
	free(interpreter);
}

void
config_command_check(const struct config *config, struct config_service *service,
    const struct config_account *account, struct config_errors *errors)
{
	const struct config_origin *origin = &service->command_origin;
	char why[CONFIG_WHY_SIZE];
	char *program, *reason;

	if (!config_value_argv(service->command, &service->argv, why)) {
		config_error_add(errors, origin, "command: %s", why);
		return;
	}
	program = program_find(config, service->argv[0], origin, errors);
	if (program == NULL)
		return;
	free(service->argv[0]);
	service->argv[0] = program;
	if (account != NULL) {
		reason = account_explain(program, account);
		if (reason != NULL)
			config_error_add(errors, origin, "command: %s", reason);
		free(reason);
	}
	interpreter_check(program, account, origin, errors);
}
