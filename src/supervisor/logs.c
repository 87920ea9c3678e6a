/* SPDX-License-Identifier: ISC */
#include "supervisor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/roles.h"
#include "common/util.h"
#include "supervisor/supervisor.h"

static bool
is_path(const char *text)
{
	return text[0] == '/';
}

/* *fd is -1 for what is no file. */
static char *
open_log(const char *path, int *fd)
{
	*fd = -1;
	if (!is_path(path))
		return NULL;
	*fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (*fd == -1)
		return util_asprintf("cannot open the log %s: %s", path, strerror(errno));
	return NULL;
}

char *
logs_open_destination(const char *text, int *fd)
{
	char *why = open_log(text, fd);

	if (why == NULL && *fd == -1)
		*fd = STDERR_FILENO;
	return why;
}

static void
close_if_open(int fd)
{
	if (fd != -1)
		close(fd);
}

static void
replace_access(struct logs *logs, struct access_targets *fresh)
{
	access_targets_close(&logs->access);
	logs->access.last_id = fresh->last_id;
	TAILQ_CONCAT(&logs->access.list, &fresh->list, entry);
}

char *
logs_open(struct logs *logs, const struct config *config)
{
	struct access_targets access;
	int log = -1, slow = -1;
	char *why = open_log(config->log, &log);

	if (why == NULL)
		why = open_log(config->slow_log, &slow);
	if (why == NULL)
		why = access_targets_open(&logs->access, config, &access);
	if (why != NULL) {
		close_if_open(log);
		close_if_open(slow);
		return why;
	}
	log_replace(log != -1 ? log : STDERR_FILENO);
	replace_access(logs, &access);
	if (strcmp(config->slow_log, "stderr") == 0)
		slow = STDERR_FILENO;
	if (slow == -1)
		sink_close(&logs->slow);
	else
		sink_replace(&logs->slow, slow);
	free(logs->log);
	free(logs->slow_log);
	logs->log = util_strdup(config->log);
	logs->slow_log = util_strdup(config->slow_log);
	return NULL;
}

void
logs_adopt(struct logs *logs, const struct config *config)
{
	struct access_targets access;
	char *why = NULL;

	if (access_targets_named(&logs->access, config))
		return; /* an earlier version knew no more than one */
	why = access_targets_open(&logs->access, config, &access);
	if (why != NULL) {
		log_error("%s", why);
		free(why);
		return;
	}
	replace_access(logs, &access);
}

void
logs_reopen(struct supervisor *supervisor, const struct config *config)
{
	struct logs *logs = &supervisor->logs;
	struct role_id role = { .type = ROLE_LOGS };
	char *why = logs_open(logs, config);
	int fd = log_fd();

	if (why != NULL) {
		log_error("%s; the logs go on as before", why);
		free(why);
		return;
	}
	channel_send(&supervisor->link.channel, &role, sizeof(role), &fd, 1);
	access_targets_tell(&supervisor->link);
}

void
logs_close(struct logs *logs)
{
	access_targets_close(&logs->access);
	sink_close(&logs->slow);
	free(logs->log);
	free(logs->slow_log);
	logs->log = logs->slow_log = NULL;
}

bool
logs_has_slow(const struct logs *logs)
{
	return logs->slow.fd != -1;
}

void
logs_slow(struct logs *logs, const char *text, size_t len)
{
	sink_add(&logs->slow, text, len);
	sink_flush(&logs->slow);
}

bool
logs_flush(struct logs *logs)
{
	return sink_flush(&logs->slow);
}
