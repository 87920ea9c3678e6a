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

static void
close_if_open(int fd)
{
	if (fd != -1)
		close(fd);
}

char *
logs_open(struct logs *logs, const struct config *config)
{
	int log = -1, access_fd = -1, slow = -1;
	char *why = open_log(config->log, &log);

	if (why == NULL)
		why = open_log(config->access_log, &access_fd);
	if (why == NULL)
		why = open_log(config->slow_log, &slow);
	if (why != NULL) {
		close_if_open(log);
		close_if_open(access_fd);
		return why;
	}
	log_replace(log != -1 ? log : STDERR_FILENO);
	close_if_open(logs->access_fd);
	logs->access_fd = access_fd;
	if (strcmp(config->slow_log, "stderr") == 0)
		slow = STDERR_FILENO;
	if (slow == -1)
		sink_close(&logs->slow);
	else
		sink_replace(&logs->slow, slow);
	free(logs->log);
	free(logs->access_log);
	free(logs->slow_log);
	logs->log = util_strdup(config->log);
	logs->access_log = util_strdup(config->access_log);
	logs->slow_log = util_strdup(config->slow_log);
	return NULL;
}

void
logs_reopen(struct supervisor *supervisor, const struct config *config)
{
	struct logs *logs = &supervisor->logs;
	struct role_logs role = { .type = ROLE_LOGS };
	int fds[2], count = 0;
	char *why = logs_open(logs, config);

	if (why != NULL) {
		log_error("%s; the logs go on as before", why);
		free(why);
		return;
	}
	role.flags = ROLE_LOGS_LOG;
	fds[count++] = log_fd();
	if (strcmp(logs->access_log, "off") == 0) {
		role.flags |= ROLE_LOGS_ACCESS_OFF;
	} else {
		role.flags |= ROLE_LOGS_ACCESS;
		fds[count++] = logs->access_fd != -1 ? logs->access_fd : STDERR_FILENO;
	}
	channel_send(&supervisor->link.channel, &role, sizeof(role), fds, count);
}

void
logs_close(struct logs *logs)
{
	close_if_open(logs->access_fd);
	logs->access_fd = -1;
	sink_close(&logs->slow);
	free(logs->log);
	free(logs->access_log);
	free(logs->slow_log);
	logs->log = logs->access_log = logs->slow_log = NULL;
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
