/* SPDX-License-Identifier: ISC */
#include "supervisor/role_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "supervisor/logs.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor.h"

pid_t
role_process_start(struct supervisor *supervisor, const char *role, int sock, int *pidfd,
    int *failure_fd)
{
	char *argv[] = { "poold", "-R", (char *)role, NULL };
	struct log_tag tag = { .kind = LOGGER_OWN, .name = role, .output = "log" };
	struct config_account account;
	struct log_source *source;
	struct spawn spawn = { .path = "/proc/self/exe",
		.argv = argv,
		.envp = environ,
		.account = &account,
		.switch_account = supervisor->is_root,
		.fds = { sock },
		.fd_count = 1,
		.stdin_fd = -1,
		.death_signal = SIGTERM };
	pid_t pid = -1;
	char *why;

	if (!config_router_account(supervisor->plan->config, &account, &why)) {
		log_error("cannot start the %s: %s", role, why);
		free(why);
		return 0;
	}
	spawn.log_fd = logs_pipe(supervisor, &tag, &source);
	if (spawn.log_fd != -1)
		pid = spawn_process(&spawn, pidfd, failure_fd);
	if (pid == -1)
		log_error("cannot start the %s: %s", role, strerror(errno));
	if (spawn.log_fd != -1)
		close(spawn.log_fd);
	config_account_free(&account);
	if (pid == -1) {
		logs_process_failed(supervisor, source);
		return 0;
	}
	logs_process_started(supervisor, source, pid);
	return pid;
}
