/* SPDX-License-Identifier: ISC */
#include "supervisor/environment.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/util.h"
#include "supervisor/listener.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

struct builder {
	char **vars; /* NULL at its end */
	size_t count;
	size_t size;
};

static bool
same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strcspn(b, "=") == len && strncmp(a, b, len) == 0;
}

/* Adds NAME=VALUE, which the builder then owns, or replaces NAME. */
static char *
put(struct builder *builder, char *var)
{
	for (size_t i = 0; i < builder->count; i++)
		if (same_name(builder->vars[i], var)) {
			free(builder->vars[i]);
			return builder->vars[i] = var;
		}
	if (builder->count + 1 >= builder->size) {
		size_t size = builder->size > 0 ? builder->size * 2 : 64;
		char **vars = util_alloc(size * sizeof(*vars));

		if (builder->count > 0)
			memcpy(vars, builder->vars, builder->count * sizeof(*vars));
		free(builder->vars);
		builder->vars = vars;
		builder->size = size;
	}
	builder->vars[builder->count++] = var;
	builder->vars[builder->count] = NULL;
	return var;
}

static bool
is_ours(const char *var)
{
	static const char *const prefixes[] = { "NOTIFY_SOCKET=", "LISTEN_PID=",
		"LISTEN_FDS=", "LISTEN_FDNAMES=", "WATCHDOG_", "POOLD_PROTOCOL=",
		"POOLD_FDS=", "POOLD_SERVICE=", "POOLD_SLOT=", "POOLD_GENERATION=" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(var, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static void
put_inherited(struct builder *builder)
{
	for (char **var = environ; var != NULL && *var != NULL; var++)
		if (!is_ours(*var) && strchr(*var, '=') != NULL)
			put(builder, util_strdup(*var));
}

static void
put_account(struct builder *builder, const struct pool *pool)
{
	const struct passwd *pw;

	if (!pool->supervisor->is_root)
		return;
	pw = getpwuid(pool->account.uid);
	put(builder, util_asprintf("USER=%s", pool->account.name));
	put(builder, util_asprintf("LOGNAME=%s", pool->account.name));
	put(builder, util_asprintf("HOME=%s", pw != NULL ? pw->pw_dir : "/"));
}

static void
put_lease(struct builder *builder, const struct worker *worker)
{
	put(builder, util_asprintf("POOLD_PROTOCOL=%d", LEASE_PROTOCOL));
	put(builder,
	    util_asprintf("POOLD_FDS=%d,%d,%d,%d%s", LEASE_FD_QUEUE, LEASE_FD_CONTROL,
		LEASE_FD_SCOREBOARD, LEASE_FD_DONE, worker->rest_fd != -1 ? ",7" : ""));
}

/* As sd_listen_fds(3) describes. */
static char *
put_listen(struct builder *builder, struct pool *pool)
{
	struct config_string *listen;
	char *names = util_strdup("LISTEN_FDNAMES=");
	unsigned count = 0;

	TAILQ_FOREACH (listen, &pool->config->listen, entry) {
		char *more = util_asprintf("%s%s%s", names, count++ > 0 ? ":" : "",
		    listen->value);

		free(names);
		names = more;
	}
	put(builder, names);
	put(builder, util_asprintf("LISTEN_FDS=%u", count));
	/* the child writes its pid here, which it alone knows in time */
	return put(builder, util_asprintf("LISTEN_PID=%010d.", 0));
}

char **
environment_new(struct worker *worker, char **listen_pid)
{
	struct pool *pool = worker->pool;
	struct builder builder = { 0 };
	struct config_env *env;

	*listen_pid = NULL;
	put_inherited(&builder);
	put_account(&builder, pool);
	put(&builder, util_asprintf("NOTIFY_SOCKET=%s", pool->supervisor->notify.path));
	put(&builder, util_asprintf("POOLD_SERVICE=%s", pool->service->name));
	put(&builder, util_asprintf("POOLD_SLOT=%u", worker->slot));
	put(&builder, util_asprintf("POOLD_GENERATION=%u", pool->number));
	if (pool_is_leased(pool))
		put_lease(&builder, worker);
	TAILQ_FOREACH (env, &pool->config->env, entry)
		put(&builder, util_asprintf("%s=%s", env->name, env->value));
	/* last: put may move what is before it, never what it returns */
	if (!pool_is_leased(pool))
		*listen_pid = put_listen(&builder, pool);
	return builder.vars;
}

void
environment_free(char **envp)
{
	for (char **var = envp; *var != NULL; var++)
		free(*var);
	free(envp);
}

int
environment_listen_fds(struct pool *pool, int *fds, int size)
{
	struct config_string *listen;
	struct listener *listener;
	int count = 0;

	TAILQ_FOREACH (listen, &pool->config->listen, entry) {
		listener = listener_by_address(&pool->supervisor->listeners,
		    config_listen_find(pool->plan->config, listen->value)->address);
		if (listener != NULL && count < size)
			fds[count++] = listener->fd;
	}
	return count;
}
