/* SPDX-License-Identifier: ISC */
#include "supervisor/ending.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "supervisor/access.h"
#include "supervisor/limits.h"
#include "supervisor/pool.h"

void
ending_describe(const siginfo_t *info, char *text, size_t size)
{
	if (info->si_code == CLD_EXITED)
		snprintf(text, size, "exited with status %d", info->si_status);
	else
		snprintf(text, size, "was killed by signal %d (%s%s)", info->si_status,
		    strsignal(info->si_status),
		    info->si_code == CLD_DUMPED ? ", core dumped" : "");
}

/* A limit that could not be set, or that was in the way of exec; else NULL. */
static char *
explain_limit(const struct pool *pool, const struct spawn_failure *failure)
{
	char *text = limits_explain(failure->step, pool->config, failure->error), *why;

	if (text == NULL)
		return NULL;
	why = util_asprintf(": cannot %s", text);
	free(text);
	return why;
}

/* What happened before the program ran. */
static char *
explain_spawn(const struct pool *pool, const struct spawn_failure *failure)
{
	const struct config_account *account = &pool->account;
	const char *path = pool->config->argv[0];
	char *text = explain_limit(pool, failure), *access = NULL;

	if (text != NULL)
		return text;
	if (failure->error == EACCES && strcmp(failure->step, "exec") == 0 &&
	    pool->config->limits.chroot[0] == '\0')
		access = access_explain(path, account->uid, account->gid, account->groups,
		    account->group_count);
	text = util_asprintf(": cannot %s %s: %s%s%s", failure->step, path,
	    strerror(failure->error), access != NULL ? ": " : "",
	    access != NULL ? access : "");
	free(access);
	return text;
}

char *
ending_explain(const struct pool *pool, const struct spawn_failure *failure,
    const char *said, const siginfo_t *info)
{
	if (failure->step[0] != '\0')
		return explain_spawn(pool, failure);
	if (info->si_code == CLD_EXITED && info->si_status == 127)
		return util_asprintf(
		    ": %s could not be loaded; its own message "
		    "in the log names the shared library or command that is "
		    "missing",
		    pool->config->argv[0]);
	if (said[0] != '\0')
		return util_asprintf(": %s", said);
	return NULL;
}

void
ending_keep(char said[ENDING_SAID_SIZE], const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < ENDING_SAID_SIZE; text++)
		said[n++] = (char)((unsigned char)*text >= ' ' && *text != 0x7f ? *text :
										  ' ');
	said[n] = '\0';
}
